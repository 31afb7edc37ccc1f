"""Sources as they come: each is delivered upright, in step, in its own colours, every frame."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from pertitle.codecs import codec_named
from pertitle.encoder.grid import segment_grid
from pertitle.encoder.package.checks import check_package
from pertitle.encoder.package.packaging import package
from pertitle.encoder.renditions import EncodedRung, encode_renditions
from pertitle.encoder.title import Span, extract_spans, open_title
from pertitle.records import Analysis
from pertitle.system.tools import Toolbox
from tests.conftest import MakeClip
from tests.encoder.helpers import analysis_of, rendition_of, rung

QUADRANTS = (
    # Red, green / blue, yellow: tells turned, mirrored and wrongly coloured pictures apart.
    "color=red:s=160x90:r=25:d=0.6[a];color=lime:s=160x90:r=25:d=0.6[b];"
    "color=blue:s=160x90:r=25:d=0.6[c];color=yellow:s=160x90:r=25:d=0.6[d];"
    "[a][b][c][d]xstack=inputs=4:layout=0_0|w0_0|0_h0|w0_h0,format=gbrp[out0]"
)
UPRIGHT = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0))
X264 = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "10")


def deliver(toolbox: Toolbox, analysis: Analysis, folder: Path, codec: str = "h264") -> EncodedRung:
    """One rung at the source's size, encoded, packaged and checked."""
    size = analysis.treatment.size
    chosen = codec_named(codec)
    encoded = encode_renditions(
        toolbox, analysis, [rung(size.width, size.height, 16, 2000)], codec=chosen,
        preset="10" if codec == "av1" else "ultrafast", segment_seconds=1, vbv_ratio=4,
        folder=folder,
    )  # fmt: skip
    kept = "sdr" if analysis.treatment.tone_map else analysis.source.video.dynamic_range
    renditions = [rendition_of(one, kept) for one in encoded]
    rate = analysis.treatment.frame_rate
    made = package(toolbox, renditions, (), folder=folder / "p", segment_seconds=1, frame_rate=rate)
    skipped = segment_grid(analysis.source.duration, rate, 1).skipped
    check_package(
        folder / "p", made, renditions, (), segment_seconds=1, frame_rate=rate, skipped=skipped
    )
    return encoded[0]


def first_frame(path: Path) -> av.VideoFrame:
    with av.open(str(path)) as container:
        return next(container.decode(video=0))


def side_data_kinds(frame: av.VideoFrame) -> set[str]:
    kinds: set[str] = set()
    for data in frame.side_data:
        kinds.add(str(getattr(data, "type", data)).rpartition("Type.")[2].partition(":")[0])
    return kinds


def quadrants(path: Path) -> list[tuple[int, ...]]:
    """RGB in the middle of the four quadrants, converted by the file's own colour tags."""
    picture = first_frame(path).to_ndarray(format="rgb24")
    height, width = picture.shape[:2]
    return [
        tuple(int(v) for v in picture[height * y // 4, width * x // 4])
        for y in (1, 3)
        for x in (1, 3)
    ]


def assert_colours(found: Sequence[tuple[int, ...]], wanted: Sequence[tuple[int, ...]]) -> None:
    difference: NDArray[np.int64] = np.abs(np.array(found) - np.array(wanted))
    assert difference.max() <= 8, f"{found} is not {wanted}"


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("limited.mkv", ("-vf", "scale=out_color_matrix=bt709:out_range=tv,format=yuv420p",
                         "-colorspace", "bt709", "-color_range", "tv", *X264)),
        ("full.mkv", ("-vf", "scale=out_color_matrix=bt709:out_range=pc,format=yuv420p",
                      "-colorspace", "bt709", "-color_range", "pc", *X264)),
        ("jpeg.mkv", ("-vf", "scale=out_range=pc,format=yuvj420p", "-c:v", "mjpeg", "-q:v", "2",
                      "-pix_fmt", "yuvj420p")),
        ("rgb.mkv", ("-c:v", "libx264rgb", "-crf", "4", "-pix_fmt", "gbrp")),
        ("ten.mkv", ("-vf", "scale=out_color_matrix=bt709,format=yuv420p10le",
                     "-colorspace", "bt709", "-pix_fmt", "yuv420p10le", *X264)),
    ],
)  # fmt: skip
def test_colours_arrive_as_they_were(
    toolbox: Toolbox, make_clip: MakeClip, tmp_path: Path, name: str, options: tuple[str, ...]
) -> None:
    clip = make_clip(QUADRANTS, name, *options)
    one = deliver(toolbox, analysis_of(clip), tmp_path)
    frame = first_frame(one.path)
    assert frame.format.name == "yuv420p"
    assert int(frame.color_range) == 1  # limited
    assert_colours(quadrants(one.path), UPRIGHT)


