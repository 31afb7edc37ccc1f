"""Sources, names and plans made to do harm: each test fails when its guard is taken away.

HTML pages, playlists and model files have theirs beside their own tests (tests/report,
tests/encoder/package/test_manifests.py, tests/ladder).
"""

from __future__ import annotations

import io
import json
import os
import sys
import time
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import ffmpeg
import numpy as np
import pytest
from rich.console import Console

import pertitle
from pertitle import cli
from pertitle.analysis.analysing import analyse
from pertitle.analysis.probe import probe
from pertitle.clicks import bandit
from pertitle.codecs import CODECS
from pertitle.encoder import commands
from pertitle.encoder.audio.decoding import listen
from pertitle.encoder.renditions import encode_renditions
from pertitle.errors import ModelError, PertitleError, ProcessError, SourceError
from pertitle.ladder.library import load_model
from pertitle.options import LadderOptions, Options
from pertitle.serial import write_json
from pertitle.storage.inputs import find_titles
from pertitle.storage.plan_file import read_plan
from pertitle.storage.workspace import fingerprint
from pertitle.system.isolation import isolated
from pertitle.system.process import NO_LIMITS, Completed, FakeRunner, Limits
from pertitle.system.sources import CONTAINERS, demuxer_of
from pertitle.system.tools import Toolbox, find_toolbox
from pertitle.terminal.text import escape
from pertitle.thumbnails.decoding import FrameReader
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


class Answering:
    """A runner in whose place a decoder answers that was taken over; keeps the limits it got."""

    def __init__(self, answer: dict[str, Any]) -> None:
        self.answer = answer
        self.limits = NO_LIMITS

    def run(self, argv: Sequence[str], *, limits: Limits = NO_LIMITS, **_: object) -> Completed:
        self.limits = limits
        write_json(Path(argv[-1]) / "result.json", self.answer)
        return Completed(tuple(argv), "", "", 0.0)


@pytest.mark.parametrize(
    "answer",
    [
        {"result": {"source": "/etc/passwd"}},
        {"result": ["a", 1e400]},
        {"result": {"__class__": "os.system"}},
        {"error": "Sequence", "message": "x"},
        {"error": "printable", "message": "x"},
    ],
)
def test_what_a_taken_over_decoder_answers_is_validated(clip: Path, answer: dict[str, Any]) -> None:
    toolbox = Toolbox("ffmpeg", None, Answering(answer))
    with pytest.raises((ModelError, SourceError)):
        isolated(toolbox, analyse, {"path_or_source": clip}, name=clip.name)


def test_every_decoder_in_python_is_bounded(clip: Path) -> None:
    runner = Answering({"error": "SourceError", "message": "x"})
    toolbox = Toolbox("ffmpeg", None, runner, memory=None)
    with pytest.raises(SourceError):
        isolated(toolbox, analyse, {"path_or_source": clip}, name=clip.name)
    limits = runner.limits
    assert limits.memory_bytes == 4 << 30
    assert limits.file_bytes is not None
    assert limits.file_bytes <= 1 << 30
    assert limits.seconds is not None
    assert limits.seconds <= 3600


def test_a_child_can_only_be_sent_to_functions_of_this_package(clip: Path) -> None:
    with pytest.raises(ModelError, match="not part of pertitle"):
        isolated(find_toolbox(), os.path.getsize, {}, name=clip.name)


# --- files ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def huge(make_clip: MakeClip) -> Path:
    return make_clip("color=gray:s=9000x9000:r=1:d=1", "huge.mkv", *PNG)


