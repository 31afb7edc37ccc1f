"""Text subtitles as WebVTT, on the delivered title's clock.

One file a track serves HLS and DASH alike. Picture subtitles (DVD, Blu-ray, DVB) are not text and
stay behind.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import ffmpeg

from pertitle.encoder import commands
from pertitle.encoder.title import Title, open_title
from pertitle.errors import DeliveryError, ProcessError
from pertitle.records import Analysis, SubtitleStream
from pertitle.system.tools import Toolbox

_TIMES = re.compile(r"((?:\d+:)?\d\d:\d\d\.\d{3}) --> ((?:\d+:)?\d\d:\d\d\.\d{3})(.*)")


@dataclass(frozen=True)
class SubtitleRendition:
    """A WebVTT file and what it says of itself; ``source_index`` is the stream it came from."""

    path: Path
    source_index: int
    language: str
    title: str
    cues: int


@dataclass(frozen=True)
class Cue:
    """A text with the seconds it is shown, and its WebVTT settings."""

    start: float
    end: float
    settings: str
    text: str


def extract_subtitles(
    toolbox: Toolbox, analysis: Analysis, *, frames: int, folder: Path
) -> tuple[SubtitleRendition, ...]:
    """Write every text track that has a cue within the title into ``folder``.

    Cues are shifted as the picture is (frame 0 is at 0 s); what lies outside the title is cut.

    Args:
        frames: pictures of the encoded title.

    Raises:
        DeliveryError: a track cannot be decoded.
    """
    streams = [stream for stream in analysis.source.subtitles if stream.is_text]
    if not streams:
        return ()
    title = open_title(analysis)
    duration = float(Fraction(frames) / title.rate)
    paths = [folder / f"subtitles-{stream.index}.vtt" for stream in streams]
    argv = subtitle_command(toolbox.ffmpeg, title, list(zip(streams, paths, strict=True)))
    try:
        limits = toolbox.limits(toolbox.seconds_for(analysis.source.duration))
        toolbox.runner.run(argv, limits=limits)
    except ProcessError as error:
        raise DeliveryError(
            f"the subtitles of {title.source.path.name} cannot be read: {error}"
        ) from error
    made = []
    for stream, path in zip(streams, paths, strict=True):
        cues = within(read_cues(path.read_text(encoding="utf-8")), float(title.origin), duration)
        if not cues:
            path.unlink()
            continue
        path.write_text(write_cues(cues), encoding="utf-8")
        made.append(SubtitleRendition(path, stream.index, stream.language, stream.title, len(cues)))
    return tuple(made)


def subtitle_command(
    program: str, title: Title, targets: list[tuple[SubtitleStream, Path]]
) -> list[str]:
    """The argv that converts text tracks in one pass over the file."""
    source = commands.open_source(title.source)
    outputs = [
        source[str(stream.index)].output(commands.url(path), f="webvtt", **{"c:s": "webvtt"})
        for stream, path in targets
    ]
    return commands.finish(program, ffmpeg.merge_outputs(*outputs))


def read_cues(text: str) -> list[Cue]:
    """The cues of a WebVTT file; notes, styles and regions are skipped."""
    cues = []
    for block in re.split(r"\n\s*\n", text.replace("\r\n", "\n")):
        lines = block.strip("\n").split("\n")
        for i, line in enumerate(lines):
            match = _TIMES.fullmatch(line.strip())
            if match is not None:
                body = "\n".join(lines[i + 1 :]).strip()
                if body:
                    cues.append(Cue(_seconds(match[1]), _seconds(match[2]), match[3].strip(), body))
                break
    return cues


def within(cues: list[Cue], origin: float, duration: float) -> list[Cue]:
    """The cues shown from ``origin`` on for ``duration`` seconds, cut to it, on its clock."""
    kept = [
        Cue(max(0.0, cue.start - origin), min(duration, cue.end - origin), cue.settings, cue.text)
        for cue in cues
    ]
    return sorted(
        (cue for cue in kept if cue.start < cue.end), key=lambda cue: (cue.start, cue.end)
    )


def write_cues(cues: list[Cue]) -> str:
    """A WebVTT file."""
    blocks = ["WEBVTT"]
    for cue in cues:
        times = f"{clock(cue.start)} --> {clock(cue.end)} {cue.settings}".rstrip()
        blocks.append(f"{times}\n{cue.text}")
    return "\n\n".join(blocks) + "\n"


def _seconds(time: str) -> float:
    seconds = 0.0
    for part in time.split(":"):
        seconds = 60 * seconds + float(part)
    return seconds


def clock(seconds: float) -> str:
    """A WebVTT time."""
    millis = round(seconds * 1000)
    return (
        f"{millis // 3_600_000:02d}:{millis // 60_000 % 60:02d}:"
        f"{millis // 1000 % 60:02d}.{millis % 1000:03d}"
    )


LANGUAGES = dict(
    pair.split("=")
    for pair in (
        "ara=ar bul=bg ben=bn cat=ca ces=cs cze=cs dan=da deu=de ger=de ell=el gre=el eng=en"
        " spa=es est=et fas=fa per=fa fin=fi fil=fil fra=fr fre=fr gle=ga heb=he hin=hi hrv=hr"
        " hun=hu hye=hy arm=hy ind=id isl=is ice=is ita=it jpn=ja kat=ka geo=ka kaz=kk kor=ko"
        " lit=lt lav=lv mkd=mk mac=mk msa=ms may=ms nld=nl dut=nl nor=no nob=nb nno=nn pol=pl"
        " por=pt ron=ro rum=ro rus=ru slk=sk slo=sk slv=sl sqi=sq alb=sq srp=sr swe=sv tam=ta"
        " tel=te tha=th tur=tr ukr=uk urd=ur vie=vi zho=zh chi=zh"
    ).split()
)


def language_tag(code: str) -> str:
    """The shortest BCP 47 tag of an ISO 639-2 code ("eng" → "en"); "" for unknown ones."""
    code = code.strip().lower()
    if code in ("", "und") or not re.fullmatch(r"[a-z]{2,3}(-[a-z0-9]{2,8})*", code):
        return ""
    return LANGUAGES.get(code, code)
