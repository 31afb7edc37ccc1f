"""Writes docs/cli.md from the command line itself: ``python -m tools.render_cli``."""

from __future__ import annotations

import argparse
from pathlib import Path

from pertitle.cli import build_parser
from pertitle.commands.parser import Formatter

WIDTH = 88


def render() -> str:
    """The reference as Markdown; help texts at a fixed width, so that it is the same anywhere."""
    parser = build_parser()
    parts = ["# Command line\n", "Written by `python -m tools.render_cli`.\n", _block(parser)]
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, command in action.choices.items():
                parts += [f"## pertitle {name}\n", _block(command)]
                parts += _nested(command, name)
    return "\n".join(parts)


def _nested(command: argparse.ArgumentParser, name: str) -> list[str]:
    parts = []
    for action in command._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner, parser in action.choices.items():
                parts += [f"### pertitle {name} {inner}\n", _block(parser)]
    return parts


def _block(parser: argparse.ArgumentParser) -> str:
    parser.formatter_class = lambda prog: Formatter(prog, width=WIDTH)
    return f"```text\n{parser.format_help().rstrip()}\n```\n"


if __name__ == "__main__":
    Path(__file__).parents[1].joinpath("docs", "cli.md").write_text(render(), encoding="utf-8")
