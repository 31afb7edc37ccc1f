"""Where options come from: command line, environment, pertitle.toml, presets, defaults."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from importlib import resources
from pathlib import Path

import pytest

from pertitle import cli
from pertitle.commands.arguments import options_of
from pertitle.commands.output_arguments import outputs_of
from pertitle.commands.settings import _HARMLESS, Settings, _scopes
from pertitle.errors import UsageError
from pertitle.options import Options, PictureOptions
from pertitle.profiles import profile


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def settled(line: str, environment: dict[str, str] | None = None) -> Options:
    parser, words = cli.build_parser(), line.split()
    settings = Settings.found(parser, words, environment or {})
    arguments = settings.fill(parser.parse_args(words))
    outputs = outputs_of(arguments) if words[0] == "run" else {}
    return replace(options_of(arguments), **outputs)


def test_each_source_gives_way_to_the_one_before_it(folder: Path) -> None:
    assert settled("plan x.mp4").ladder.top_vmaf == 95
    assert settled("plan x.mp4 --use premium").ladder.top_vmaf == 97
    Path("pertitle.toml").write_text(
        'use = "mine"\ntop-vmaf = 93\n[plan]\ntop-vmaf = 92\n'
        "[presets.mine]\ntop-vmaf = 91\nvmaf-step = 5\n"
    )
    assert settled("plan x.mp4").ladder.top_vmaf == 92, "the command's table"
    assert settled("run x.mp4 -o out").ladder.top_vmaf == 93, "the top of the file"
    assert settled("plan x.mp4").ladder.vmaf_step == 5, "the preset the file names"
    assert settled("plan x.mp4 --use premium").ladder.vmaf_step == 4
    assert settled("plan x.mp4", {"PERTITLE_TOP_VMAF": "90"}).ladder.top_vmaf == 90
    typed = settled("plan x.mp4 --top-vmaf 89", {"PERTITLE_TOP_VMAF": "90"})
    assert typed.ladder.top_vmaf == 89


def test_all_kinds_of_values_are_read_as_if_typed() -> None:
    Path("own.toml").write_text(
        "heights = [240, 720]\nno-cache = true\nmin-kbps = 100.5\nthumbnails = 2\n"
        'thumbnail-formats = ["avif", "jpg"]\nspoiler-share = 0.2\n'
        'display = "1280x720"\nmodel = "m.npz"\n[run]\nout = "delivered"\n'
    )
    options = settled("run x.mp4 --config own.toml")
    assert options.ladder.heights == (720, 240)
    assert options.ladder.min_kbps == 100.5
    assert (options.cache, options.thumbnails, options.model) == (False, 2, Path("m.npz"))
    assert options.pictures == PictureOptions(formats=("avif", "jpg"), spoiler_share=0.2)
    assert options.encode.display.width == 1280
    again = settled("run x.mp4 --config own.toml", {"PERTITLE_NO_CACHE": "0"})
    assert again.cache


GUARDED = {
    "ffmpeg": "./helper.sh", "events": "e", "json": "j", "out": "o", "model": "m.npz",
    "preview": "hls.js", "scratch": "s", "scheduler": "tcp://x:1", "force": True, "source": "x",
    "store": "s", "machine-paths": True, "features": "f", "plots": "p", "audience": "viewers.csv",
}  # fmt: skip


@pytest.mark.parametrize("place", ["", "[run]\n", "[presets.a]\n"])
@pytest.mark.parametrize("key", ["ffmpeg", "events", "json", "out", "model", "scheduler", "force"])
def test_a_file_that_nobody_named_runs_writes_and_reaches_nothing(
    key: str, place: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    helper = Path("helper.sh")
    helper.write_text("#!/bin/sh\ntouch ran\n")
    helper.chmod(0o755)
    value = "true" if GUARDED[key] is True else f'"{GUARDED[key]}"'
    Path("pertitle.toml").write_text(f"{place}{key} = {value}\n")
    before = set(folder.iterdir())
    for line in (["plan", "x.mp4"], ["doctor"], ["run", "x.mp4", "-o", "out"]):
        assert cli.main(line) == cli.EXIT_USAGE
        error = capsys.readouterr().err
        assert f"{key} is only taken from a file that is named" in error
        assert error.count("\n") == 1
    assert set(folder.iterdir()) == before
    settled("run x.mp4 -o out --config pertitle.toml")
    settled("run x.mp4 -o out", {"PERTITLE_CONFIG": "pertitle.toml"})


def test_an_audience_from_a_file_is_only_read_if_the_settings_were_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("pertitle.toml").write_text(f'audience = "{GUARDED["audience"]}"')
    assert cli.main(["plan", "x.mp4"]) == cli.EXIT_USAGE
    assert "audience is only taken from a file that is named" in capsys.readouterr().err
    with pytest.raises(UsageError, match=r"cannot read the audience viewers\.csv"):
        settled("plan x.mp4 --config pertitle.toml")


def test_every_option_is_either_harmless_in_any_file_or_guarded() -> None:
    options = {name for known in dict(_scopes(cli.build_parser())).values() for name in known}
    assert options - _HARMLESS - {"config"} == GUARDED.keys()
    assert options >= _HARMLESS


def test_options_given_several_times_are_replaced_and_not_added_to() -> None:
    Path("pertitle.toml").write_text('["corpus measure"]\ncodec = ["h264", "av1"]\n')
    parser = cli.build_parser()
    for line, codecs in (("", ["h264", "av1"]), (" --codec hevc", ["hevc"])):
        words = f"corpus measure clips -o t.csv{line}".split()
        settings = Settings.found(parser, words, {})
        assert settings.fill(parser.parse_args(words)).codec == codecs


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("top-vmf = 3", "pertitle.toml: top-vmf is an unknown key; did you mean top-vmaf?"),
        ("[run]\nshots = 1", "pertitle.toml: run.shots is an unknown key"),
        ("[rum]\n", "pertitle.toml: rum is an unknown table; did you mean run?"),
        ("[presets.a]\ntop = 1", "pertitle.toml: presets.a.top is an unknown key"),
        ("[presets]\na = 1", "pertitle.toml: presets.a is not a table of options"),
        ('top-vmaf = "high"', "pertitle.toml: top-vmaf: 'high' is not a number"),
        ("[plan]\nmax-rungs = 0",
         "pertitle.toml: plan.max-rungs: 0 is not a whole number of at least 1"),
        ('heights = ["ten"]', "pertitle.toml: heights: 'ten' is not a list such as 1080,720,540"),
        ("no-cache = 3", "pertitle.toml: no-cache: 3 is not true or false"),
        ("top-vmaf = true", "pertitle.toml: top-vmaf: True is not a value of this option"),
        ('use = "x"', "there is no preset 'x'; there are apple, draft, lean, premium"),
        ("a = ", "pertitle.toml is not valid TOML: "),
    ],
)  # fmt: skip
def test_a_mistake_in_the_file_is_one_line_with_its_place(
    text: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("pertitle.toml").write_text(text)
    assert cli.main(["plan", "x.mp4"]) == cli.EXIT_USAGE
    error = capsys.readouterr().err
    assert error.startswith(f"pertitle: {message}")
    assert error.count("\n") == 1


def test_a_mistake_in_the_environment_names_the_variable() -> None:
    with pytest.raises(UsageError, match=r"^PERTITLE_MAX_RUNGS: 'many' is not a whole number$"):
        settled("plan x.mp4", {"PERTITLE_MAX_RUNGS": "many"})
    with pytest.raises(UsageError, match=r"cannot read no\.toml: No such file"):
        settled("plan x.mp4", {"PERTITLE_CONFIG": "no.toml"})


def test_the_shipped_presets_are_usable_and_differ() -> None:
    text = resources.files("pertitle").joinpath("presets.toml").read_text(encoding="utf-8")
    names = tomllib.loads(text)["presets"]
    assert set(names) == {"apple", "draft", "lean", "premium"}
    assert len({repr(settled(f"run x.mp4 -o out --use {name}")) for name in names}) == 4


@pytest.mark.parametrize("name", ["mobile", "web", "tv", "uhd"])
def test_a_profile_is_the_same_in_the_library_and_options_go_before_it(name: str) -> None:
    wanted = profile(name)
    options = settled(f"plan x.mp4 --profile {name}")
    assert (options.ladder, options.encode) == (wanted.ladder, wanted.encode)
    assert options != settled("plan x.mp4")
    typed = settled(f"plan x.mp4 --profile {name} --max-kbps 777 --codec av1 --use lean")
    assert typed.ladder.max_kbps == 777
    assert typed.encode.codecs == ("av1",)
    assert typed.ladder.top_vmaf == 90, "the preset's, not the profile's"
    assert typed.ladder.max_height == wanted.ladder.max_height


def test_an_unknown_profile_is_refused() -> None:
    with pytest.raises(UsageError, match="'watch'; there are mobile, tv, uhd, web"):
        settled("plan x.mp4 --profile watch")


def test_an_audience_is_named_in_the_file_too_and_an_unknown_one_refused() -> None:
    Path("pertitle.toml").write_text('audience = "mobile"')
    (viewers,) = settled("plan x.mp4").ladder.audience
    assert viewers.name == "mobile"
    with pytest.raises(UsageError, match="an audience is mobile, fixed, mixed"):
        settled("plan x.mp4 --audience everyone")
