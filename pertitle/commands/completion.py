"""``pertitle completion``: a script that completes commands and options in a shell."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from pertitle.commands.parser import EXIT_OK, examples


def add(commands: Any, build_parser: Callable[..., argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "completion",
        help="print a completion script for a shell",
        description="Print a script that completes commands, options and files in a shell.",
        epilog=examples(
            "pertitle completion bash > ~/.local/share/bash-completion/completions/pertitle",
            'pertitle completion zsh > "${fpath[1]}/_pertitle"',
        ),
    )
    parser.add_argument(
        "shell", choices=("bash", "zsh", "tcsh"), metavar="SHELL", help="bash, zsh or tcsh"
    )
    parser.set_defaults(handler=run, parser=build_parser)


def run(arguments: argparse.Namespace) -> int:
    import shtab

    # A command of two words is no word that a shell can complete.
    print(shtab.complete(arguments.parser(two_words=False), arguments.shell))
    return EXIT_OK
