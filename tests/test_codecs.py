"""Encoder options: what each encoder is asked for."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest

from pertitle.codecs import Cap, codec_named
from pertitle.encoder.colour import BT709, Colour, source_colour
from pertitle.encoder.grid import gop_frames, segment_grid
from pertitle.encoder.renditions import (
    FULL_PASS,
    LONG_SECONDS,
    MIN_MAXRATE_KBPS,
    side_by_side,
    vbv_cap,
)
from pertitle.errors import UsageError
from pertitle.records import Size, VideoStream


def test_every_codec_forces_keyframes_onto_the_grid() -> None:
    for name in ("h264", "hevc"):
        options = codec_named(name).encoder_options(preset=None, crf=23, gop=96, threads=2)
        assert options["force_key_frames"] == "expr:not(mod(n,96))"
        assert options["forced-idr"] == "1"
    av1 = codec_named("av1").encoder_options(preset="9", crf=35, gop=96, threads=2)
    assert (av1["g"], av1["preset"], av1["crf"]) == ("96", "9", "35")


def test_a_cap_becomes_maxrate_and_bufsize() -> None:
    codec = codec_named("h264")
    free = codec.encoder_options(preset=None, crf=23, gop=96, threads=1)
    capped = codec.encoder_options(preset=None, crf=23, gop=96, threads=1, cap=Cap(1500, 6000))
    assert capped == free | {"maxrate": "1500k", "bufsize": "6000k"}


def test_h264_is_delivered_in_eight_bits_and_the_others_keep_ten() -> None:
    assert [codec_named(name).bit_depth(10) for name in ("h264", "hevc", "av1")] == [8, 10, 10]
    assert [codec_named(name).bit_depth(8) for name in ("h264", "hevc", "av1")] == [8, 8, 8]


def test_an_unknown_codec_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match="h264, hevc, av1"):
        codec_named("vp9")


def test_the_cap_leaves_room_for_a_still_titles_keyframe() -> None:
    cap = vbv_cap(1000, 2.0, 4.0)
    # All bits of a 4 s segment in one picture, twice the expected rate over.
    assert cap.bufsize_kbit >= 4 * 1000 * 2
    assert vbv_cap(3, 2.0, 4.0).maxrate_kbps == MIN_MAXRATE_KBPS


def test_segments_of_film_rate_are_whole_frames() -> None:
    assert gop_frames(4.0, Fraction(24000, 1001)) == 96
    assert gop_frames(4.0, Fraction(30)) == 120
    assert gop_frames(0.001, Fraction(25)) == 1


def stream(**changes: object) -> VideoStream:
    values: dict[str, object] = {
        "index": 0, "codec": "h264", "width": 1920, "height": 1080,
        "sample_aspect": Fraction(1), "rotation": 0, "frame_rate": Fraction(25),
        "variable_rate": False, "frames": None, "pixel_format": "yuv420p", "bit_depth": 8,
        "primaries": "unknown", "transfer": "unknown", "matrix": "unknown",
        "color_range": "tv", "interlaced": False, "has_alpha": False,
    }  # fmt: skip
    return VideoStream(**(values | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("size", "rate", "expected"),
    [
        (Size(1280, 720), Fraction(25), BT709),
        (Size(720, 1280), Fraction(25), BT709),
        (Size(768, 576), Fraction(25), Colour("bt470bg", "smpte170m", "bt470bg")),
        (Size(640, 480), Fraction(30000, 1001), Colour("smpte170m", "smpte170m", "smpte170m")),
    ],
)
def test_untagged_colour_is_guessed_from_the_lines(
    size: Size, rate: Fraction, expected: Colour
) -> None:
    found = source_colour(stream(frame_rate=rate), size)
    assert found.guessed
    assert (found.primaries, found.transfer, found.matrix) == (
        expected.primaries, expected.transfer, expected.matrix,
    )  # fmt: skip


def test_tags_are_believed_and_complete_one_another() -> None:
    sd_in_709 = source_colour(stream(matrix="bt709"), Size(640, 480))
    assert (sd_in_709.primaries, sd_in_709.transfer, sd_in_709.matrix) == ("bt709",) * 3
    hdr = source_colour(stream(transfer="smpte2084", matrix="bt2020nc"), Size(640, 480))
    assert (hdr.primaries, hdr.transfer, hdr.matrix) == ("bt2020", "smpte2084", "bt2020nc")
    full = source_colour(
        stream(primaries="bt709", transfer="bt709", matrix="bt709"), Size(640, 480)
    )
    assert full == BT709


def test_segments_of_half_the_rate_start_at_the_same_frames() -> None:
    for rate in (Fraction(50), Fraction(60000, 1001), Fraction(120), Fraction(59)):
        for seconds in (4.0, 4.02, 2.03, 0.51):
            assert gop_frames(seconds, rate) == 2 * gop_frames(seconds, rate / 2)


def test_an_average_bitrate_takes_the_place_of_the_crf() -> None:
    for name in ("h264", "hevc"):
        options = codec_named(name).encoder_options(
            preset=None, crf=23, gop=96, threads=2, cap=Cap(1500, 6000), kbps=700
        )
        assert options["b:v"] == "700k"
        assert "crf" not in options
        assert options["maxrate"] == "1500k"


def test_a_title_does_not_end_in_a_segment_of_a_few_pictures() -> None:
    rate = Fraction(25)
    assert segment_grid(4.08, rate, 4).starts(102) == [0]
    assert segment_grid(8.4, rate, 4).starts(210) == [0, 100]
    assert segment_grid(8.5, rate, 4).starts(213) == [0, 100, 200]
    assert segment_grid(8.0, rate, 4).starts(200) == [0, 100]
    assert segment_grid(0.2, rate, 4).starts(5) == [0]
    # A declared duration that is wrong moves one border and no other.
    assert segment_grid(4.08, rate, 4).starts(400) == [0, 200, 300]
    assert segment_grid(60.0, rate, 4).starts(102) == [0, 100]
    for seconds in (8.02, 8.4, 8.5, 9.0):
        whole = segment_grid(seconds, Fraction(50), 4)
        assert whole.halved() == segment_grid(seconds, rate, 4)


def test_the_left_out_keyframe_is_forced_in_no_codec() -> None:
    for name in ("h264", "hevc", "av1"):
        options = codec_named(name).encoder_options(
            preset=None, crf=30, gop=100, skipped=200, threads=1
        )
        assert options["force_key_frames"] == "expr:not(mod(n,100))*not(eq(n,200))"
    assert int(options["g"]) > 1 << 16, "SVT-AV1 adds none of its own"


def test_no_pass_of_a_long_title_costs_much_more_than_its_largest_rung() -> None:
    areas = [h * h * 16 // 9 for h in (1080, 1080, 720, 540, 432, 360, 240)]
    runs = side_by_side(areas, LONG_SECONDS + 1)
    assert sorted(i for run in runs for i in run) == list(range(len(areas)))
    assert all(sum(areas[i] for i in run) <= FULL_PASS * max(areas) for run in runs)
    assert len(runs) == math.ceil(sum(areas) / (FULL_PASS * max(areas))) == 2  # no pass too many
    assert side_by_side(areas, LONG_SECONDS) == [list(range(len(areas)))]
    assert side_by_side([], 10) == side_by_side([], 1000) == []
