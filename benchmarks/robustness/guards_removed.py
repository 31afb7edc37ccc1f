"""Every guard against untrusted input, taken away: does its test notice?

::

    python -m benchmarks.robustness.guards_removed
    python -m benchmarks.robustness.guards_removed --only memory

Works on a copy of the package and its tests. Each guard is code and what takes its place;
a test that still passes without its guard, or fails with all of them in place, ends the script
with exit code 1. A test that hangs without its guard (waiting for a pipe) counts as failing.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
HANGS_AFTER = 90.0
ATTACKS = "tests/attacks/test_attacks.py"


@dataclass(frozen=True)
class Guard:
    """A guard: where it is, what replaces it, and the tests that must fail then.

    Attributes:
        tests: of ``tests/attacks/test_attacks.py``, unless they name another file.
    """

    name: str
    file: str
    code: str
    without: str
    tests: tuple[str, ...]

    @property
    def nodes(self) -> list[str]:
        return [test if "::" in test else f"{ATTACKS}::{test}" for test in self.tests]


FORGED = ("test_a_forged_plan_is_refused",)
GUARDS = (
    Guard("decoding in a child process", "system/isolation.py",
          "    hints = typing.get_type_hints(function)\n    with",
          "    return function(**arguments)\n    with",
          ("test_no_decoder_runs_in_the_callers_process",)),
    Guard("a crash is one line", "system/isolation.py", "if error.returncode < 0:", "if False:",
          ("test_a_crashing_decoder_is_one_line",)),
    Guard("results are validated", "system/isolation.py",
          'from_json(hints["return"], answer["result"])', 'answer["result"]',
          ("test_what_a_taken_over_decoder_answers_is_validated",)),
    Guard("errors are pertitle's own", "system/isolation.py",
          "_KNOWN.get(str(answer[\"error\"]), SourceError)(message)", "Exception(message)",
          ("test_what_a_taken_over_decoder_answers_is_validated",)),
    Guard("children run this package alone", "system/isolation.py",
          'if not module.startswith("pertitle."):', "if False:",
          ("test_a_child_can_only_be_sent_to_functions_of_this_package",)),
    Guard("bounds of analysis", "system/isolation.py",
          "memory_bytes=memory, ", "",
          ("test_every_decoder_in_python_is_bounded",)),
    Guard("bounded files of analysis", "system/isolation.py",
          "toolbox.limits(seconds, file_bytes=FILE_BYTES)", "toolbox.limits(seconds)",
          ("test_every_decoder_in_python_is_bounded",)),
    Guard("memory limit", "system/launcher.py", "    _bound(resource.RLIMIT_DATA, memory)\n", "",
          ("test_a_decoder_that_wants_too_much_memory_is_one_line",
           "tests/system/test_process.py::test_a_child_over_its_memory_limit_fails")),
    Guard("file size limit", "system/launcher.py", "    _bound(resource.RLIMIT_FSIZE, file)\n", "",
          ("tests/system/test_process.py::test_a_child_cannot_write_more_than_its_limit",)),
    Guard("no core dumps", "system/launcher.py",
          "    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))", "    pass",
          ("tests/system/test_process.py::test_a_child_leaves_no_core_dump_and_no_ctrl_c_reaches_it",)),
    Guard("time limit", "system/process.py", "if limits.seconds is not None:", "if False:",
          ("test_a_decoder_that_does_not_end_is_ended",
           "tests/system/test_process.py::test_a_child_that_outlives_its_limit_is_killed")),
    Guard("children die with the run", "system/launcher.py", "    _die_with(parent)\n", "",
          ("tests/system/test_process.py::test_children_die_with_a_killed_parent",)),
    Guard("huge pictures, from the header", "analysis/probe.py",
          "    _check_size(path, stream)\n", "",
          ("test_huge_pictures_are_refused_before_decoding",)),
    Guard("huge pictures, behind a small header", "analysis/probe.py",
          "    _check_size(path, first)\n", "",
          ("test_a_huge_picture_behind_a_small_header_is_refused",)),
    Guard("huge pictures, in mid-stream", "encoder/commands.py",
          ', "max_pixels": str(MAX_PIXELS)', "",
          ("test_ffmpeg_refuses_huge_pictures_in_mid_stream",)),
    Guard("endless titles, by length", "analysis/probe.py", "if duration > MAX_SECONDS:",
          "if False:", ("test_a_title_of_years_is_refused",)),
    Guard("endless titles, by pictures", "encoder/renditions.py",
          "if int(value) > 2 * total + ENDLESS_FRAMES:", "if False:",
          ("test_a_title_that_goes_on_after_its_end_is_stopped",)),
    Guard("list of containers", "system/sources.py",
          ', "format_whitelist": ",".join(CONTAINERS)', "",
          ("test_a_playlist_reaches_no_other_file", "test_all_who_open_a_source_are_bound")),
    Guard("one demuxer for ffmpeg", "encoder/commands.py",
          "open_input(source.path, window, f=demuxer_of(source), **options)",
          "open_input(source.path, window, **options)",
          ("test_a_playlist_reaches_no_other_file",)),
    Guard("demuxers of containers alone", "system/sources.py", "if name not in CONTAINERS:",
          "if False:", ("test_a_record_cannot_choose_the_demuxer",)),
    Guard("no network for ffmpeg", "encoder/commands.py", '"protocol_whitelist": PROTOCOLS, ', "",
          ("test_a_network_address_inside_or_as_a_source_is_not_opened",)),
    Guard("no network for who reads with PyAV", "system/sources.py",
          '"protocol_whitelist": PROTOCOLS, "format', '"format',
          ("test_all_who_open_a_source_are_bound",)),
    Guard("pipes and devices, digest", "storage/workspace.py", "if not S_ISREG(stat.st_mode):",
          "if False:", ("test_pipes_and_devices_are_not_waited_for",)),
    Guard("pipes and devices, analysis", "analysis/probe.py", "if not path.is_file():",
          "if False:", ("test_pipes_and_devices_are_not_waited_for",)),
    Guard("modules beside the videos", "system/isolation.py", 'sys.executable, "-P", "-c"',
          'sys.executable, "-c"', ("test_modules_among_the_videos_are_not_imported",)),
    Guard("folder names", "storage/inputs.py", "    encoded = text.encode",
          "    text = stem\n    encoded = text.encode",
          ("test_links_and_names_lead_nowhere_else",
           "tests/storage/test_inputs.py::test_folder_names_are_safe_and_readable")),
    Guard("text of errors", "errors.py", "return printable(super().__str__())",
          "return super().__str__()", ("test_names_cannot_command_the_terminal",)),
    Guard("text of events", "terminal/text.py", "markup.escape(printable(text))", "text",
          ("test_text_from_outside_is_only_text_on_the_terminal",)),
    Guard("text of pages", "report/markup.py",
          'Markup(escape(_UNWANTED.sub("\\ufffd", str(value)), quote=True))', "Markup(str(value))",
          ("tests/report/test_title.py::test_hostile_texts_are_shown_and_never_run",
           "tests/report/test_batch.py::test_hostile_names_stay_text")),
    Guard("text of playlists", "encoder/package/packaging.py",
          """re.sub(r'[\\s\\x00-\\x1f\\x7f",=]+', " ", text).strip() or "Audio\"""", "text",
          ("tests/encoder/package/test_manifests.py::"
           "test_names_cannot_break_out_of_the_packagers_descriptor",)),
    Guard("links", "storage/inputs.py",
          "if path.is_symlink() and not _inside(path, root):", "if False:",
          ("test_links_and_names_lead_nowhere_else",)),
    Guard("plans: words of commands", "storage/plan_file.py",
          "if word is not None and not _WORD.fullmatch(word):", "if False:", FORGED),
    Guard("plans: demuxer", "storage/plan_file.py",
          "    demuxer_of(analysis.source)\n", "", FORGED),
    Guard("plans: picture sizes", "storage/plan_file.py",
          "if not (2 <= size.width <= MAX_SIDE and 2 <= size.height <= MAX_SIDE):", "if False:",
          FORGED),
    Guard("plans: numbers", "storage/plan_file.py",
          "if not low <= value <= high:", "if False:", FORGED),
    Guard("plans: codecs", "storage/plan_file.py",
          "if ladder.codec not in CODECS:", "if False:", FORGED),
    Guard("plans: rungs", "storage/plan_file.py",
          "if not (sane and rung.width % 2 == 0", "if not (True",
          FORGED),
    Guard("records: paths", "serial.py", 'if "\\0" in text:', "if False:", FORGED),
    Guard("records: finite numbers", "serial.py",
          "if isinstance(data, bool) or not math.isfinite(number):", "if False:",
          ("tests/test_serial.py::test_a_damaged_record_is_refused_with_its_place",)),
    Guard("models run nothing", "ladder/model_file.py",
          'archive.read(f"{name}.npy")), allow_pickle=False', 'archive.read(f"{name}.npy")), '
          "allow_pickle=True", ("test_nothing_in_a_model_runs",)),
    Guard("learned rankings run nothing", "clicks/bandit.py",
          "np.load(io.BytesIO(data), allow_pickle=False)",
          "np.load(io.BytesIO(data), allow_pickle=True)", ("test_nothing_in_a_model_runs",)),
    Guard("the decoder's cell", "system/isolation.py",
          "    cell.enter([folder, *(Path(name) for name in request[\"writes\"])])\n", "",
          ("tests/attacks/test_doors.py::test_decoding_happens_in_the_cell",)),
    Guard("folders of others", "storage/workspace.py",
          "if not force and not made_here(folder):", "if False:",
          ("tests/attacks/test_doors.py::test_a_folder_of_somebody_else_is_left_alone",)),
    Guard("links as folders", "storage/workspace.py",
          "    if folder.is_symlink():", "    if False:",
          ("tests/attacks/test_doors.py::test_nothing_is_removed_or_written_through_links",)),
    Guard("a source replaced", "delivery/title.py",
          "if (_state(given_title), _fingerprint(given_title, work)) != (state, source):",
          "if False:",
          ("tests/attacks/test_doors.py::test_a_source_replaced_in_mid_run_is_not_delivered",)),
    Guard("fractions", "serial.py",
          "        if not _FRACTION.fullmatch(text):", "        if False:",
          ("tests/attacks/test_doors.py::test_numbers_of_no_use_are_refused_at_once",)),
    Guard("children of scripts", "system/launcher.py",
          "        _leave_guard()\n", "        pass\n",
          ("tests/attacks/test_doors.py::test_what_a_wrapper_started_ends_with_a_killed_run",)),
    Guard("no secrets for decoders", "system/isolation.py",
          ", variables=_VARIABLES", "",
          ("tests/attacks/test_doors.py::test_children_see_no_secrets",)),
)  # fmt: skip


