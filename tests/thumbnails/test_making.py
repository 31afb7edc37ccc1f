"""Whole titles in, thumbnails out."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from pertitle.errors import SourceError, UsageError
from pertitle.records import Crop, Size
from pertitle.thumbnails.making import find_candidates, make_thumbnails
from pertitle.thumbnails.measures import combing, luma
from pertitle.thumbnails.renditions import Shape
from pertitle.thumbnails.selection import are_duplicates
from tests.thumbnails import media


@pytest.fixture(scope="module")
def traps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return media.trap_title(tmp_path_factory.mktemp("traps") / "traps.mkv")


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five scenes of 1.2 s."""
    folder = tmp_path_factory.mktemp("scenes")
    return media.plain_title(folder / "it's a -title %d ü.mp4", scenes=5, seconds=1.2)


def test_no_pick_lands_on_a_trap(traps: Path) -> None:
    found = find_candidates(media.analysed(traps), count=4)
    assert len(found) >= 2
    for candidate in found:
        assert not candidate.faults
        for name, start, end in media.TRAPS:
            assert not start <= candidate.time < end, (name, candidate.time)


def test_files_manifest_and_records_agree(scenes: Path, tmp_path: Path) -> None:
    seen: list[float] = []
    made = make_thumbnails(
        media.analysed(scenes), tmp_path / "t", count=2, title="A title", on_progress=seen.append
    )
    manifest = json.loads((tmp_path / "t" / "thumbnails.json").read_text())
    assert manifest["title"] == "A title"
    assert [item["file"] for item in manifest["thumbnails"]] == [t.file for t in made]
    assert len({item["id"] for item in manifest["thumbnails"]}) == len(made)
    written = {p.name for p in (tmp_path / "t").iterdir()}
    named = {f for item in manifest["thumbnails"] for fs in item["files"].values() for f in fs}
    assert written == named | {"thumbnails.json", "contact-sheet.jpg"}
    assert len(named) == len(made) * 3 * 2
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    (tmp_path / "t" / "09-mine.jpg").write_bytes(b"not ours")
    make_thumbnails(media.analysed(scenes), tmp_path / "t", count=1, formats=("jpg",))
    assert {p.name for p in (tmp_path / "t").iterdir()} == {
        "01-16x9.jpg", "01-2x3.jpg", "01-1x1.jpg", "09-mine.jpg", "contact-sheet.jpg",
        "thumbnails.json",
    }, "pictures of the earlier call go, a stranger's stay"  # fmt: skip
    for thumbnail in made:
        assert 0 < thumbnail.score < 1
        assert all(0 <= value <= 1 for value in thumbnail.terms.values())
        assert thumbnail.reason


def test_renditions_have_their_shape_and_are_never_enlarged(tmp_path: Path) -> None:
    clip = media.plain_title(tmp_path / "plain.mp4", scenes=1, seconds=0.5)
    make_thumbnails(media.analysed(clip), tmp_path / "t", count=1, formats=("jpg", "webp", "avif"))
    for name, aspect in (("16x9", 16 / 9), ("2x3", 2 / 3), ("1x1", 1.0)):
        sizes = set()
        for extension in ("jpg", "webp", "avif"):
            height, width = media.bgr(tmp_path / "t" / f"01-{name}.{extension}").shape[:2]
            assert width / height == pytest.approx(aspect, rel=0.02)
            assert height <= 270
            sizes.add((width, height))
        assert len(sizes) == 1