def test_huge_pictures_are_refused_before_decoding(
    huge: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("decoded")

    # The package exports the function under the module's name.
    monkeypatch.setattr(sys.modules[probe.__module__], "_first_frame", refuse)
    with pytest.raises(SourceError, match="9000x9000 pixels is too large"):
        probe(huge)


def test_a_huge_picture_behind_a_small_header_is_refused(
    clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = SimpleNamespace(width=9000, height=9000)
    monkeypatch.setattr(sys.modules[probe.__module__], "_first_frame", lambda *_: (frame, False))
    with pytest.raises(SourceError, match="9000x9000 pixels is too large"):
        probe(clip)


def test_ffmpeg_refuses_huge_pictures_in_mid_stream(huge: Path, toolbox: Toolbox) -> None:
    stream = commands.open_input(huge).video.output("pipe:", f="null")
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
def test_a_playlist_reaches_no_other_file(
    listing: str, clip: Path, toolbox: Toolbox, tmp_path: Path
) -> None:
    # ffmpeg itself refuses much; these lists it follows, as the first lines of the test show.
    path = tmp_path / ("innocent.m3u8" if listing == "hls" else "innocent.mp4")
    muxer = {
        "hls": ["-f", "hls", "-hls_segment_filename", "secret%d.ts", "innocent.m3u8"],
        "concat": ["-f", "mp4", "secret.mp4"],
        "dash": ["-f", "dash", "-init_seg_name", "secret.mp4", "-media_seg_name",
                 "secret$Number$.mp4", "innocent.mp4"],
    }[listing]  # fmt: skip
    argv = [toolbox.ffmpeg, "-v", "error", "-i", str(clip), "-c", "copy", *muxer]
    toolbox.runner.run(argv, cwd=tmp_path)
    if listing == "concat":
        path.write_text("ffconcat version 1.0\nfile secret.mp4\n")
    if listing != "dash":  # PyAV comes without the XML library that it takes
        with av.open(f"file:{path}", options={"protocol_whitelist": "file"}) as container:
            assert container.format.name == listing
            assert sum(1 for _ in container.decode(video=0)) == 10

    def read_with_ffmpeg(stream: Any) -> None:
        toolbox.runner.run(commands.finish(toolbox.ffmpeg, stream.output("pipe:", f="null")))

    read_with_ffmpeg(commands.open_input(path))
    with pytest.raises(SourceError, match="not"):
        probe(path)
    # The same for all who open it later, had the file been a video while it was analysed.
    analysis = analysis_of(clip)
    swapped = replace(analysis, source=replace(analysis.source, path=path))
    with pytest.raises(ProcessError):
        read_with_ffmpeg(commands.open_source(swapped.source))
    with pytest.raises(SourceError):
        FrameReader(swapped)


def test_all_who_open_a_source_are_bound(
    make_clip: MakeClip, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = make_clip(SMALL, "sound.mp4", sound="sine=d=1")
    opened: list[dict[str, Any]] = []
    real = av.open

    def watch(*given: Any, **named: Any) -> Any:
        opened.append(named)
        return real(*given, **named)

    monkeypatch.setattr(av, "open", watch)
    analysis = analyse(clip)
    with FrameReader(analysis):
        pass
    listen(analysis.source, analysis.source.audio[0])
    assert len(opened) >= 4
    for named in opened:
        assert named["options"]["protocol_whitelist"] == "file"
        formats = named.get("format") or named["options"]["format_whitelist"]
        assert set(formats.split(",")) <= set(CONTAINERS)


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


def test_text_from_outside_is_only_text_on_the_terminal() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, highlight=False)
    console.print(escape("[red]a[/red]\x1b]0;owned\x07\u202e"))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "[red]a[/red]" in shown
    assert not {"\x07", "\u202e", "\x1b"} & set(shown)


# --- plans ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def plan(make_clip: MakeClip, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    from pertitle.storage.plan_file import plan_document

    clip = make_clip("testsrc2=s=160x120:r=10:d=1", "planned.mp4")
    options = Options(ladder=LadderOptions(max_probes=0, heights=(120, 90)))
    document: dict[str, Any] = json.loads(
        json.dumps(plan_document(pertitle.plan(clip, options), options))
    )
    return document


FORGED: tuple[tuple[str, object, str], ...] = (
    ("ladders.0.quality_model", "vmaf_v0.6.1:path=/etc/passwd", "is not a name"),
    ("ladders.0.preset", "fast -i /etc/passwd", "is not a name"),
    ("ladders.0.codec", "../../etc", "unknown codec"),
    ("ladders.0.rungs.0.width", 10**9, "is not valid"),
    ("ladders.0.rungs.0.crf", 1e9, "is not valid"),
    ("options.encode.quality_model", "x\\:log_path=/tmp/owned", "is not a name"),
    ("options.encode.segment_seconds", 1e-6, "segment_seconds 1e-06 is not between"),
    ("options.encode.vbv_ratio", 1e300, "VBV maxrate"),
    ("options.encode.display.width", 10**9, "is not a picture size"),
    ("source.container", "lavfi", "not a video container format"),
    ("source.container", "concat", "not a video container format"),
    ("source.path", "a\0b", "not a path"),
    ("source.duration", 1e18, "duration 1e.18 is not between"),
    ("source.video.primaries", "bt709,movie=/etc/passwd", "is not a name"),
    ("analysis.treatment.frame_rate", "1000000000/1", "frame rate 1e.09 is not between"),
    ("analysis.treatment.size.height", 10**9, "is not a picture size"),
    ("analysis.digest.0.duration", 1e12, "digest 1e.12 is not between"),
)


@pytest.mark.parametrize(("place", "value", "said"), FORGED)
def test_a_forged_plan_is_refused(
    place: str, value: object, said: str, plan: dict[str, Any], tmp_path: Path
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
    with pytest.raises(PertitleError, match=said):
        read_plan(file)


def test_a_record_cannot_choose_the_demuxer(clip: Path) -> None:
    with pytest.raises(SourceError, match="lavfi is not a video container"):
        demuxer_of(replace(probe(clip), container="lavfi"))


# --- models ---------------------------------------------------------------------------------


class _Payload:
    """Runs code when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.mark,))


def test_nothing_in_a_model_runs(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    trap = io.BytesIO()
    np.save(trap, np.array([_Payload(mark)], dtype=object), allow_pickle=True)
    trap.seek(0)
    np.load(trap, allow_pickle=True)
    assert mark.exists()  # the trap works
    mark.unlink()

    shipped = Path(pertitle.__file__).parent / "ladder/models/h264.npz"
    for array in ("mean.npy", "points.npy"):
        forged = tmp_path / "model.npz"
        with zipfile.ZipFile(shipped) as archive, zipfile.ZipFile(forged, "w") as target:
            for name in archive.namelist():
                target.writestr(name, trap.getvalue() if name == array else archive.read(name))
            assert array in archive.namelist()
        with pytest.raises(ModelError):
            load_model("h264", forged)
    ranking = io.BytesIO()
    with zipfile.ZipFile(ranking, "w") as target:
        target.writestr("format.npy", trap.getvalue())
    with pytest.raises(ModelError):
        bandit.load(ranking.getvalue())
    assert not mark.exists()
