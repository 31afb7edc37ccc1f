"""What is encoded next for a rung that missed its aim, held against an imagined encoder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from pertitle.codecs import CODECS
from pertitle.delivery.correction import (
    MAX_ATTEMPTS,
    MAX_CAPPED_ATTEMPTS,
    Aim,
    Track,
    at_half_rate,
    corrected_crf,
    correction,
    crf_at_share,
    crf_between,
    measured_response,
)
from pertitle.delivery.planning import HALF_RATE_SHARE, halved
from pertitle.encoder.renditions import EncodedRung
from pertitle.encoder.verification import Measured
from pertitle.options import EncodeOptions
from pertitle.records import CurvePoint, LadderPlan, Rung, Size, Window
from pertitle.results import Series, Verification


def plan() -> tuple[LadderPlan, Rung]:
    curves = tuple(
        CurvePoint(360, crf, 1000 * 2 ** (-crf / 6), 100 - crf, 0, 100, 0, 1e6)
        for crf in range(10, 52)
    )
    rung = Rung(640, 360, 20.0, 99.0, 80.0, 79, 81, 90, 110)
    ladder = LadderPlan("h264", "medium", "vmaf_v0.6.1", Size(1920, 1080), (rung,), (), curves, ())
    return ladder, rung


def crf(wanted: float, low: float = 10, high: float = 51, step: float = 0.1) -> float:
    ladder, rung = plan()
    return corrected_crf(ladder, rung, wanted=wanted, crf_range=(low, high), crf_step=step)


def test_the_correction_moves_along_the_believed_slope() -> None:
    assert crf(+3.0) == 17.0  # the curve loses one point a CRF
    assert crf(-2.5) == 22.5
    assert crf(0.0) == 20.0


def test_the_correction_stays_in_the_encoders_range_and_on_its_steps() -> None:
    assert crf(+50.0) == 10.0
    assert crf(-90.0) == 51.0
    assert crf(+2.6, step=1.0) == 17.0


def test_a_height_without_a_curve_is_left_alone() -> None:
    ladder, rung = plan()
    other = Rung(320, 180, 30.0, 99.0, 80.0, 79, 81, 90, 110)
    found = corrected_crf(ladder, other, wanted=5, crf_range=(10, 51), crf_step=0.1)
    assert found == other.crf
    assert rung.height == 360


def test_attempts_on_both_sides_of_the_target_narrow_it_down() -> None:
    assert crf_between({20.0: 1.5, 11.0: -3.0}, 1.0) == 17.0
    assert crf_between({20.0: 1.5, 11.0: -3.0, 17.0: 0.6}, 0.1) == 16.0
    assert crf_between({20.0: 1.5, 17.0: 0.4}, 0.1) is None
    assert crf_between({20.0: 0.1, 19.0: -2.0}, 1.0) == 20.0  # no step lies between
    assert crf_between({63.0: 9.0, 61.0: -2.5}, 1.0) == 62.0  # and here one does
    assert crf_between({63.0: 0.5, 60.0: -9.0}, 1.0) == 62.0


@pytest.mark.parametrize(
    ("vmaf", "worst", "wanted"),
    [
        (79.5, 75.0, 0.5),  # both well
        (80.0, 62.0, 9.0),  # the worst window lacks 8 points of the floor, and a tolerance
        (88.0, 70.5, 0.5),  # held up by its worst window: better than asked, and on target
        (88.0, 76.0, -5.0),  # too good, down to where the floor is met
    ],
)
def test_a_worst_window_below_the_floor_is_corrected(
    vmaf: float, worst: float, wanted: float
) -> None:
    _, rung = plan()
    check = Verification(vmaf, vmaf, vmaf, 250, worst, Window(0, 1), vmaf, 35, 0)
    assert Track(rung, 1.0, floor=70.0).wanted(check) == pytest.approx(wanted)
    assert Track(rung, 1.0).wanted(check) == pytest.approx(80 - vmaf)
    # A rung that is meant to be worse than the floor cannot hold it.
    assert Track(rung, 1.0, floor=90.0).wanted(check) == pytest.approx(80 - vmaf)


def test_a_bitrate_is_brought_down_by_the_crf() -> None:
    ladder, rung = plan()  # the curve halves the bitrate in six CRFs
    assert crf_at_share(ladder, rung, 0.5, 1.0) == 26.0
    assert crf_at_share(ladder, rung, 0.99, 1.0) == 21.0
    assert crf_at_share(ladder, rung, 1e-6, 1.0) >= 51.0


Encoder = Callable[[Rung], tuple[float, float]]
"""Average bitrate (kbit/s) and VMAF of a rung."""


def brought_onto(
    aim: Aim, codec: str, encoder: Encoder, target: Rung, ladder: LadderPlan,
    most_kbps: float | None = None,
) -> Track:  # fmt: skip
    """A rung as delivery treats it, with an imagined encoder in the place of the real one."""
    track = Track(target, 1.0, aim=aim, next=target, most_kbps=most_kbps)
    while track.next is not None:
        kbps, vmaf = encoder(track.next)
        check = Verification(vmaf, vmaf, vmaf, 250, vmaf, Window(0, 1), vmaf, 35, 0)
        encoded = EncodedRung(
            track.next, codec, "", Path(f"{track.next.crf}"), 250, kbps, kbps, Series(), False
        )
        track.add(encoded, Measured(check))
        track.next = correction(track, ladder, CODECS[codec])
    assert track.attempts <= (MAX_CAPPED_ATTEMPTS if track.most_kbps else MAX_ATTEMPTS)
    return track


def test_what_is_aimed_at_follows_from_the_options() -> None:
    assert Aim.of(EncodeOptions()) is Aim.QUALITY
    assert Aim.of(EncodeOptions(rate_control="abr")) is Aim.RATE
    assert Aim.of(EncodeOptions(rate_control="abr", target_size=9)) is Aim.SIZE


@pytest.mark.parametrize("off", [0.5, 0.8, 1.06, 1.4, 2.5])
@pytest.mark.parametrize("slope", [4.5, 6.0, 10.0])
def test_av1_holds_a_bitrate_by_its_crf(off: float, slope: float) -> None:
    """Also where the plan is wrong in level (by ``off``) and slope (it believes 6 CRFs)."""
    ladder, rung = plan()
    target = replace(rung, crf=34.0, bitrate_kbps=1000 * 2 ** (-34 / 6))

    def encoder(tried: Rung) -> tuple[float, float]:
        return off * target.bitrate_kbps * 2 ** ((34 - tried.crf) / slope), 70.0

    track = brought_onto(Aim.RATE, "av1", encoder, target, ladder)
    assert track.best is not None
    share = track.best[0].average_kbps / target.bitrate_kbps
    # AV1 has whole CRFs only: half a step of this encoder is what may be left.
    assert abs(share - 1) <= max(0.05, 2 ** (0.5 / slope) - 1)
    assert track.rate_held == (abs(share - 1) <= 0.05)
    assert track.best[0].rung.bitrate_kbps == target.bitrate_kbps


def test_two_passes_that_miss_are_asked_for_another_bitrate() -> None:
    ladder, rung = plan()

    def encoder(tried: Rung) -> tuple[float, float]:
        return 0.88 * tried.bitrate_kbps, 60.0

    track = brought_onto(Aim.RATE, "h264", encoder, rung, ladder)
    assert track.attempts == 2
    assert track.best is not None
    assert track.best[0].average_kbps == pytest.approx(rung.bitrate_kbps)
    assert not track.on_target, "the quality is told, though it is not the aim"


def test_a_size_is_met_from_below_and_never_filled_up() -> None:
    ladder, rung = plan()
    for share, attempts in ((1.3, 2), (0.6, 1)):

        def encoder(tried: Rung, share: float = share) -> tuple[float, float]:
            return share * rung.bitrate_kbps * 2 ** ((20 - tried.crf) / 6), 80.0

        track = brought_onto(Aim.SIZE, "av1", encoder, rung, ladder)
        assert track.attempts == attempts
        assert track.best is not None
        assert track.best[0].average_kbps <= 1.02 * rung.bitrate_kbps


@pytest.mark.parametrize("slope", [0.45, 0.7, 1.0, 1.5, 2.2])
@pytest.mark.parametrize("off", [-9.0, -4.0, 3.0, 8.0])
def test_a_quality_is_met_where_the_encoder_answers_otherwise_than_planned(
    off: float, slope: float
) -> None:
    """Pictures of half the rate lose fewer points a CRF than the plan's curve, which is of all."""
    ladder, rung = plan()
    target = replace(rung, crf=32.0, vmaf=68.0)

    def encoder(tried: Rung) -> tuple[float, float]:
        return 100.0, 68 + off - slope * (tried.crf - 32)

    track = brought_onto(Aim.QUALITY, "h264", encoder, target, ladder)
    assert track.on_target, track.lacked


