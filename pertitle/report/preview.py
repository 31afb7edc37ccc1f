"""A page that plays a finished package and lays two rungs over one another.

The page carries its player, hls.js, which the caller brings (``npm install hls.js``, then
``node_modules/hls.js/dist/hls.min.js``). Browsers fetch segments only over HTTP, so it has to be
served: ``python -m http.server --bind 127.0.0.1`` in the title's folder does on this machine.
"""

from __future__ import annotations

from pathlib import Path

from pertitle import words
from pertitle.errors import UsageError
from pertitle.report import page
from pertitle.report.markup import Markup, tag
from pertitle.results import TitleResult
from pertitle.serial import write_text

NAME = "preview.html"
_ALLOW = "connect-src 'self'; media-src blob: 'self'; worker-src blob:"


def write_preview(result: TitleResult, folder: Path, player: Path) -> Path:
    """Write ``preview.html`` into a title's folder, beside its package.

    Args:
        player: hls.js as one script.

    Returns:
        The file.

    Raises:
        UsageError: the player cannot be read.
        OSError: the file cannot be written.
    """
    target = folder / NAME
    write_text(target, preview_page(result, read_player(player)))
    return target


def read_player(path: Path) -> str:
    """The code of hls.js, fit to stand inside a page.

    Raises:
        UsageError: it cannot be read as text.
    """
    try:
        code = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the player {path}: {error}") from error
    return code.replace("</script", "<\\/script")


def preview_page(result: TitleResult, player: str) -> str:
    """The page as text; see :func:`write_preview`."""
    names = [
        f"{words.codec(r.codec)} {r.rung.width}×{r.rung.height}, {words.kbps(r.average_kbps)},"
        f" VMAF {r.verification.vmaf:.1f}"
        for r in result.renditions
    ]
    size = result.plan.analysis.treatment.size
    rate = result.plan.analysis.treatment.frame_rate
    body: list[object] = [
        tag("header", tag("h1", result.name), tag("p", _hint(result))),
        tag(
            "main",
            tag(
                "section",
                tag("h2", "Two rungs at the same frame", id="h-stage"),
                tag(
                    "div",
                    tag("video", id="a", playsinline=True, preload="auto", aria_label="Left rung"),
                    tag("video", id="b", playsinline=True, preload="auto", muted=True,
                        aria_label="Right rung"),
                    tag("div", id="divider"),
                    tag("span", "", id="name-a", class_="over"),
                    tag("span", "", id="name-b", class_="over right"),
                    id="stage", style=f"aspect-ratio:{size.width}/{size.height}",
                ),
                _slider("split", "Divider", 100, 50),
                _slider("seek", "Time", 1000, 0),
                tag(
                    "div",
                    [
                        tag("button", label, type="button", id=name)
                        for name, label in (("play", "Play"), ("back", "Frame back"),
                                            ("forward", "Frame on"), ("sound", "Sound off"),
                                            ("zoom", "Zoom 2×"))
                    ],
                    tag("output", "", id="clock"),
                    class_="switches",
                ),
                tag(
                    "div",
                    tag("label", "Left ", tag("select", id="rung-a")),
                    tag("label", "Right ", tag("select", id="rung-b")),
                    class_="choices",
                ),
                tag("p", "Drag in the picture to move the divider. Keys: space plays, comma and"
                    " full stop step a frame, the arrows on the divider move it.",
                    class_="fine"),
                tag("p", "", id="trouble", class_="bad", role="alert"),
                aria_labelledby="h-stage",
            ),
        ),
        tag("footer", tag("p", "Written by pertitle. Plays with hls.js (Apache-2.0).")),
    ]  # fmt: skip
    return page.page(
        f"{result.name}: preview",
        body,
        data={
            "master": result.package.hls_master,
            "names": names,
            "rate": [rate.numerator, rate.denominator],
        },
        scripts=("preview.js",),
        libraries=(player,),
        styles=("page.css", "preview.css"),
        allow=_ALLOW,
    )


def _hint(result: TitleResult) -> str:
    codecs = ", ".join(words.codec(ladder.codec) for ladder in result.plan.ladders)
    return f"{words.count(len(result.renditions), 'rung')}, {codecs}"


def _slider(name: str, label: str, high: int, value: int) -> Markup:
    return tag(
        "label",
        tag("span", label),
        tag("input", id=name, type="range", min=0, max=high, value=value, step="any"),
        class_="slider",
    )