def test_distinct_scenes_give_distinct_pictures(scenes: Path) -> None:
    cuts = [1.2 * i for i in range(1, 5)]
    found = find_candidates(media.analysed(scenes, cuts=cuts), count=5)
    assert len(found) == 5
    assert {int(c.time // 1.2) for c in found} == set(range(5))
    assert not any(are_duplicates(a, b) for i, a in enumerate(found) for b in found[:i])


def test_spoiler_stretch_is_left_out(scenes: Path) -> None:
    found = find_candidates(media.analysed(scenes), count=2, spoiler_share=0.5)
    assert found
    assert all(candidate.time < 3.0 for candidate in found)


def test_black_title_has_no_thumbnail(tmp_path: Path) -> None:
    clip = media.render(tmp_path / "b.mp4", f"color=black:s=320x180:r={media.RATE}:d=2[v]")
    assert make_thumbnails(media.analysed(clip), tmp_path / "t") == ()
    assert json.loads((tmp_path / "t" / "thumbnails.json").read_text())["thumbnails"] == []


@pytest.mark.parametrize(
    "graph",
    [
        f"{media.scene(1, 0.08)}[v]",
        f"{media.scene(2, 1)},loop=loop=30:size=1[v]",
        "color=gray:s=62x34:r=5:d=1[v]",
        "testsrc2=s=66x500:r=10:d=1[v]",
    ],
    ids=["two frames", "still", "grey", "tall sliver"],
)
def test_poor_titles_still_get_one(tmp_path: Path, graph: str) -> None:
    clip = media.render(tmp_path / "poor.mp4", graph)
    made = make_thumbnails(media.analysed(clip), tmp_path / "t", count=4)
    assert len(made) >= 1
    assert (tmp_path / "t" / made[0].file).exists()


def test_still_title_gets_one_picture(tmp_path: Path) -> None:
    clip = media.render(
        tmp_path / "still.mp4", f"{media.scene(0, 0.1)},trim=end_frame=1,loop=48:1:0[v]"
    )
    assert len(find_candidates(media.analysed(clip), count=2)) == 1


def test_rotation_and_letterbox_are_undone(tmp_path: Path) -> None:
    flat = media.plain_title(
        tmp_path / "flat.mp4", scenes=2, seconds=1.0, tail="pad=480:360:0:45:black"
    )
    turned = tmp_path / "turned.mp4"
    box = media.toolbox()
    box.runner.run(
        [box.ffmpeg, "-loglevel", "error", "-display_rotation", "90", "-i", f"file:{flat}",
         "-c", "copy", f"file:{turned}"]
    )  # fmt: skip
    plain = media.analysed(flat, crop=Crop(0, 45, Size(480, 270)))
    source = media.analysed(turned).source
    assert (source.size.width, source.size.height) == (360, 480)
    upright = media.analysed(turned, crop=Crop(45, 0, Size(270, 480)))
    a = find_candidates(plain, count=1)[0]
    b = find_candidates(upright, count=1)[0]
    assert a.image.shape == (270, 480, 3)
    assert b.image.shape == (480, 270, 3)
    for candidate in (a, b):
        edges = np.concatenate(
            [candidate.image[[0, -1]].ravel(), candidate.image[:, [0, -1]].ravel()]
        )
        assert edges.mean() > 40, "a bar is left"
    direction = {90: cv2.ROTATE_90_CLOCKWISE, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}
    expected = cv2.rotate(a.image, direction[source.video.rotation])
    if a.time == b.time:
        assert np.abs(expected.astype(int) - b.image).mean() < 3


def test_pixel_aspect_is_applied(tmp_path: Path) -> None:
    clip = media.plain_title(tmp_path / "sar.mp4", scenes=1, seconds=1, tail="setsar=4/3")
    found = find_candidates(media.analysed(clip), count=1)
    assert found[0].image.shape == (270, 640, 3)


def test_interlace_comb_is_removed(tmp_path: Path) -> None:
    graph = (
        f"color=gray:s={media.SIZE}:r=50:d=2[g];testsrc2=s=120x120:r=50:d=2[p];"
        "[g][p]overlay=x='t*150':y=70,interlace=lowpass=0,setfield=tff[v]"
    )
    clip = media.render(tmp_path / "i.mp4", graph)
    combed = find_candidates(media.analysed(clip), count=1)[0]
    clean = find_candidates(media.analysed(clip, deinterlace=True), count=1)[0]
    assert combing(luma(clean.image)) < 0.25 * max(0.002, combing(luma(combed.image)))


def test_arguments_are_checked(tmp_path: Path) -> None:
    clip = media.render(tmp_path / "g.mp4", "color=gray:s=64x64:r=5:d=1[v]")
    analysis = media.analysed(clip)
    with pytest.raises(UsageError, match="gif"):
        make_thumbnails(analysis, tmp_path, formats=("gif",))
    with pytest.raises(UsageError, match="spoiler"):
        make_thumbnails(analysis, tmp_path, spoiler_share=1.0)
    with pytest.raises(UsageError, match="at least one"):
        make_thumbnails(analysis, tmp_path, count=0)
    with pytest.raises(UsageError, match="shape"):
        make_thumbnails(analysis, tmp_path, shapes=())
    clip.unlink()
    with pytest.raises(SourceError, match=r"g\.mp4"):
        make_thumbnails(analysis, tmp_path, shapes=(Shape("1x1", 64, 64),))


def test_hdr_is_tone_mapped(tmp_path: Path) -> None:
    """Diffuse white (203 cd/m², PQ code 0.58) becomes a bright grey without a cast."""
    graph = (
        "color=c=0x949494:s=160x180:r=24:d=0.5[a];testsrc2=s=160x180:r=24:d=0.5[b];"
        "[a][b]hstack,setparams=color_primaries=bt2020:color_trc=smpte2084:colorspace=bt2020nc,"
        "format=yuv420p10le[v]"
    )
    tags = ("-color_primaries", "bt2020", "-color_trc", "smpte2084", "-colorspace", "bt2020nc")
    analysis = media.analysed(media.render(tmp_path / "hdr.mkv", graph, options=tags))
    assert analysis.source.video.dynamic_range == "pq"
    white = find_candidates(analysis, count=1)[0].image[60:120, 20:140].mean(axis=(0, 1))
    assert white.max() - white.min() < 8
    assert 150 < white.mean() < 230
