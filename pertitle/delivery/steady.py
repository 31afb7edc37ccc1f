"""Sources whose clock jumps are copied once into a container with an even one.

All that follows, analysis as well as encodes, then reads the same times. Packets are copied, not
encoded again; the copy takes as much room as the source while its title is in work.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from pertitle.analysis.clock import runs_evenly
from pertitle.encoder.commands import steady_copy
from pertitle.errors import ProcessError, SourceError
from pertitle.records import Analysis
from pertitle.system.isolation import isolated
from pertitle.system.tools import Toolbox

SYNC, PACKET = 0x47, 188
"""First byte and length of the packets of a transport stream (ISO/IEC 13818-1, 2.4.3.2)."""
PACK = b"\x00\x00\x01\xba"
"""Start of a pack of a program stream (2.5.3.3)."""


def has_own_clock(path: Path) -> bool:
    """Whether a file looks like a transport or program stream: the others have one clock a file."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            head = file.read(5 * 192)
    except OSError:
        return False
    steps = (PACKET, PACKET + 4, PACKET + 16)
    packets = any(
        len(head) > start + 4 * step and all(head[start + i * step] == SYNC for i in range(4))
        for step in steps
        for start in (0, 4)
    )
    return packets or head.startswith(PACK)


def copied_evenly(path: Path, folder: Path, toolbox: Toolbox) -> Path | None:
    """A copy with an even clock in ``folder``; None for a source that needs none.

    Raises:
        SourceError: it cannot be copied.
        ProcessError: ffmpeg was ended.
    """
    if not has_own_clock(path):
        return None
    try:
        if isolated(toolbox, runs_evenly, {"path": path.absolute()}, name=path.name):
            return None
    except SourceError:
        return None  # the analysis will say what is wrong with it
    target = folder / "even.mkv"
    limits = toolbox.limits(toolbox.seconds_for(0.0))
    try:
        toolbox.runner.run(steady_copy(toolbox.ffmpeg, path, target), limits=limits)
    except ProcessError as error:
        if error.returncode < 0:
            raise
        # Not every kind of subtitle has a place in the copy.
        argv = steady_copy(toolbox.ffmpeg, path, target, subtitles=False)
        toolbox.runner.run(argv, limits=limits)
    return target


def under_its_name(analysis: Analysis, path: Path) -> Analysis:
    """The analysis of a copy as that of the file it was made of."""
    source = replace(analysis.source, path=path.absolute(), bytes=path.stat().st_size)
    return replace(analysis, source=source)


@contextmanager
def even(path: Path, toolbox: Toolbox) -> Iterator[Path]:
    """The source, or for a while a copy of it whose clock is even."""
    with TemporaryDirectory(prefix="pertitle-") as name:
        yield copied_evenly(path, Path(name), toolbox) or path
