"""Sources, names and plans made to do harm: each test fails when its guard is taken away.

HTML pages, playlists and model files have theirs beside their own tests (tests/report,
tests/encoder/test_manifests.py, tests/ladder).
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import ffmpeg
import pytest

import pertitle
from pertitle import cli
from pertitle.analysis import analyse, probe
from pertitle.encoder import commands
from pertitle.encoder.codecs import CODECS
from pertitle.encoder.renditions import encode_renditions
from pertitle.errors import ModelError, PertitleError, ProcessError, SourceError
from pertitle.inputs import find_titles
from pertitle.isolation import isolated
from pertitle.options import LadderOptions, Options
from pertitle.plan_file import read_plan
from pertitle.process import FakeRunner
from pertitle.sources import demuxer_of
from pertitle.tools import Toolbox, find_toolbox
from pertitle.workspace import fingerprint
from tests.conftest import MakeClip
from tests.encoder.helpers import analysis_of, rung

PNG = ("-c:v", "png", "-pix_fmt", "gray")
SMALL = "testsrc2=s=64x48:r=10:d=1"


@pytest.fixture(scope="module")
def clip(make_clip: MakeClip) -> Path:
    return make_clip(SMALL, "small.mp4")


# --- decoders -------------------------------------------------------------------------------


def test_no_decoder_runs_in_the_callers_process(
    clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("decoded in this process")

    monkeypatch.setattr(av, "open", refuse)
    assert pertitle.analyse(clip).source.size.height == 48


def test_a_crashing_decoder_is_one_line(clip: Path) -> None:
    def crash(argv: Sequence[str]) -> str:
        raise ProcessError(argv, -11, "")

    toolbox = Toolbox("ffmpeg", None, FakeRunner(crash))
    with pytest.raises(SourceError, match=r"small.mp4: the decoder crashed \(signal 11\)"):
        isolated(toolbox, analyse, {"path_or_source": clip}, name=clip.name)


def test_a_decoder_that_does_not_end_is_ended(clip: Path) -> None:
    started = time.monotonic()
    with pytest.raises(SourceError, match="did not end within"):
        isolated(find_toolbox(), analyse, {"path_or_source": clip}, name=clip.name, seconds=0.05)
    assert time.monotonic() - started < 10


def test_a_decoder_that_wants_too_much_memory_is_one_line(make_clip: MakeClip) -> None:
    bomb = make_clip("color=gray:s=6000x6000:r=10:d=0.1", "bomb.mkv", *PNG)
    toolbox = replace(find_toolbox(), memory=400 << 20)
    with pytest.raises(PertitleError) as caught:
        isolated(toolbox, analyse, {"path_or_source": bomb}, name=bomb.name)
    assert "\n" not in str(caught.value)


def test_modules_among_the_videos_are_not_imported(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("json.py", "numpy.py", "av.py", "pertitle.py", "sitecustomize.py"):
        (tmp_path / name).write_text("open('ran', 'w')\nraise SystemExit(1)\n")
    monkeypatch.chdir(tmp_path)
    assert pertitle.analyse(clip).source.size.width == 64
    assert not (tmp_path / "ran").exists()


def test_a_child_can_only_be_sent_to_functions_of_this_package(clip: Path) -> None:
    with pytest.raises(ModelError, match="not part of pertitle"):
        isolated(find_toolbox(), os.path.getsize, {}, name=clip.name)


# --- files ----------------------------------------------------------------------------------


def test_huge_pictures_are_refused_before_and_while_decoding(
    make_clip: MakeClip, toolbox: Toolbox
) -> None:
    bomb = make_clip("color=gray:s=9000x9000:r=1:d=1", "huge.mkv", *PNG)
    with pytest.raises(SourceError, match="9000x9000 pixels is too large"):
        probe(bomb)
    stream = commands.open_input(bomb).video.output("pipe:", f="null")
    with pytest.raises(ProcessError):
        toolbox.runner.run(commands.finish(toolbox.ffmpeg, stream.global_args("-xerror")))


def _pictures_at(path: Path, seconds: Sequence[int]) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        for second in seconds:
            frame = av.VideoFrame(64, 48, "yuvj420p")
            frame.pts, frame.time_base = second * 1000, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def test_a_title_of_years_is_refused(tmp_path: Path) -> None:
    path = _pictures_at(tmp_path / "years.mkv", range(0, 10**6, 10**5))
    with pytest.raises(SourceError, match="hours is not credible"):
        probe(path)


def test_a_hole_of_a_day_is_not_filled_with_pictures(tmp_path: Path) -> None:
    path = _pictures_at(tmp_path / "hole.mkv", (0, 1, 10**5))
    options = Options(ladder=LadderOptions(max_probes=0), thumbnails=0)
    batch = pertitle.run([path], tmp_path / "out", options)
    assert "goes on after its declared end" in batch.failures[0].message


def test_a_title_that_goes_on_after_its_end_is_stopped(clip: Path, tmp_path: Path) -> None:
    def endless(argv: Sequence[str]) -> str:
        if "-version" in argv:
            return "ffmpeg version 1"
        return "\n".join(f"frame={n}" for n in range(0, 10**6, 1000))

    toolbox = Toolbox("ffmpeg", None, FakeRunner(endless))
    with pytest.raises(SourceError, match="goes on after its declared end"):
        encode_renditions(
            toolbox, analysis_of(clip), [rung(64, 48, 30)], codec=CODECS["h264"], preset=None,
            segment_seconds=1.0, vbv_ratio=2.0, folder=tmp_path,
        )  # fmt: skip


@pytest.mark.parametrize("listing", ["hls", "concat", "dash"])
def test_a_playlist_named_mp4_reaches_no_other_file(
    listing: str, clip: Path, toolbox: Toolbox, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.mp4"
    secret.write_bytes(clip.read_bytes())
    text = {
        "hls": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:{secret}\n#EXT-X-ENDLIST\n",
        "concat": f"ffconcat version 1.0\nfile '{secret}'\n",
        "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static">'
        f"<Period><AdaptationSet><Representation><BaseURL>{secret}</BaseURL></Representation>"
        "</AdaptationSet></Period></MPD>",
    }[listing]
    path = tmp_path / "innocent.mp4"
    path.write_text(text)
    with pytest.raises(SourceError):
        probe(path)
    # The same for ffmpeg, had the file been a video while it was analysed.
    source = replace(probe(clip), path=path)
    stream = commands.open_source(source).output("pipe:", f="null")
    with pytest.raises(ProcessError):
        toolbox.runner.run(commands.finish(toolbox.ffmpeg, stream))


def test_a_network_address_inside_or_as_a_source_is_not_opened(toolbox: Toolbox) -> None:
    stream = ffmpeg.input("http://127.0.0.1:9/x.mp4", **commands.INPUT_OPTIONS)
    argv = commands.finish(toolbox.ffmpeg, stream.output("pipe:", f="null"))
    with pytest.raises(ProcessError, match=r"(?i)invalid argument|not on whitelist"):
        toolbox.runner.run(argv)


def test_pipes_and_devices_are_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.mp4"
    os.mkfifo(pipe)
    for path in (pipe, Path("/dev/zero")):
        with pytest.raises(SourceError, match="not a file"):
            fingerprint(path)
        with pytest.raises(SourceError, match="not a file"):
            probe(path)


# --- names ----------------------------------------------------------------------------------


def test_links_and_names_lead_nowhere_else(clip: Path, tmp_path: Path) -> None:
    outside, folder = tmp_path / "outside", tmp_path / "in"
    for place in (outside, folder):
        place.mkdir()
    (outside / "private.mp4").write_bytes(b"x")
    (folder / "link.mp4").symlink_to(outside / "private.mp4")
    (folder / "there").symlink_to(outside)
    (folder / "..mp4").write_bytes(b"x")
    (folder / "a\\..\\..\\b.mp4").write_bytes(b"x")
    titles = find_titles([folder], tmp_path / "out")
    assert {title.path.name for title in titles} == {"a\\..\\..\\b.mp4"}
    for title in (*titles, *find_titles([folder / "..mp4"], tmp_path / "out")):
        target = (tmp_path / "out" / title.name).resolve()
        assert target.parent == (tmp_path / "out").resolve()


def test_names_cannot_command_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "\x1b]0;owned\x07\x1b[2J\u202e4pm.mp4"
    path.write_bytes(b"no video")
    assert cli.main(["analyze", str(path)]) == cli.EXIT_FAILED
    cli.main(["run", str(path), "-o", str(tmp_path / "out")])
    captured = capsys.readouterr()
    assert "owned" in captured.err
    assert not {"\x07", "\u202e"} & set(captured.err + captured.out)
    assert "\x1b]0" not in captured.err
    assert "\x1b[2J" not in captured.err


# --- plans ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def plan(make_clip: MakeClip, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    from pertitle.plan_file import plan_document

    clip = make_clip("testsrc2=s=160x120:r=10:d=1", "planned.mp4")
    options = Options(ladder=LadderOptions(max_probes=0, heights=(120, 90)))
    document: dict[str, Any] = json.loads(
        json.dumps(plan_document(pertitle.plan(clip, options), options))
    )
    return document


FORGED: tuple[tuple[str, object], ...] = (
    ("ladders.0.quality_model", "vmaf_v0.6.1:path=/etc/passwd"),
    ("ladders.0.preset", "fast -i /etc/passwd"),
    ("ladders.0.codec", "../../etc"),
    ("options.encode.quality_model", "x\\:log_path=/tmp/owned"),
    ("options.encode.segment_seconds", 1e-6),
    ("options.encode.vbv_ratio", 1e300),
    ("options.encode.display.width", 10**9),
    ("source.container", "lavfi"),
    ("source.container", "concat"),
    ("source.path", "a\0b"),
    ("source.duration", 1e18),
    ("source.video.primaries", "bt709,movie=/etc/passwd"),
    ("analysis.treatment.frame_rate", "1000000000/1"),
    ("analysis.treatment.size.height", 10**9),
    ("analysis.digest.0.duration", 1e12),
)


@pytest.mark.parametrize(("place", "value"), FORGED)
def test_a_forged_plan_is_refused(
    place: str, value: object, plan: dict[str, Any], tmp_path: Path
) -> None:
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(plan))
    read_plan(file)
    forged = json.loads(json.dumps(plan))
    *way, last = place.split(".")
    inner = forged
    for step in way:
        inner = inner[int(step)] if step.isdigit() else inner[step]
    assert last in inner
    inner[last] = value
    file.write_text(json.dumps(forged))
    with pytest.raises(PertitleError):
        read_plan(file)


def test_a_record_cannot_choose_the_demuxer(clip: Path) -> None:
    with pytest.raises(SourceError, match="lavfi is not a video container"):
        demuxer_of(replace(probe(clip), container="lavfi"))
