"""The whole job on small generated clips: what is delivered, what is reported, what survives."""

from __future__ import annotations

import json
import os
import threading
from dataclasses import replace
from pathlib import Path

import av
import pytest

import pertitle
from pertitle import cli, events
from pertitle.delivery.batch import encode_plan, run_batch
from pertitle.errors import Cancelled, ModelError, SourceError, UsageError
from pertitle.options import EncodeOptions, LadderOptions, Options, PictureOptions
from pertitle.serial import write_json
from pertitle.storage.plan_file import plan_document, read_plan
from pertitle.storage.status import status_of
from pertitle.storage.workspace import held, present
from pertitle.system.stop import Stop
from tests.conftest import MakeClip

pytestmark = pytest.mark.slow

# A moving gradient with texture: real motion for the encoder, small enough to be quick.
SCENE = (
    "gradients=s={size}:r=25:d={seconds}:speed=0.05:seed=3,noise=alls=3:all_seed=5,"
    "drawbox=x='mod(40*t,200)':y=40:w=40:h=40:c=white:t=fill"
)
FAST = Options(
    ladder=LadderOptions(heights=(180, 120), max_probes=2, vmaf_step=10),
    encode=EncodeOptions(segment_seconds=1.0, display=pertitle.Size(640, 360), vmaf_tolerance=20.0),
    thumbnails=2,
)


def scene(size: str = "320x180", seconds: float = 3) -> str:
    return SCENE.format(size=size, seconds=seconds)


@pytest.fixture(scope="module")
def clip(make_clip: MakeClip) -> Path:
    return make_clip(scene(), "scene.mp4", sound="sine=f=440:d=3")


@pytest.fixture(scope="module")
def delivered(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[object]]:
    out = tmp_path_factory.mktemp("delivered")
    seen: list[object] = []
    batch = pertitle.run([clip], out, FAST, on_event=seen.append)
    assert batch.ok, batch.failures
    return out, seen


def test_a_title_holds_everything_promised(delivered: tuple[Path, list[object]]) -> None:
    folder = delivered[0] / "scene"
    for name in ("master.m3u8", "manifest.mpd", "plan.json", "result.json", "report.html"):
        assert (folder / name).stat().st_size > 100, name
    assert len(list((folder / "thumbnails").iterdir())) >= 2
    kept = {path.parent.name for path in (folder / ".work").rglob("*") if path.is_file()}
    assert kept == {"rungs", "notes", ".work"}
    assert (delivered[0] / "index.html").exists()


def test_quality_and_bitrate_fall_from_rung_to_rung(delivered: tuple[Path, list[object]]) -> None:
    result = json.loads((delivered[0] / "scene/result.json").read_text())
    rates = [r["average_kbps"] for r in result["renditions"]]
    scores = [r["verification"]["vmaf"] for r in result["renditions"]]
    assert rates == sorted(rates, reverse=True)
    assert scores == sorted(scores, reverse=True)
    assert len(rates) >= 2


def test_the_master_playlist_plays_to_the_end(delivered: tuple[Path, list[object]]) -> None:
    with av.open(str(delivered[0] / "scene/master.m3u8")) as container:
        frames = sum(1 for _ in container.decode(container.streams.video[0]))
        assert container.streams.audio
    assert frames == 75


def test_events_tell_the_story_in_order(delivered: tuple[Path, list[object]]) -> None:
    kinds = [type(event) for event in delivered[1]]
    order = (
        events.BatchStarted,
        events.Analysed,
        events.Planned,
        events.RenditionDone,
        events.TitleDone,
        events.BatchDone,
    )
    places = [kinds.index(kind) for kind in order]
    assert places == sorted(places)


def test_a_second_run_touches_nothing(delivered: tuple[Path, list[object]], clip: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in (delivered[0] / "scene").rglob("*")}
    seen: list[object] = []
    (delivered[0] / "scene/error.log").write_text("of a run that could not read the source\n")
    batch = pertitle.run([clip], delivered[0], FAST, on_event=seen.append)
    assert batch.ok
    assert len(batch.titles) == 1  # the earlier result is part of the batch
    assert any(isinstance(event, events.TitleSkipped) for event in seen)
    assert before == {p: p.stat().st_mtime_ns for p in (delivered[0] / "scene").rglob("*")}