def test_rotation_is_applied(toolbox: Toolbox, make_clip: MakeClip, tmp_path: Path) -> None:
    clip = make_clip(QUADRANTS, "plain.mp4", "-vf", "format=yuv420p", *X264)
    turned = tmp_path / "turned.mp4"
    toolbox.runner.run(
        [toolbox.ffmpeg, "-v", "error", "-display_rotation", "90", "-i", f"file:{clip}",
         "-c", "copy", f"file:{turned}"]
    )  # fmt: skip
    analysis = analysis_of(turned)
    assert str(analysis.source.size) == "180x320"
    one = deliver(toolbox, analysis, tmp_path)
    with av.open(str(one.path)) as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == (180, 320)
    red, green, blue, yellow = UPRIGHT
    # A quarter turn to the left: what was on the right comes to the top.
    assert_colours(quadrants(one.path), (green, yellow, red, blue))


@pytest.mark.parametrize(
    ("graph", "options", "size"),
    [
        ("testsrc2=s=240x180:r=25:d=0.6,setsar=4/3", X264, "320x180"),
        ("testsrc2=s=321x181:r=25:d=0.6", ("-pix_fmt", "yuv444p", *X264), "320x180"),
        ("testsrc2=s=90x160:r=25:d=0.6", X264, "90x160"),
    ],
)
def test_geometry_is_square_and_even(
    toolbox: Toolbox,
    make_clip: MakeClip,
    tmp_path: Path,
    graph: str,
    options: tuple[str, ...],
    size: str,
) -> None:
    clip = make_clip(graph, f"geometry-{size}-{len(options)}-{graph[11:14]}.mkv", *options)
    one = deliver(toolbox, analysis_of(clip), tmp_path)
    with av.open(str(one.path)) as container:
        stream = container.streams.video[0]
        assert f"{stream.width}x{stream.height}" == size
        assert (stream.sample_aspect_ratio or 1) == 1


def test_a_variable_rate_becomes_constant_and_keeps_its_pace(
    toolbox: Toolbox, make_clip: MakeClip, tmp_path: Path
) -> None:
    """A white flash that stands at 1.2 s among dropped frames is delivered at 1.2 s."""
    graph = (
        "color=black:s=160x90:r=25:d=2,drawbox=c=white:t=fill:enable='between(t,1.19,1.27)',"
        "select='lt(n,15)+not(mod(n,3))'"
    )
    clip = make_clip(graph, "vfr.mkv", "-fps_mode", "vfr", *X264)
    analysis = analysis_of(clip, frame_rate=Fraction(25))
    assert analysis.source.video.variable_rate
    one = deliver(toolbox, analysis, tmp_path)
    with av.open(str(one.path)) as container:
        bright = [f.to_ndarray(format="gray").mean() > 128 for f in container.decode(video=0)]
    assert len(bright) == 49  # the last one stands at 1.92 s
    assert np.flatnonzero(bright).tolist() == [30, 31, 32]


