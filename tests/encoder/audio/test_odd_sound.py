"""Sound as it comes: every layout, changes in mid-stream, tracks with nothing in them."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from pertitle.encoder.audio import tracks
from pertitle.encoder.audio.tracks import encode_audio
from pertitle.errors import ProcessError
from pertitle.options import AudioOptions
from pertitle.results import AudioRendition
from pertitle.system.tools import Toolbox
from tests.conftest import MakeClip
from tests.encoder.helpers import analysis_of

BLACK = "color=black:s=64x64:r=25:d=2"
LOOK = ("-c:v", "libx264", "-preset", "ultrafast")
TS = (*LOOK, "-g", "25", "-bf", "0", "-c:a", "aac")


def heard(rendition: AudioRendition) -> np.ndarray[Any, np.dtype[np.float32]]:
    """The samples of a rendition's first channel."""
    with av.open(str(rendition.path)) as container:
        parts = [frame.to_ndarray()[0] for frame in container.decode(audio=0)]
    return np.concatenate(parts)


@pytest.mark.parametrize(("layout", "channels"), [("7.1", (2, 6)), ("5.1", (2, 6)), ("4.0", (2,)),
                                                  ("hexadecagonal", (2, 6))])  # fmt: skip
def test_many_channels_become_stereo_and_surround(
    toolbox: Toolbox, make_clip: MakeClip, tmp_path: Path, layout: str, channels: tuple[int, ...]
) -> None:
    count = {"7.1": 8, "5.1": 6, "4.0": 4, "hexadecagonal": 16}[layout]
    waves = "|".join(f"0.2*sin({300 + 60 * i}*2*PI*t)" for i in range(count))
    sound = f"aevalsrc={waves}:c={layout}:d=2"
    clip = make_clip(BLACK, f"{layout}.mkv", *LOOK, "-c:a", "pcm_s16le", sound=sound)
    made = encode_audio(
        toolbox, analysis_of(clip), frames=50, folder=tmp_path, options=AudioOptions(surround=True)
    )
    assert tuple(one.channels for one in made) == channels
    assert all(abs(len(heard(one)) / one.sample_rate - 2.0) < 0.1 for one in made)


@pytest.mark.parametrize("second", ["sine=f=880:r=48000:d=2,aformat=channel_layouts=stereo",
                                    "sine=f=880:r=32000:d=2"])  # fmt: skip
def test_sound_that_changes_its_form_stays_in_place(
    toolbox: Toolbox, make_clip: MakeClip, tmp_path: Path, second: str
) -> None:
    """A filter graph built anew would put two seconds of silence in front of the second half."""
    first = make_clip(BLACK, "first.ts", *TS, sound="sine=f=440:r=48000:d=2")
    later = make_clip(BLACK, "later.ts", *TS, "-output_ts_offset", "2", sound=second)
    path = tmp_path / "changes.ts"
    path.write_bytes(first.read_bytes() + later.read_bytes())
    told: list[str] = []
    (made,) = encode_audio(
        toolbox, analysis_of(path), frames=100, folder=tmp_path, on_dropped=told.append
    )
    samples = heard(made)
    assert told == []
    assert len(samples) / made.sample_rate == pytest.approx(4.0, abs=0.1)
    for start in (0.4, 1.2, 2.4, 3.2):
        part = samples[int(start * made.sample_rate) :][: made.sample_rate // 4]
        pitch = np.abs(np.fft.rfft(part)).argmax() * made.sample_rate / len(part)
        assert pitch == pytest.approx(440 if start < 2 else 880, abs=8)


def test_a_track_without_packets_is_left_out_and_the_others_stay(
    toolbox: Toolbox, make_clip: MakeClip, tmp_path: Path
) -> None:
    clip = make_clip(BLACK, "sound.mkv", *LOOK, "-c:a", "flac", sound="sine=d=2")
    analysis = analysis_of(clip)
    (track,) = analysis.source.audio
    empty = replace(track, channels=0)
    ghost = replace(track, index=7)
    source = replace(analysis.source, audio=(empty, ghost, track))
    told: list[str] = []
    made = encode_audio(
        toolbox, replace(analysis, source=source), frames=50, folder=tmp_path,
        on_dropped=told.append,
    )  # fmt: skip
    assert [one.source_index for one in made] == [track.index]
    assert [note.partition(" is")[0] for note in told] == [
        f"sound track {track.index}", "sound track 7",
    ]  # fmt: skip


@pytest.mark.parametrize("code", [-signal.SIGKILL, -signal.SIGTERM])
def test_an_encoder_that_is_killed_costs_no_track(tmp_path: Path, code: int) -> None:
    """The title fails and is made again; delivered without its sound it would be lost."""
    with pytest.raises(ProcessError):
        tracks._unless_ended(ProcessError(["ffmpeg"], code, ""), tmp_path)
    tracks._unless_ended(ProcessError(["ffmpeg"], -signal.SIGSEGV, ""), tmp_path)
    tracks._unless_ended(ProcessError(["ffmpeg"], 1, "Invalid data"), tmp_path)
