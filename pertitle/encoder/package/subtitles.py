"""Text subtitles as WebVTT, on the delivered title's clock.

One file a track serves HLS and DASH alike. Picture subtitles (DVD, Blu-ray, DVB) are not text and
stay behind.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from pertitle.encoder import commands
from pertitle.encoder.title import Title, open_title
from pertitle.errors import ProcessError, SourceError
from pertitle.records import Analysis, Source, SubtitleStream
from pertitle.system.isolation import isolated
from pertitle.system.sources import open_media
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
class SubtitleTracks:
    """The text tracks of a title, and what a person should know of them and of those left out."""

    kept: tuple[SubtitleRendition, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cue:
    """A text with the seconds it is shown, and its WebVTT settings."""

    start: float
    end: float
    settings: str
    text: str


def extract_subtitles(
    toolbox: Toolbox,
    analysis: Analysis,
    *,
    frames: int,
    folder: Path,
    on_note: Callable[[str], None] = lambda note: None,
) -> tuple[SubtitleRendition, ...]:
    """Write every text track that has a cue within the title into ``folder``.

    Cues are shifted as the picture is (frame 0 is at 0 s); what lies outside the title is cut. A
    track that cannot be read is left out.

    Args:
        frames: pictures of the encoded title.
        on_note: called with a sentence for every track that is left out or whose encoding was
            guessed.
    """
    title = open_title(analysis)
    duration = float(Fraction(frames) / title.rate)
    made = []
    for stream in analysis.source.subtitles:
        if not stream.is_text:
            continue
        path = folder / f"subtitles-{stream.index}.vtt"
        try:
            _convert(toolbox, title, stream, path, on_note)
            text = path.read_text(encoding="utf-8", errors="replace")
        except (ProcessError, SourceError, OSError) as error:
            path.unlink(missing_ok=True)
            reason = (str(error).splitlines() or [""])[0]
            on_note(f"subtitle track {stream.index} ({stream.codec}) is left out: {reason}")
            continue
        cues = [replace(cue, text=escaped(without_drawing(cue.text))) for cue in read_cues(text)]
        cues = [cue for cue in cues if cue.text]
        cues = within(cues, float(title.origin), duration)
        if not cues:
            path.unlink()
            continue
        path.write_text(write_cues(cues), encoding="utf-8")
        made.append(SubtitleRendition(path, stream.index, stream.language, stream.title, len(cues)))
    return tuple(made)


def _convert(
    toolbox: Toolbox,
    title: Title,
    stream: SubtitleStream,
    path: Path,
    on_note: Callable[[str], None],
) -> None:
    limits = toolbox.limits(toolbox.seconds_for(title.source.duration))
    argv = subtitle_command(toolbox.ffmpeg, title, stream, path)
    try:
        log = toolbox.runner.run(argv, limits=limits).stderr_tail
    except ProcessError as error:  # it fails where no cue at all is left
        if NOT_UTF8 not in error.stderr_tail:
            raise
        log = error.stderr_tail
    if NOT_UTF8 not in log:
        return
    encoding = isolated(
        toolbox,
        text_encoding,
        {"source": title.source, "stream": stream},
        name=title.source.path.name,
    )
    on_note(f"subtitle track {stream.index} is not UTF-8; taken as {encoding}")
    argv = subtitle_command(toolbox.ffmpeg, title, stream, path, encoding=encoding)
    toolbox.runner.run(argv, limits=limits)


NOT_UTF8 = "Invalid UTF-8 in decoded subtitles text"
"""ffmpeg's word for a cue that it drops."""
ENCODINGS = (
    "cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp932",
    "gb18030", "big5", "cp949",
)  # fmt: skip
"""What text that is not UTF-8 is usually in; names that Python and iconv share."""
USUAL_ENCODINGS = {
    language: encoding
    for encoding, languages in (
        ("cp1250", "ces cze hrv hun pol ron rum slk slo slv"),
        ("cp1251", "bel bul mac mkd rus srp ukr"),
        ("cp1252", "dan deu dut eng fin fra fre ger gle ice isl ita nld nor por spa swe"),
        ("cp1253", "ell gre"),
        ("cp1254", "tur"),
        ("cp1255", "heb"),
        ("cp1256", "ara fas per"),
        ("cp1257", "est lav lit"),
        ("cp932", "jpn"),
        ("cp949", "kor"),
    )
    for language in languages.split()
}
MAX_TEXT = 1 << 20


def text_encoding(source: Source, stream: SubtitleStream) -> str:
    """The encoding of a text track that is not UTF-8: its language's usual one, or a guess.

    Raises:
        SourceError: the file cannot be read.
    """
    import av.error
    from charset_normalizer import from_bytes

    data = b""
    try:
        with open_media(source.path, source) as container:
            for packet in container.demux(container.streams[stream.index]):
                data += bytes(packet) + b"\n"
                if len(data) > MAX_TEXT:
                    break
    except (av.error.FFmpegError, OSError) as error:
        raise SourceError(f"{source.path.name} cannot be read: {error}") from error
    usual = USUAL_ENCODINGS.get(stream.language)
    if usual is not None:
        return usual
    found = from_bytes(data, cp_isolation=list(ENCODINGS))
    best = found.best()
    if best is None:
        return ENCODINGS[0]
    # Short Western text is as good in others: the most usual one is taken unless it reads worse.
    western = [match for match in found if ENCODINGS[0] in match.could_be_from_charset]
    if western and western[0].chaos <= best.chaos + 0.05:
        return ENCODINGS[0]
    return best.encoding


def subtitle_command(
    program: str, title: Title, stream: SubtitleStream, path: Path, *, encoding: str | None = None
) -> list[str]:
    """The argv that converts a text track.

    Args:
        encoding: of its text; None for UTF-8.
    """
    options: dict[str, Any] = {"sub_charenc": encoding} if encoding is not None else {}
    source = commands.open_source(title.source, **options)
    output = source[str(stream.index)].output(f"file:{path}", f="webvtt", **{"c:s": "webvtt"})
    return commands.finish(program, output)


_PATH = re.compile(r"m( -?\d+(\.\d+)?){2}( ([mnlbspc]|-?\d+(\.\d+)?))*(?=\s|$)", re.IGNORECASE)
_MARKUP = re.compile(r"</?(?:[biu]|c|v|lang|ruby|rt)(?:[.\s][^<>]*)?>|<[\d:.]+>|&(?:#?\w+);")


def without_drawing(text: str) -> str:
    """A cue without the drawings of ASS (``m 0 0 l 100 0 …``), which are no text."""
    lines = (_PATH.sub("", line) if _PATH.match(line) else line for line in text.split("\n"))
    return "\n".join(line for line in lines if line.strip())


def escaped(text: str) -> str:
    """A cue whose ``&``, ``<`` and ``-->`` mean themselves, but for WebVTT's own markup."""
    parts, place = [], 0
    for match in _MARKUP.finditer(text):
        parts += [_plain(text[place : match.start()]), match[0]]
        place = match.end()
    return "".join([*parts, _plain(text[place:])])


def _plain(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("-->", "--&gt;")


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