def test_the_response_is_learnt_from_the_last_two_attempts() -> None:
    ladder, _ = plan()
    assert measured_response(ladder, 360, "vmaf", {20.0: -6.0}) == 1.0
    assert measured_response(ladder, 360, "vmaf", {20.0: -6.0, 26.0: -3.0}) == 0.5
    assert measured_response(ladder, 360, "bitrate_kbps", {20.0: -1.0, 26.0: 0.5}) == 1.5
    # Noise tells nothing.
    assert measured_response(ladder, 360, "vmaf", {20.0: -1.0, 20.1: -1.2}) == 1.0


def test_a_rung_of_half_the_rate_starts_where_its_curve_is_believed_to_be() -> None:
    ladder, rung = plan()
    codec, rate = CODECS["h264"], Fraction(50)
    half = halved(rung, codec, rate)
    assert (half.crf, half.vmaf, half.half_rate) == (22.4, rung.vmaf, True)
    assert half.bitrate_kbps == pytest.approx(HALF_RATE_SHARE * rung.bitrate_kbps)
    assert half.bitrate_low_kbps < half.bitrate_kbps < half.bitrate_high_kbps
    believed = at_half_rate(ladder, codec, rate)
    found = corrected_crf(believed, half, wanted=3, crf_range=codec.crf_range, crf_step=0.1)
    assert found == 19.4
    assert halved(replace(rung, crf=50.0), codec, rate).crf == codec.crf_range[1]