def passes(copy: Path, nodes: list[str]) -> bool:
    """Whether tests pass in a copy of the project."""
    argv = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *nodes]
    environment = {**os.environ, "PYTHONPATH": str(copy)}
    child = subprocess.Popen(
        argv, cwd=copy, env=environment, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        code = child.wait(HANGS_AFTER if len(nodes) == 1 else None)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, 9)
        child.wait()
        return False
    if code not in (0, 1):  # a test that is not there proves nothing
        raise SystemExit(f"pytest ended with {code}: {' '.join(nodes)}")
    return code == 0


def main() -> int:
    parser = argparse.ArgumentParser(description="Do tests notice that their guard is gone?")
    parser.add_argument("--only", default="", help="guards whose name holds this text")
    only = parser.parse_args().only
    guards = [guard for guard in GUARDS if only in guard.name]
    blind = 0
    with tempfile.TemporaryDirectory(prefix="pertitle-guards-") as folder:
        copy = Path(folder)
        for name in ("pertitle", "tests"):
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", copy)
        if not passes(copy, sorted({node for guard in guards for node in guard.nodes})):
            print("a test fails with all guards in place")
            return 1
        print("| guard | test | without the guard |\n|---|---|---|")
        for guard in guards:
            file = copy / "pertitle" / guard.file
            whole = file.read_text(encoding="utf-8")
            if whole.count(guard.code) != 1:
                raise SystemExit(f"{guard.name}: its code is not in {guard.file} once")
            file.write_text(whole.replace(guard.code, guard.without), encoding="utf-8")
            for node in guard.nodes:
                blind += (missed := passes(copy, [node]))
                told = "**passes**" if missed else "fails"
                print(f"| {guard.name} | `{node.rpartition('::')[2]}` | {told} |", flush=True)
            file.write_text(whole, encoding="utf-8")
    print(f"{len(guards)} guards, {blind} tests did not notice")
    return 1 if blind else 0


if __name__ == "__main__":
    sys.exit(main())