def test_interlaced_pictures_are_combed_out(
    toolbox: Toolbox, make_clip: MakeClip, tmp_path: Path
) -> None:
    """A bar that moves between the fields leaves teeth in interlaced frames, and none after."""
    graph = (
        "color=black:s=160x96:r=50:d=1.2,"
        "geq=lum='if(between(X,mod(N*6,140),mod(N*6,140)+12),235,16)':cb=128:cr=128,interlace"
    )
    clip = make_clip(graph, "fields.mkv", *X264, "-flags", "+ilme+ildct", "-x264opts", "tff=1")

    def teeth(path: Path) -> float:
        with av.open(str(path)) as container:
            frames = [f.to_ndarray(format="gray").astype(float) for f in container.decode(video=0)]
        middle = frames[len(frames) // 2]
        return float(np.abs(middle[1:-1] - (middle[:-2] + middle[2:]) / 2).mean())

    analysis = analysis_of(clip, deinterlace=True)
    assert analysis.source.video.interlaced
    one = deliver(toolbox, analysis, tmp_path)
    assert one.frames == 30
    assert teeth(one.path) < 0.25 * teeth(clip)


@pytest.mark.parametrize("frames", [1, 2])
def test_the_shortest_clips(
    toolbox: Toolbox, make_clip: MakeClip, tmp_path: Path, frames: int
) -> None:
    clip = make_clip(f"testsrc2=s=160x90:r=25:d={frames / 25}", f"{frames}.mkv", *X264)
    assert deliver(toolbox, analysis_of(clip), tmp_path).frames == frames


def test_a_cover_picture_is_not_the_title(
    toolbox: Toolbox, make_clip: MakeClip, tmp_path: Path
) -> None:
    clip = make_clip("testsrc2=s=160x90:r=25:d=0.6", "video.mp4", *X264)
    cover = make_clip("color=red:s=640x640:d=0.04", "cover.jpg", "-frames:v", "1", "-pix_fmt",
                      "yuvj420p")  # fmt: skip
    both = tmp_path / "both.mp4"
    toolbox.runner.run(
        [toolbox.ffmpeg, "-v", "error", "-i", f"file:{cover}", "-i", f"file:{clip}",
         "-map", "0", "-map", "1", "-c", "copy", "-disposition:v:0", "attached_pic",
         f"file:{both}"]
    )  # fmt: skip
    analysis = analysis_of(both)
    assert str(analysis.source.size) == "160x90"
    assert deliver(toolbox, analysis, tmp_path).frames == 15


HDR10 = (
    "log-level=error:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:hdr10=1:"
    "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1):"
    "max-cll=1000,400"
)


def test_hdr_stays_hdr_with_its_metadata_in_hevc(
    toolbox: Toolbox, make_clip: MakeClip, tmp_path: Path
) -> None:
    clip = make_clip("testsrc2=s=160x90:r=25:d=0.6,format=yuv420p10le", "hdr.mkv", "-c:v",
                     "libx265", "-x265-params", HDR10, "-pix_fmt", "yuv420p10le")  # fmt: skip
    one = deliver(toolbox, analysis_of(clip), tmp_path, "hevc")
    frame = first_frame(one.path)
    assert frame.format.name == "yuv420p10le"
    assert (int(frame.color_primaries), int(frame.color_trc), int(frame.colorspace)) == (9, 16, 9)
    kinds = side_data_kinds(frame)
    assert {"MASTERING_DISPLAY_METADATA", "CONTENT_LIGHT_LEVEL"} <= kinds
    assert one.codec_string.startswith("hvc1.2.4.")
    assert "VIDEO-RANGE=PQ" in (tmp_path / "p" / "master.m3u8").read_text()


def test_hdr_is_tone_mapped_to_sdr_without_its_metadata(
    toolbox: Toolbox, make_clip: MakeClip, tmp_path: Path
) -> None:
    clip = make_clip("testsrc2=s=160x90:r=25:d=0.6,format=yuv420p10le", "hdr.mkv", "-c:v",
                     "libx265", "-x265-params", HDR10, "-pix_fmt", "yuv420p10le")  # fmt: skip
    one = deliver(toolbox, analysis_of(clip, tone_map=True), tmp_path)
    frame = first_frame(one.path)
    assert (int(frame.color_primaries), int(frame.color_trc), int(frame.colorspace)) == (1, 1, 1)
    kinds = side_data_kinds(frame)
    assert not {"MASTERING_DISPLAY_METADATA", "CONTENT_LIGHT_LEVEL"} & kinds
    assert "VIDEO-RANGE=SDR" in (tmp_path / "p" / "master.m3u8").read_text()


@pytest.mark.parametrize("codec", ["hevc", "av1"])
def test_newer_codecs_are_cut_on_the_same_grid(
    toolbox: Toolbox, make_clip: MakeClip, tmp_path: Path, codec: str
) -> None:
    clip = make_clip("testsrc2=s=160x90:r=25:d=2.2", "grid.mkv", *X264)
    one = deliver(toolbox, analysis_of(clip), tmp_path, codec)
    assert one.frames == 55
    assert one.codec_string.startswith({"hevc": "hvc1.1.", "av1": "av01.0."}[codec])


@pytest.mark.parametrize("name", ["seek.mp4", "seek.mkv", "late.mkv"])
def test_frames_are_the_same_by_seeking(
    toolbox: Toolbox, make_clip: MakeClip, tmp_path: Path, name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    late = ("-output_ts_offset", "0.517") if name.startswith("late") else ()
    clip = make_clip("testsrc2=s=160x90:r=30000/1001:d=4", name, *X264, "-g", "20", *late)
    title = open_title(analysis_of(clip))
    spans = [Span(0, 3), Span(31, 5), Span(32 + 50, 1), Span(title.expected_frames - 2, 2)]
    found = []
    monkeypatch.setattr("pertitle.encoder.title.SEEK_FRAMES", 0)
    for threshold in (0.0, 1e9):
        monkeypatch.setattr("pertitle.encoder.title.SEEK_WORTHWHILE", threshold)
        target = tmp_path / f"{threshold}.mkv"
        extract_spans(toolbox, title, {target: spans}, frames=title.expected_frames, bit_depth=8)
        with av.open(str(target)) as container:
            found.append([f.to_ndarray() for f in container.decode(video=0)])
    assert len(found[0]) == 11
    assert all(np.array_equal(a, b) for a, b in zip(*found, strict=True))
