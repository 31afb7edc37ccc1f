"""Cuts of generated titles, at exact frames."""

from __future__ import annotations

import pytest

from pertitle.analysis import scan
from pertitle.analysis.analysing import analyse
from pertitle.analysis.frames import decoder
from pertitle.analysis.probe import probe
from pertitle.analysis.scan import every_frame
from pertitle.analysis.shots import find_shots
from pertitle.records import Shot
from tests.conftest import MakeClip

SHAPE = "s=320x180:r=25"
SCENES = (
    f"testsrc2={SHAPE}:d=1.4",
    f"mandelbrot={SHAPE},trim=duration=2.2",
    f"life={SHAPE}:mold=10:ratio=0.4:death_color=#404040:life_color=#00ff80:seed=4,trim=duration=1",
    f"gradients={SHAPE}:c0=red:c1=blue:seed=2:speed=0.02,trim=duration=1.6",
)


def shots_of(make_clip: MakeClip, graph: str, name: str) -> tuple[Shot, ...]:
    source = probe(make_clip(graph, name))
    with decoder(source) as decode:
        return find_shots(list(every_frame(decode)), source.duration)


def test_cuts_at_exact_frames(make_clip: MakeClip) -> None:
    parts = ";".join(f"{scene},format=yuv420p[s{i}]" for i, scene in enumerate(SCENES))
    joined = f"{parts};[s0][s1][s2][s3]concat=n=4:v=1:a=0"
    shots = shots_of(make_clip, joined, "scenes.mp4")
    assert [shot.start for shot in shots] == pytest.approx([0.0, 1.4, 3.6, 4.6])
    assert shots[-1].end == pytest.approx(6.2)


def test_shots_cover_the_title(make_clip: MakeClip) -> None:
    shots = shots_of(make_clip, "testsrc2=s=320x180:r=25:d=2", "cover.mp4")
    assert [shot.start for shot in shots] == [0.0]
    assert shots[0].end == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("name", "graph"),
    [
        ("pan", "mandelbrot=s=640x360:r=25,trim=duration=2,crop=320:180:'n*6':'n*3'"),
        ("fade", f"testsrc2={SHAPE}:d=3,fade=t=out:st=1:d=1.5"),
        ("flash", f"mandelbrot={SHAPE},trim=duration=2,eq=brightness='0.7*eq(n,25)':eval=frame"),
        ("shake", "mandelbrot=s=400x240:r=25,trim=duration=2,crop=320:180:'40+30*sin(n*2)':30"),
        ("noise", f"color=c=gray:{SHAPE}:d=2,noise=alls=60:allf=t"),
    ],
)
def test_what_is_no_cut(make_clip: MakeClip, name: str, graph: str) -> None:
    assert len(shots_of(make_clip, graph, f"{name}.mp4")) == 1


def test_coarse_shots_of_a_long_title(make_clip: MakeClip, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen in places only: every scene found, boundaries at the keyframes of the cuts."""
    scenes = (
        f"testsrc2={SHAPE}:d=20",
        f"smptehdbars={SHAPE}:d=24",
        f"rgbtestsrc={SHAPE}:d=16",
    )
    parts = ";".join(f"{scene},format=yuv420p[s{i}]" for i, scene in enumerate(scenes))
    path = make_clip(
        f"{parts};[s0][s1][s2]concat=n=3:v=1:a=0", "long-scenes.mp4",
        "-c:v", "libx264", "-preset", "superfast", "-g", "150",
    )  # fmt: skip
    monkeypatch.setattr(scan, "MAX_SCANNED_PIXELS", 1e6)
    shots = analyse(path).shots
    assert shots[0].start == 0
    assert shots[-1].end == pytest.approx(60)
    assert [shot.start for shot in shots[1:]] == pytest.approx([20.0, 44.0], abs=0.1)
