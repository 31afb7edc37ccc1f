"""Options of thumbnails: what they reach, and what they leave alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from pertitle.delivery.planning import thumbnail_arguments
from pertitle.delivery.title import EXTRAS
from pertitle.errors import UsageError
from pertitle.options import Options, PictureOptions
from pertitle.storage.workspace import changes, inputs_of, plan_key
from pertitle.thumbnails.renditions import SHAPES
from tests.report.example import title

CHOSEN = Options(thumbnails=3, pictures=PictureOptions(("2x3", "1x1"), ("avif",), 0.25))


def test_other_pictures_leave_plan_and_package_alone() -> None:
    before, now = (inputs_of("mark", options, "9") for options in (Options(), CHOSEN))
    told = changes(before, now)
    assert told.keys() == EXTRAS - {"preview"}
    assert told["thumbnails"] == "thumbnails 6 → 3"
    assert plan_key(before) == plan_key(now)


def test_the_options_and_the_title_reach_the_thumbnails() -> None:
    analysis = title().plan.analysis
    told = thumbnail_arguments(analysis, Path("out"), "My title", CHOSEN)
    assert told == {
        "analysis": analysis, "folder": Path("out"), "title": "My title", "count": 3,
        "shapes": (SHAPES["2x3"], SHAPES["1x1"]), "formats": ("avif",), "spoiler_share": 0.25,
    }  # fmt: skip


@pytest.mark.parametrize(
    "wrong",
    [{"shapes": ()}, {"shapes": ("4x3",)}, {"formats": ("jpg", "jpg")}, {"spoiler_share": 1.0}],
)
def test_options_that_make_no_sense_are_refused(wrong: dict[str, tuple[str, ...]]) -> None:
    with pytest.raises(UsageError):
        PictureOptions(**wrong)  # type: ignore[arg-type]