@pytest.mark.parametrize("codec", ["h264", "av1"])
@pytest.mark.parametrize("aim", [Aim.QUALITY, Aim.RATE])
@pytest.mark.parametrize("off", [1.05, 1.4, 2.0])
def test_the_highest_bitrate_allowed_binds_on_what_was_measured(
    codec: str, aim: Aim, off: float
) -> None:
    """Though the quality is on target at once, and the plan believed the rung within the bound."""
    ladder, rung = plan()

    def encoder(tried: Rung) -> tuple[float, float]:
        if aim is Aim.RATE and CODECS[codec].two_pass:
            return off * tried.bitrate_kbps, 80.0
        return off * 1000 * 2 ** (-tried.crf / 8), 80.0

    target = replace(rung, crf=20.0, bitrate_kbps=encoder(rung)[0] / off)
    track = brought_onto(aim, codec, encoder, target, ladder, most_kbps=target.bitrate_kbps)
    assert not track.over_cap
    assert track.best is not None
    assert track.best[0].average_kbps <= target.bitrate_kbps
    assert track.attempts > 1


def test_a_rung_that_cannot_be_brought_below_the_bound_is_known_as_such() -> None:
    ladder, rung = plan()
    track = brought_onto(Aim.QUALITY, "h264", lambda _: (500.0, 80.0), rung, ladder, most_kbps=99)
    assert track.over_cap


def test_a_rung_within_the_bound_is_not_made_better_beyond_it() -> None:
    ladder, rung = plan()
    track = brought_onto(
        Aim.QUALITY, "h264", lambda tried: (1000 * 2 ** (-tried.crf / 6), 95 - tried.crf), rung,
        ladder, most_kbps=100,
    )  # fmt: skip
    assert track.attempts == 1
    assert not track.over_cap
    assert not track.on_target
