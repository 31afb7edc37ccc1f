from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pertitle import cli
from pertitle.clicks.database import FEATURES, Entry, Store
from pertitle.commands.arguments import options_of
from tools import render_cli

ROOT = Path(__file__).parents[2]


def test_the_options_reach_the_library() -> None:
    parsed = cli.build_parser().parse_args(
        "plan x.mp4 --codec av1 --heights 240,720 --top-vmaf 93 --max-probes 0 --display 3840x2160"
        " --max-kbps 4000".split()
    )
    options = options_of(parsed)
    assert options.encode.codecs == ("av1",)
    assert options.ladder.heights == (720, 240)
    assert options.ladder.max_probes == 0
    assert options.ladder.max_kbps == 4000
    assert options.encode.display.height == 2160


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ("plan x.mp4 --top-vmaf 30 --min-vmaf 60", "min-vmaf "),
        ("plan x.mp4 --min-ratio 4", "min-ratio "),
        ("plan x.mp4 --min-rungs 9 --max-rungs 3", "min-rungs "),
        ("plan x.mp4 --top-vmaf 101", "top-vmaf "),
        ("plan x.mp4 --min-kbps 500 --max-kbps 400", "min-kbps "),
        ("plan x.mp4 --quality-model x:path=model.json", "is not a name"),
        ("plan x.mp4 --preset medium:log", "is not a name"),
    ],
)
def test_contradictions_are_usage_errors(
    arguments: str, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(arguments.split()) == cli.EXIT_USAGE
    error = capsys.readouterr().err
    assert word in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        "plan x.mp4 --heights ten",
        "plan x.mp4 --display 1080p",
        "plan x.mp4 --max-probes -1",
        "thumbs x.mp4 -o out --spoiler-share 1",
        "thumbs x.mp4 -o out --thumbnail-shapes 4x3",
        "run x.mp4 -o out --thumbnail-formats gif",
        "run",
    ],
)
def test_unreadable_values_exit_with_2_and_one_line(
    arguments: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(arguments.split()) == cli.EXIT_USAGE
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        ("plan x.mp4 --top-vmf 3", "--top-vmf is an unknown argument; did you mean --top-vmaf?"),
        ("plan x.mp4 --top-vmf=3", "--top-vmf=3 is an unknown argument; did you mean --top-vmaf?"),
        ("rum x.mp4", "there is no command 'rum'; did you mean run?"),
        ("thumbs rank --store s --sed 3", "--sed is an unknown argument; did you mean --seed?"),
    ],
)
def test_a_mistyped_option_is_one_line_with_what_was_meant(
    arguments: str, meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(arguments.split()) == cli.EXIT_USAGE
    assert capsys.readouterr().err == f"pertitle: {meant}\n"


def test_a_missing_video_is_one_line_and_exit_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["analyze", "/no/such/film.mp4"]) == cli.EXIT_FAILED
    assert capsys.readouterr().err == "pertitle: cannot read film.mp4: No such file or directory\n"


def test_a_missing_ffmpeg_is_one_line_and_exit_3(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["plan", "x.mp4", "--ffmpeg", "/no/ffmpeg"]) == cli.EXIT_TOOL
    assert "no ffmpeg program at '/no/ffmpeg'" in capsys.readouterr().err


def test_doctor_finds_everything_and_writes_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doctor", "--json", "-"]) == cli.EXIT_OK
    checks = json.loads(capsys.readouterr().out)["checks"]
    assert {c["name"] for c in checks} >= {"ffmpeg", "H.264", "HEVC", "AV1", "VMAF"}
    assert all(c["ok"] for c in checks)


def test_importing_the_package_is_cheap_and_silent() -> None:
    script = (
        "import pertitle, sys; print([m for m in ('cv2', 'sklearn', 'av') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
    assert done.stderr == ""


def test_the_reference_in_the_docs_is_current() -> None:
    assert (ROOT / "docs/cli.md").read_text(encoding="utf-8") == render_cli.render(), (
        "run python -m tools.render_cli"
    )


def test_clicks_are_learned_and_ranked_from_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = str(tmp_path / "clicks.sqlite")
    rows = ["2026-01-05T10:00:00Z,new,1,a,0.5,1"] * 2 + ["1980-01-01,new,1,b,0.5,0", "?,new,1,c,,"]
    text = "\n".join(["time,title,thumbnail,viewer,propensity,reward", *rows])
    (tmp_path / "events.csv").write_text(text)
    assert cli.main(["thumbs", "learn", str(tmp_path / "events.csv"), "--store", store]) == 0
    cells = [line.split("│") for line in capsys.readouterr().out.splitlines() if "│" in line]
    counts = {cell[1].strip(): int(cell[2]) for cell in cells}
    assert counts == {
        "read": 4, "new": 2, "duplicate": 1, "malformed": 1, "new but late": 0,
        "new, skewed clock": 1, "new, unknown picture": 2, "set aside as bots": 0,
        "learned from": 0,
    }  # fmt: skip
    with Store(Path(store)) as opened:
        opened.register("new", [Entry(n, (n,), (0.5,) * len(FEATURES)) for n in ("1", "[2]")])
    log = tmp_path / "log.csv"
    log.write_text("\n".join(["time,title,thumbnail,viewer,propensity,reward"] + [
        f"2026-02-{1 + i % 28:02d},new,{'[2]' if i % 2 else 1},v{i},0.5,{i % 2}" for i in range(400)
    ]))  # fmt: skip
    assert cli.main(["thumbs", "learn", str(log), "--store", store, "-q"]) == 0
    capsys.readouterr()
    assert cli.main(["thumbs", "rank", "--store", store]) == 0
    assert [r.split("│")[1].strip() for r in capsys.readouterr().out.splitlines() if "│" in r] == [
        "[2]", "1",
    ]  # fmt: skip
    assert cli.main(["thumbs", "test", "new", "--store", store]) == 0
    assert capsys.readouterr().out.startswith("winner: [2] beats every other candidate")
    assert cli.main(["thumbs", "evaluate", str(log), "--store", store]) == 0
    assert "100% of them learned from" in capsys.readouterr().out.replace("\n", " ")
    assert cli.main(["thumbs", "rank", "no-such-title", "--store", store]) == cli.EXIT_USAGE
    assert "no-such-title" in capsys.readouterr().err
    assert cli.main(["thumbs", "rank", "--store", store, "--context", "drama"]) == cli.EXIT_USAGE
    capsys.readouterr()
    assert cli.main(["thumbs", "rank", "--store", store, "--context", "mood=calm"]) == 2
    assert capsys.readouterr().err == "pertitle: the store has no events where mood=calm\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_completion_scripts_know_commands_and_options(
    shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["completion", shell]) == cli.EXIT_OK
    script = capsys.readouterr().out
    assert "analyze" in script
    assert "top-vmaf" in script
    if shell == "bash":
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)


def test_the_version_tells_those_of_ffmpeg_and_libvmaf(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["--version"])
    assert caught.value.code == 0
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert names == ["pertitle", "ffmpeg", "libvmaf"]


def test_no_command_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == cli.EXIT_USAGE
    assert "pertitle run films/ -o out" in capsys.readouterr().err