def test_a_plan_file_delivers_the_same_ladder_into_a_relative_folder(
    delivered: tuple[Path, list[object]],
    clip: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = delivered[0] / "scene/plan.json"
    monkeypatch.chdir(tmp_path)
    batch = encode_plan(file, Path("out"), source=clip, chosen=Options(thumbnails=0))
    assert batch.ok, batch.failures
    plan, _ = read_plan(file)
    assert batch.titles[0].plan.ladder.rungs == plan.ladder.rungs


def test_a_plan_survives_its_file_and_a_forged_one_does_not(
    delivered: tuple[Path, list[object]], tmp_path: Path
) -> None:
    plan, options = read_plan(delivered[0] / "scene/plan.json")
    document = plan_document(plan, options)
    (ladder,) = document["ladders"]
    write_json(tmp_path / "copy.json", document)
    assert plan_document(*read_plan(tmp_path / "copy.json")) == document
    changes: tuple[dict[str, object], ...] = (
        {"version": 99},
        {"version": 1},
        {"ladders": []},
        {"ladders": [{**ladder, "rungs": []}]},
        {"ladders": [{**ladder, "rungs": ladder["rungs"][::-1]}]},
        {"ladders": [{**ladder, "rungs": [{**ladder["rungs"][0], "width": 10**9}]}]},
        {"ladders": [ladder, ladder]},
        {"ladders": [{**ladder, "codec": "vp6"}]},
        {"ladders": [{**ladder, "dynamic_range": "pq"}]},
        {"options": 3},
    )
    for change in changes:
        write_json(tmp_path / "forged.json", {**document, **change})
        with pytest.raises(ModelError):
            read_plan(tmp_path / "forged.json")


def test_prediction_alone_spends_no_probe(clip: Path) -> None:
    options = Options(ladder=LadderOptions(max_probes=0, heights=(180, 120)))
    plan = pertitle.plan(clip, options)
    assert plan.ladder.probes == ()
    assert plan.ladder.rungs[0].height == 180


def test_kept_probes_give_the_same_plan_to_the_digit(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERTITLE_CACHE", str(tmp_path))
    first, again = (pertitle.plan(clip, FAST) for _ in range(2))
    assert first.ladder.probes
    assert again.ladder == first.ladder
    assert again.analysis == first.analysis


BAD = {
    "text.mp4": b"this is no video\n" * 50,
    "empty.mp4": b"",
    "playlist.mp4": b"#EXTM3U\n#EXTINF:4,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
    "concat.mp4": b"ffconcat version 1.0\nfile /etc/passwd\n",
}


def test_bad_inputs_are_reported_and_the_rest_is_delivered(
    make_clip: MakeClip, clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name, content in BAD.items():
        (folder / name).write_bytes(content)
    whole = clip.read_bytes()
    (folder / "truncated.mp4").write_bytes(whole[: len(whole) // 2])
    sound = make_clip("color=s=16x16:d=1", "cover.mp4")
    assert sound
    audio = folder / "audio only.m4v"
    audio.write_bytes(_audio_only(tmp_path).read_bytes())
    good = folder / "-rf 'quoted\" ünï %d.mp4"
    os.link(clip, good)
    out = tmp_path / "out"
    code = cli.main(
        ["run", str(folder), str(folder / "missing.mp4"), "-o", str(out), "--heights", "180,120",
         "--max-probes", "0", "--segment-seconds", "1", "--thumbnails", "1",
         "--vmaf-tolerance", "20", "--display", "640x360", "--vmaf-step", "12"]
    )  # fmt: skip
    error = capsys.readouterr().err
    assert code == cli.EXIT_FAILED
    batch = json.loads((out / "batch.json").read_text())
    failed = {Path(f["path"]).name: f["message"] for f in batch["failures"]}
    assert set(failed) == {*BAD, "truncated.mp4", "audio only.m4v", "missing.mp4"}
    assert all("\n" not in message and len(message) > 10 for message in failed.values())
    assert "internal error" not in " ".join(failed.values()), failed
    assert "/etc/passwd" not in error
    delivered = [p.parent.name for p in out.glob("*/result.json")]
    assert len(delivered) == 1
    assert not list(out.glob("text/master.m3u8"))
    assert (out / "text/error.log").read_text().strip()


def _audio_only(folder: Path) -> Path:
    path = folder / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        frame = av.AudioFrame(format="fltp", layout="mono", samples=1024)
        frame.sample_rate = 44100
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("name", "graph"),
    [
        ("two frames", scene(seconds=0.08)),
        ("odd size", scene("322x182") + ",crop=321:181:exact=1"),
        ("portrait", scene("180x320", 1)),
        ("black", "color=black:s=320x180:r=25:d=1"),
    ],
)
def test_unusual_pictures_are_delivered(
    name: str, graph: str, make_clip: MakeClip, tmp_path: Path
) -> None:
    options = ("-c:v", "libx264", "-crf", "12", "-pix_fmt", "yuv444p")
    path = make_clip(graph, f"{name}.mp4", *options)
    batch = pertitle.run([path], tmp_path, FAST)
    assert batch.ok, batch.failures
    with av.open(str(tmp_path / name / "master.m3u8")) as container:
        frames = sum(1 for _ in container.decode(container.streams.video[0]))
    with av.open(str(path)) as container:
        assert frames == sum(1 for _ in container.decode(container.streams.video[0]))


def test_an_unwritable_output_folder_is_refused(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UsageError, match="output folder"):
        run_batch([clip], tmp_path / "file", FAST)


def test_two_runs_on_one_title_are_refused(clip: Path, tmp_path: Path) -> None:
    with present(tmp_path), held(tmp_path / "scene"):
        batch = run_batch([clip], tmp_path, FAST)
    assert "another run is at work on scene" in batch.failures[0].message
    assert not (tmp_path / "scene/error.log").exists()


def test_a_stopped_run_continues_with_its_plan(clip: Path, tmp_path: Path) -> None:
    stop = Stop()

    def stop_when_planned(event: object) -> None:
        if isinstance(event, events.Planned):
            threading.Thread(target=stop.request).start()

    with pytest.raises(Cancelled):
        run_batch([clip], tmp_path, FAST, on_event=stop_when_planned, stop=stop)
    assert not (tmp_path / "scene/result.json").exists()
    seen: list[object] = []
    assert run_batch([clip], tmp_path, FAST, on_event=seen.append).ok
    assert not any(isinstance(event, events.Probed) for event in seen)


def test_a_changed_option_redoes_what_depends_on_it_and_says_so(clip: Path, tmp_path: Path) -> None:
    assert run_batch([clip], tmp_path, FAST).ok
    segments = {p: p.stat().st_mtime_ns for p in (tmp_path / "scene").rglob("*.m4s")}
    assert segments
    seen: list[object] = []
    pictures = PictureOptions(shapes=("1x1",), formats=("jpg",))
    fewer = replace(FAST, thumbnails=1, pictures=pictures)
    assert run_batch([clip], tmp_path, fewer, on_event=seen.append).ok
    notices = [event.message for event in seen if isinstance(event, events.Notice)]
    assert len(notices) == 1
    assert "thumbnails 2 → 1" in notices[0]
    result = json.loads((tmp_path / "scene/result.json").read_text())
    assert [entry["file"] for entry in result["thumbnails"]] == ["01-1x1.jpg"]
    written = json.loads((tmp_path / "scene/thumbnails/thumbnails.json").read_text())
    assert written["title"] == "scene"
    assert {p: p.stat().st_mtime_ns for p in segments} == segments  # the package is not touched
    seen.clear()
    ladder = replace(FAST.ladder, max_probes=1)
    assert run_batch([clip], tmp_path, replace(fewer, ladder=ladder), on_event=seen.append).ok
    notices = [event.message for event in seen if isinstance(event, events.Notice)]
    assert "made anew: max_probes 2 → 1" in notices
    assert not any(p.exists() and p.stat().st_mtime_ns == t for p, t in segments.items())


def test_a_plan_for_another_video_is_refused(
    delivered: tuple[Path, list[object]], make_clip: MakeClip, tmp_path: Path
) -> None:
    other = make_clip(scene(seconds=1), "other.mp4")
    with pytest.raises(SourceError, match="not the video that was planned"):
        encode_plan(delivered[0] / "scene/plan.json", tmp_path, source=other)


def test_two_codecs_share_one_package_and_one_analysis(make_clip: MakeClip, tmp_path: Path) -> None:
    """An HDR source: H.264 in SDR beside HEVC in HDR, segments at the same frames."""
    tags = "setparams=color_primaries=bt2020:color_trc=smpte2084:colorspace=bt2020nc"
    path = make_clip(
        f"{scene('160x90', 2)},format=yuv420p10le,{tags}", "hdr.mkv",
        "-c:v", "libx264", "-crf", "12", "-pix_fmt", "yuv420p10le",
    )  # fmt: skip
    encode = EncodeOptions(
        codecs="hevc,h264",  # type: ignore[arg-type]  # a comma list is taken too
        preset="hevc=ultrafast,h264=veryfast",
        segment_seconds=1.0,
        display=pertitle.Size(320, 180),
        vmaf_tolerance=40.0,
    )
    seen: list[object] = []
    ladder = LadderOptions(heights=(90,), max_probes=1, vmaf_step=20)
    batch = run_batch([path], tmp_path, Options(ladder, encode, thumbnails=0), on_event=seen.append)
    assert batch.ok, batch.failures
    (title,) = batch.titles
    assert [one.codec for one in title.plan.ladders] == ["h264", "hevc"]
    assert [one.preset for one in title.plan.ladders] == ["veryfast", "ultrafast"]
    assert [one.dynamic_range for one in title.plan.ladders] == ["sdr", "pq"]
    assert sum(isinstance(event, events.Analysed) for event in seen) == 1
    assert {event.codec for event in seen if isinstance(event, events.Probed)} == {"h264", "hevc"}
    master = (tmp_path / "hdr/master.m3u8").read_text()
    variants = [line for line in master.splitlines() if line.startswith("#EXT-X-STREAM-INF")]
    kinds = [("avc1." in line, "VIDEO-RANGE=SDR" in line) for line in variants]
    assert kinds == [(r.codec == "h264", r.codec == "h264") for r in title.renditions]
    assert sum("hvc1.2.4" in line and "VIDEO-RANGE=PQ" in line for line in variants) == len(
        title.renditions_of("hevc")
    )
    mpd = (tmp_path / "hdr/manifest.mpd").read_text()
    assert mpd.count('contentType="video"') == 2
    page = (tmp_path / "hdr/report.html").read_text()
    assert 'id="rungs-hevc"' in page
    plan, options = read_plan(tmp_path / "hdr/plan.json")
    assert [one.codec for one in plan.ladders] == ["h264", "hevc"]
    assert options.encode == encode


def test_letterbox_frame_rate_and_size_by_option(make_clip: MakeClip, tmp_path: Path) -> None:
    path = make_clip(
        scene("320x120", 2).replace("r=25", "r=50") + ",pad=320:180:0:30:black", "boxed.mp4",
        "-c:v", "libx264", "-qp", "0",  # coding would blur the edge of the picture into the bars
        sound="sine=f=440:d=2",
    )  # fmt: skip
    encode = EncodeOptions(
        crop=True,
        half_rate=60,
        target_size=60_000,
        preset="ultrafast",
        segment_seconds=1.0,
        display=pertitle.Size(640, 360),
    )
    ladder = LadderOptions(heights=(60,), max_probes=2, vmaf_step=12, min_vmaf=10)
    batch = run_batch([path], tmp_path, Options(ladder, encode, thumbnails=0))
    assert batch.ok, batch.failures
    (title,) = batch.titles
    assert title.plan.analysis.treatment.size == pertitle.Size(320, 120)
    assert "to fit 60000 bytes" in title.plan.ladder.notes[-1]
    assert all(r.rung.half_rate == (r.rung.height <= 60) for r in title.renditions)
    media = (tmp_path / "boxed/segments").rglob("*.m4s")
    assert sum(path.stat().st_size for path in media) <= 60_000 * 1.05


@pytest.mark.parametrize("size", ["256x144", "144x256", "480x48"])
def test_small_pictures_on_their_own_display(
    make_clip: MakeClip, tmp_path: Path, size: str
) -> None:
    """Below what VMAF v1 and CAMBI take, titles are delivered and measured all the same."""
    clip = make_clip(scene(size, 2), f"small-{size}.mp4")
    width, _, height = size.partition("x")
    encode = replace(FAST.encode, display=pertitle.Size(int(width), int(height)))
    batch = run_batch([clip], tmp_path, replace(FAST, encode=encode, thumbnails=0))
    assert batch.ok, batch.failures
    (title,) = batch.titles
    assert title.plan.ladder.display == encode.display
    for one in title.renditions:
        assert 0 < one.verification.vmaf_v1 <= 100
        assert one.verification.xpsnr > 10


def test_planned_bitrates_are_held_in_all_codecs(make_clip: MakeClip, tmp_path: Path) -> None:
    clip = make_clip(scene(seconds=3), "held.mp4", sound="sine=f=440:d=3")
    encode = replace(
        FAST.encode, codecs=("h264", "av1"), rate_control="abr", preset="h264=veryfast,av1=12"
    )
    ladder = LadderOptions(heights=(180,), max_probes=2, vmaf_step=12)
    seen: list[object] = []
    batch = run_batch([clip], tmp_path, Options(ladder, encode, thumbnails=0), on_event=seen.append)
    assert batch.ok, batch.failures
    (title,) = batch.titles
    notices = [event.message for event in seen if isinstance(event, events.Notice)]
    for codec, planned in zip(("h264", "av1"), title.plan.ladders, strict=True):
        made = title.renditions_of(codec)
        held = [abs(r.average_kbps / r.rung.bitrate_kbps - 1) <= 0.05 for r in made]
        assert {r.rung.bitrate_kbps for r in made} <= {r.bitrate_kbps for r in planned.rungs}
        assert any(held)
        missed = sum(f"{codec} " in notice and "kbit/s, not the" in notice for notice in notices)
        assert missed == held.count(False)


def test_transport_streams_are_delivered_for_hls_alone(clip: Path, tmp_path: Path) -> None:
    encode = replace(FAST.encode, segments="ts", preset="veryfast")
    options = replace(FAST, encode=encode, thumbnails=0)
    batch = run_batch([clip], tmp_path, options)
    assert batch.ok, batch.failures
    folder = tmp_path / "scene"
    assert batch.titles[0].package.segment_format == "ts"
    assert not (folder / "manifest.mpd").exists()
    assert not list(folder.rglob("*.m4s"))
    with av.open(str(folder / "master.m3u8")) as container:
        assert sum(1 for _ in container.decode(container.streams.video[0])) == 75
    assert [title.state for title in status_of(tmp_path).titles] == ["delivered"]
    seen: list[object] = []
    assert run_batch([clip], tmp_path, options, on_event=seen.append).ok
    assert any(isinstance(event, events.TitleSkipped) for event in seen)
    # Another kind of segments leaves nothing of the first behind, in both directions.
    for kind, suffix in (("cmaf", ".ts"), ("ts", ".m4s")):
        other = replace(options, encode=replace(encode, segments=kind))
        assert run_batch([clip], tmp_path, other).ok
        assert (folder / "manifest.mpd").exists() == (kind == "cmaf")
        assert not list(folder.rglob(f"*{suffix}"))
