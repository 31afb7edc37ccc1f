"""The command line: parse, call the library, draw its events, set the exit code.

Exit codes: 0 all well; 1 at least one title failed, or output was lost; 2 wrong usage; 3 a program
is missing or lacks a capability; 130 interrupted.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from pertitle.commands import (
    analyze,
    cache,
    clicks,
    compare,
    completion,
    corpus,
    doctor,
    encode,
    evaluate,
    plan,
    run,
    status,
    thumbs,
    train,
)
from pertitle.commands.clicks import joined
from pertitle.commands.parser import (
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_OK,
    EXIT_TOOL,
    EXIT_USAGE,
    Parser,
)
from pertitle.commands.settings import Settings, parsed
from pertitle.errors import Cancelled, PertitleError, ToolError, UsageError
from pertitle.terminal.outlet import outlets
from pertitle.version import __version__

__all__ = [
    "EXIT_FAILED",
    "EXIT_INTERRUPTED",
    "EXIT_OK",
    "EXIT_TOOL",
    "EXIT_USAGE",
    "build_parser",
    "main",
]

COMMANDS = (
    run, analyze, plan, encode, thumbs, clicks, corpus, train, evaluate, compare, status, cache,
    doctor,
)  # fmt: skip
"""A module a command: ``add`` tells its options to the parser, ``run`` does it."""
ABOUT = """
Content-aware per-title encoding: every video gets its own adaptive ladder, verified, packaged
for HLS and DASH, with thumbnails and a report.
"""
MORE = """
examples:
  pertitle run films/ -o out            deliver a folder; run it again to continue
  pertitle plan film.mp4                see the ladder, deliver nothing
  pertitle run film.mp4 -o out --use draft
  pertitle COMMAND --help               all about one command

settings: what is not on the command line is taken from the environment (--top-vmaf is
PERTITLE_TOP_VMAF), then from pertitle.toml in the working folder or the file of --config, then
from the preset named with --use, then from the defaults. The file holds options by their names
(top-vmaf = 93), for all commands or below [run], [plan], ... for one; [presets.NAME] makes a
preset. A file that is not named with --config (or PERTITLE_CONFIG) cannot say what is run, read or
written (ffmpeg, model, out, json, ...).

environment:
  PERTITLE_FFMPEG   another ffmpeg than the bundled one
  PERTITLE_CACHE    folder of measurements kept between runs
  NO_COLOR          no colours

exit codes: 0 all well, 1 a title failed or output was lost, 2 wrong usage, 3 a program is missing
or lacks a capability, 130 interrupted.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    with outlets() as both:
        code = _main(list(sys.argv[1:] if argv is None else argv))
    return EXIT_FAILED if code == EXIT_OK and any(outlet.lost for outlet in both) else code


def _main(typed: list[str]) -> int:
    try:
        words = joined(typed)
        parser = build_parser()
        if not words:
            parser.print_help(sys.stderr)
            return EXIT_USAGE
        settings = Settings.found(parser, words)
        arguments = settings.fill(parsed(parser, words))
        return int(arguments.handler(arguments))
    except UsageError as error:
        return _complain(error, EXIT_USAGE)
    except ToolError as error:
        return _complain(error, EXIT_TOOL)
    except Cancelled:
        return EXIT_INTERRUPTED
    except PertitleError as error:
        return _complain(error, EXIT_FAILED)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def _complain(error: Exception, code: int) -> int:
    print(f"pertitle: {error}", file=sys.stderr)
    return code


def build_parser(*, two_words: bool = True) -> argparse.ArgumentParser:
    """The whole command line; docs/cli.md is generated from it.

    Args:
        two_words: with the commands that are two words, such as ``thumbs learn``.
    """
    parser = Parser(prog="pertitle", description=ABOUT, epilog=MORE)
    parser.add_argument("-V", "--version", action=_Version)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        if two_words or command is not clicks:
            command.add(commands)
    completion.add(commands, build_parser)
    return parser


class _Version(argparse.Action):
    """Print the versions of pertitle, ffmpeg and libvmaf; asked only when wanted."""

    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help="print versions and exit")

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from pertitle.system.tools import find_toolbox

        lines = [f"pertitle {__version__}"]
        try:
            toolbox = find_toolbox()
            lines += [f"ffmpeg {toolbox.version}", f"libvmaf {toolbox.libvmaf}"]
        except PertitleError as error:
            lines.append(str(error))
        print("\n".join(lines))
        parser.exit(EXIT_OK)


if __name__ == "__main__":
    sys.exit(main())
