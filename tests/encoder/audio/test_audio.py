"""Sound: all tracks, labelled, in step with the picture and exactly as long."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from pertitle.codecs import codec_named
from pertitle.encoder.audio.decoding import Sound, listen
from pertitle.encoder.audio.quality import lowest_rate
from pertitle.encoder.audio.tracks import encode_audio, tracks_of
from pertitle.encoder.package.checks import check_package
from pertitle.encoder.package.manifests import read_master
from pertitle.encoder.package.packaging import package
from pertitle.encoder.renditions import encode_renditions
from pertitle.options import AudioOptions
from pertitle.records import AudioStream
from pertitle.system.tools import Toolbox
from tests.conftest import MakeClip
from tests.encoder.helpers import analysis_of, rendition_of, rung

FLASH = "color=black:s=160x90:r=25:d=2,drawbox=c=white:t=fill:enable='between(t,0.99,1.07)'"
BEEP = "sine=f=1000:r=48000:d=2,volume='between(t,1,1.08)':eval=frame"
LOSSLESS = ("-c:v", "libx264", "-preset", "ultrafast", "-qp", "0", "-c:a", "flac")


def samples(path: Path) -> NDArray[np.float32]:
    with av.open(str(path)) as container:
        rate = container.streams.audio[0].rate
        parts = []
        for frame in container.decode(audio=0):
            first = round(float(frame.time or 0) * rate)
            part = frame.to_ndarray()[0]
            parts.append(part[-first:] if first < 0 else part)
    return np.concatenate(parts)


def onset(path: Path) -> float:
    """Seconds at which the beep begins."""
    with av.open(str(path)) as container:
        rate = container.streams.audio[0].rate
    return float(np.flatnonzero(np.abs(samples(path)) > 0.02)[0]) / rate


@pytest.mark.parametrize(
    ("shift", "label"), [((), "even"), (("-itsoffset", "0.3"), "late")], ids=["even", "late"]
)
def test_the_beep_comes_with_the_flash(
    toolbox: Toolbox, make_clip: MakeClip, tmp_path: Path, shift: tuple[str, ...], label: str
) -> None:
    """Also when the picture begins 0.3 s after the sound."""
    even = make_clip(FLASH, "flash.mkv", *LOSSLESS, sound=BEEP)
    clip = tmp_path / f"{label}.mkv"
    toolbox.runner.run(
        [toolbox.ffmpeg, "-v", "error", "-i", f"file:{even}", *shift, "-i", f"file:{even}",
         "-map", "0:a", "-map", "1:v", "-c", "copy", f"file:{clip}"]
    )  # fmt: skip
    analysis = analysis_of(clip)
    (encoded,) = encode_renditions(
        toolbox, analysis, [rung(160, 90, 20)], codec=codec_named("h264"), preset="ultrafast",
        segment_seconds=1, vbv_ratio=4, folder=tmp_path,
    )  # fmt: skip
    audio = encode_audio(toolbox, analysis, frames=encoded.frames, folder=tmp_path)
    renditions = [rendition_of(encoded)]
    rate = analysis.treatment.frame_rate
    made = package(
        toolbox, renditions, audio, folder=tmp_path / "p", segment_seconds=1, frame_rate=rate
    )
    check_package(tmp_path / "p", made, renditions, audio, segment_seconds=1, frame_rate=rate)
    joined = []
    for name in ("video-h264-90p", "audio-1"):
        base = tmp_path / "p" / "segments" / name
        path = tmp_path / f"{name}.mp4"
        parts = [base / "init.mp4", *sorted(base.glob("*.m4s"))]
        path.write_bytes(b"".join(part.read_bytes() for part in parts))
        joined.append(path)
    with av.open(str(joined[0])) as container:
        frames = list(container.decode(video=0))
    flash = next(f.time for f in frames if f.to_ndarray(format="gray").mean() > 128)
    # The sound of the moment the picture flashed in the source: 1 s into an even file, and in
    # the late one the picture flashes 0.3 s after the beep, as its maker wanted.
    expected = flash - (0.3 if shift else 0.0)
    assert onset(joined[1]) == pytest.approx(expected, abs=0.01)
    length = len(samples(joined[1])) / 48000
    assert length == pytest.approx(float(encoded.frames / rate), abs=1024 / 48000)


def test_short_sound_is_filled_and_long_sound_is_cut(
    toolbox: Toolbox, make_clip: MakeClip, tmp_path: Path
) -> None:
    clip = make_clip(FLASH, "flash.mkv", *LOSSLESS, sound=BEEP)
    analysis = analysis_of(clip)
    for frames in (25, 90):
        (one,) = encode_audio(toolbox, analysis, frames=frames, folder=tmp_path)
        assert len(samples(one.path)) / 48000 == pytest.approx(frames / 25, abs=1024 / 48000)


def test_tracks_are_kept_labelled_and_mono_stays_mono(
    toolbox: Toolbox, make_clip: MakeClip, tmp_path: Path
) -> None:
    clip = make_clip(FLASH, "flash.mkv", *LOSSLESS, sound=BEEP)
    many = tmp_path / "many.mkv"
    toolbox.runner.run(
        [toolbox.ffmpeg, "-v", "error", "-i", f"file:{clip}",
         "-filter_complex", "[0:a]asplit=3[a][b][c];[b]pan=stereo|c0=c0|c1=-0.5*c0[s];"
         "[c]aformat=channel_layouts=5.1:sample_rates=96000[x]",
         "-map", "0:v", "-map", "[a]", "-map", "[s]", "-map", "[x]", "-c:v", "copy",
         "-c:a", "flac", "-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=fra",
         "-metadata:s:a:1", 'title=Commentaire, "VF"', "-metadata:s:a:2", "language=eng",
         f"file:{many}"]
    )  # fmt: skip
    analysis = analysis_of(many)
    (encoded,) = encode_renditions(
        toolbox, analysis, [rung(160, 90, 20)], codec=codec_named("h264"), preset="ultrafast",
        segment_seconds=1, vbv_ratio=4, folder=tmp_path,
    )  # fmt: skip
    audio = encode_audio(
        toolbox,
        analysis,
        frames=encoded.frames,
        folder=tmp_path,
        options=AudioOptions(surround=True),
    )
    assert [(a.language, a.channels, a.sample_rate) for a in audio] == [
        ("eng", 1, 48000), ("fra", 2, 48000), ("eng", 2, 48000), ("eng", 6, 48000),
    ]  # fmt: skip
    rate = analysis.treatment.frame_rate
    renditions = [rendition_of(encoded)]
    made = package(
        toolbox, renditions, audio, folder=tmp_path / "p", segment_seconds=1, frame_rate=rate
    )
    check_package(tmp_path / "p", made, renditions, audio, segment_seconds=1, frame_rate=rate)
    _, media = read_master((tmp_path / "p" / "master.m3u8").read_text(encoding="utf-8"))
    assert [(m["LANGUAGE"], m["CHANNELS"], m["DEFAULT"]) for m in media] == [
        ("en", "1", "YES"), ("fr", "2", "NO"), ("en", "2", "NO"), ("en", "6", "NO"),
    ]  # fmt: skip
    assert len({m["NAME"] for m in media}) == 4


def test_a_silent_film_has_no_sound(toolbox: Toolbox, make_clip: MakeClip, tmp_path: Path) -> None:
    clip = make_clip("testsrc2=s=160x90:r=25:d=0.4", "mute.mp4")
    assert encode_audio(toolbox, analysis_of(clip), frames=10, folder=tmp_path) == ()
    assert list(tmp_path.iterdir()) == []


def stream(channels: int) -> AudioStream:
    return AudioStream(1, "ac3", channels, "?", 48000, "und", "", True)


def test_channels_follow_the_content() -> None:
    real, twice, nothing = Sound(0.5, 0.1, 0.02), Sound(0.5, 0.1, 1e-5), Sound(1e-5, 1e-6, 1e-6)

    def channels(count: int, sound: Sound, options: AudioOptions = AudioOptions()) -> list[int]:  # noqa: B008
        return [track.channels for track in tracks_of(stream(count), sound, options)]

    assert channels(2, real) == [2]
    assert channels(2, twice) == [1]
    assert channels(1, Sound(0.5, 0.1, 0)) == [1]
    assert channels(6, real) == [2]
    # Front left and right may be alike in surround sound: the others are not.
    assert channels(6, twice) == [2]
    assert channels(6, real, AudioOptions(surround=True)) == [2, 6]
    assert channels(2, nothing) == [1]
    rates = [tracks_of(stream(2), sound)[0].kbps for sound in (real, twice, nothing)]
    assert rates == sorted(rates, reverse=True)
    assert len(set(rates)) == 3


@pytest.mark.parametrize(
    ("graph", "silent", "dual"),
    [
        ("sine=f=440:d=1:r=48000,aformat=channel_layouts=stereo", False, True),
        ("aevalsrc='0.1*sin(880*PI*t)|0.1*sin(1320*PI*t)':d=1:s=48000", False, False),
        ("anullsrc=r=48000:cl=stereo:d=1", True, True),
    ],
)
def test_listening_tells_silence_and_one_channel_twice(
    make_clip: MakeClip, graph: str, silent: bool, dual: bool
) -> None:
    clip = make_clip("color=black:s=64x64:r=5:d=1", f"sound-{silent}-{dual}.mp4", "-c:v",
                     "libx264", "-c:a", "aac", "-b:a", "128k", sound=graph)  # fmt: skip
    sound = listen(analysis_of(clip).source, analysis_of(clip).source.audio[0])
    assert (sound.silent, sound.dual_mono) == (silent, dual)


def test_listening_finds_the_loudest_seconds(make_clip: MakeClip) -> None:
    clip = make_clip("color=black:s=64x64:r=5:d=12", "swell.mkv", "-c:v", "libx264", "-c:a",
                     "flac", sound="sine=d=12,volume='if(gte(t,6),1,0.1)':eval=frame")  # fmt: skip
    assert listen(analysis_of(clip).source, analysis_of(clip).source.audio[0]).loudest in (6, 7)


def test_long_tracks_are_listened_to_in_excerpts(
    make_clip: MakeClip, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = "sine=d=30,volume='between(t,0,0.5)+0.05':eval=frame"
    clip = make_clip(
        "color=black:s=64x64:r=5:d=30", "long.mkv", "-c:v", "libx264", "-c:a", "flac", sound=sound
    )
    source = analysis_of(clip).source
    stream = source.audio[0]
    whole = listen(source, stream)
    monkeypatch.setattr("pertitle.encoder.audio.decoding.WHOLE_SECONDS", 10.0)
    monkeypatch.setattr("pertitle.encoder.audio.decoding.EXCERPTS", 4)
    excerpts = listen(source, stream)
    assert excerpts.peak == pytest.approx(whole.peak, rel=0.05)
    assert excerpts.middle != whole.middle
    # A track that speaks outside of the excerpts is not taken for silent.
    monkeypatch.setattr("pertitle.encoder.audio.decoding.SILENCE_PEAK", 2 * whole.peak / 3)
    monkeypatch.setattr("pertitle.encoder.audio.decoding.EXCERPTS", 1)
    monkeypatch.setattr("numpy.linspace", lambda *_: np.array([20.0]))
    assert not listen(source, stream).silent


def test_plain_sound_needs_less_than_dense_sound(toolbox: Toolbox, make_clip: MakeClip) -> None:
    found = []
    for name, graph in (("tone", "sine=f=300:d=1.5"), ("noise", "anoisesrc=a=0.3:d=1.5:seed=1")):
        clip = make_clip("color=black:s=64x64:r=5:d=1.5", f"{name}.mkv", "-c:v", "libx264",
                         "-c:a", "flac", sound=graph)  # fmt: skip
        source = analysis_of(clip).source
        found.append(
            lowest_rate(
                toolbox, source, source.audio[0], 0, channels=1, encoder="aac", rates=(24, 96),
                target_mos=4.2,
            )
        )  # fmt: skip
    assert [rate for rate, _ in found] == [24, 96]
    assert found[0][1] >= 4.2


def test_sound_that_is_gone_is_told(toolbox: Toolbox, make_clip: MakeClip, tmp_path: Path) -> None:
    clip = make_clip(FLASH, "flash.mkv", *LOSSLESS, sound=BEEP)
    analysis = analysis_of(clip)
    ghost = replace(analysis.source.audio[0], index=5)
    source = replace(analysis.source, audio=(ghost,))
    told: list[str] = []
    made = encode_audio(
        toolbox, replace(analysis, source=source), frames=50, folder=tmp_path,
        on_dropped=told.append,
    )  # fmt: skip
    assert made == ()
    assert told[0].startswith("sound track 5 is left out: ")


def loudness_of(toolbox: Toolbox, path: Path) -> tuple[float, float]:
    """Integrated loudness and true peak by another meter than the one that set them."""
    log = toolbox.runner.run(
        [toolbox.ffmpeg, "-v", "info", "-nostats", "-i", f"file:{path}", "-af",
         "ebur128=peak=true:framelog=quiet:dualmono=true", "-f", "null", "-"]
    ).stderr_tail  # fmt: skip
    found = [line.split() for line in log.splitlines()]
    return (
        next(float(words[1]) for words in found if words[:1] == ["I:"]),
        next(float(words[1]) for words in found if words[:1] == ["Peak:"]),
    )


@pytest.mark.parametrize(
    ("level", "sound"),
    [
        ("quiet", "aevalsrc='0.02*sin(880*PI*t)|0.02*sin(1320*PI*t)':d=4:s=48000"),
        # Clicks 25 dB above the rest: one gain for all of it would cut them off. They are short, so
        # the loudness is that of the rest, and can be had below the peaks that are allowed.
        ("peaky", "aevalsrc='(0.05+0.85*lt(mod(t,2),0.001))*sin(880*PI*t)|"
                  "(0.05+0.85*lt(mod(t,2),0.001))*sin(1320*PI*t)':d=4:s=48000"),
    ],
)  # fmt: skip
def test_sound_is_brought_to_the_asked_loudness(
    toolbox: Toolbox, make_clip: MakeClip, tmp_path: Path, level: str, sound: str
) -> None:
    clip = make_clip("color=black:s=64x64:r=5:d=4", f"{level}.mkv", "-c:v", "libx264", "-c:a",
                     "flac", sound=sound)  # fmt: skip
    (one,) = encode_audio(
        toolbox, analysis_of(clip), frames=20, folder=tmp_path,
        options=AudioOptions(loudness=-14.0),
    )  # fmt: skip
    integrated, peak = loudness_of(toolbox, one.path)
    before, _ = loudness_of(toolbox, clip)
    assert one.loudness == pytest.approx(before, abs=0.2)
    assert peak < 0  # -1 dBTP, and AAC overshoots a little
    assert integrated == pytest.approx(-14, abs=0.5 if level == "quiet" else 1.2)
    assert abs(integrated + 14) < abs(before + 14)
    assert len(samples(one.path)) / 48000 == pytest.approx(4, abs=1024 / 48000)


def test_opus_is_packaged_like_aac(toolbox: Toolbox, make_clip: MakeClip, tmp_path: Path) -> None:
    clip = make_clip(FLASH, "flash.mkv", *LOSSLESS, sound=BEEP)
    analysis = analysis_of(clip)
    (encoded,) = encode_renditions(
        toolbox, analysis, [rung(160, 90, 20)], codec=codec_named("h264"), preset="ultrafast",
        segment_seconds=1, vbv_ratio=4, folder=tmp_path,
    )  # fmt: skip
    audio = encode_audio(
        toolbox, analysis, frames=50, folder=tmp_path, options=AudioOptions(codec="opus")
    )
    rate, renditions = analysis.treatment.frame_rate, [rendition_of(encoded)]
    made = package(
        toolbox, renditions, audio, folder=tmp_path / "p", segment_seconds=1, frame_rate=rate
    )
    check_package(tmp_path / "p", made, renditions, audio, segment_seconds=1, frame_rate=rate)
    variants, _ = read_master((tmp_path / "p" / "master.m3u8").read_text(encoding="utf-8"))
    assert variants[0].codecs[1] == "opus"
    base = tmp_path / "p" / "segments" / "audio-1"
    whole = tmp_path / "whole.mp4"
    whole.write_bytes(
        b"".join(p.read_bytes() for p in [base / "init.mp4", *sorted(base.glob("*.m4s"))])
    )
    assert onset(whole) == pytest.approx(1.0, abs=0.01)


def test_clipped_sound_is_told_from_loud_sound(make_clip: MakeClip) -> None:
    heard = []
    for name, gain in (("loud", 0.99), ("clipped", 2.0)):
        wave = f"aevalsrc='clip({gain}*sin(440*PI*t),-1,1)':d=1:s=48000"
        clip = make_clip("color=black:s=64x64:r=5:d=1", f"{name}.mkv", "-c:v", "libx264", "-c:a",
                         "flac", sound=wave)  # fmt: skip
        heard.append(listen(analysis_of(clip).source, analysis_of(clip).source.audio[0]))
    assert [sound.is_clipped for sound in heard] == [False, True]
    assert heard[1].clipped == pytest.approx(440, rel=0.1)
