"""The pages of an output folder: all that is delivered there, whichever run delivered it."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from pertitle.errors import ModelError
from pertitle.options import Options
from pertitle.report.batch import write_batch_report
from pertitle.results import RESULT_VERSION, BatchResult, TitleFailure, TitleResult
from pertitle.serial import from_json, read_json, to_json, write_json
from pertitle.storage.bucket import Store
from pertitle.storage.published import without_folders
from pertitle.storage.workspace import PAGES, Earlier, Workspace, pages_of


def write_pages(result: BatchResult, options: Options, store: Store | None) -> None:
    """Write ``index.html`` and ``batch.json`` of what this run and earlier ones left.

    Raises:
        FolderError: another run held the pages for minutes.
        StoreError: they cannot be uploaded.
    """
    out = result.out
    with pages_of(out):
        known = store.told() if store is not None else _told(out)
        delivered = _here(out) if store is None else _delivered(known)
        whole = merged(result, delivered, _failed(known))
        if not options.machine_paths:
            folders = [failure.path.parent for failure in whole.failures]
            folders += [title.plan.analysis.source.path.parent for title in whole.titles]
            data: Any = without_folders(
                to_json(replace(whole, out=Path(out.name))), [out, *folders]
            )
            whole = replace(from_json(BatchResult, data), out=out)
        else:
            data = to_json(whole)
        with store.pictures(whole) if store else nullcontext():
            write_batch_report(whole, out / PAGES[0])
        write_json(out / PAGES[1], {"version": RESULT_VERSION, **data})
        if store is not None:
            store.put_pages(out, PAGES)


def merged(
    result: BatchResult, delivered: Iterable[TitleResult], failed: Iterable[TitleFailure]
) -> BatchResult:
    """A run's result with the titles of other runs, in the order of their names.

    ``seconds`` is what the run took and what the others' titles took.
    """
    own = {title.name for title in result.titles} | {lost.name for lost in result.failures}
    others = {title.name: title for title in delivered if title.name not in own}
    done = own | others.keys()
    lost = [failure for failure in failed if failure.name not in done]
    return replace(
        result,
        titles=tuple(sorted((*result.titles, *others.values()), key=lambda t: t.name.casefold()))
        if others
        else result.titles,
        failures=(*result.failures, *lost),
        seconds=result.seconds + sum(sum(t.seconds.values()) for t in others.values()),
    )


def _here(out: Path) -> list[TitleResult]:
    """What lies delivered in the titles' folders."""
    folders = sorted(path for path in out.iterdir() if path.is_dir() and not path.is_symlink())
    found = (Workspace(folder).earlier() for folder in folders if folder.name[0] != ".")
    return [earlier.result for earlier in found if earlier is not None]


def _told(out: Path) -> Any:
    try:
        return read_json(out / PAGES[1])
    except ModelError:
        return None


def _delivered(told: Any) -> list[TitleResult]:
    """The titles that an earlier ``batch.json`` tells of; what is no title is left out."""
    found = []
    for one in _listed(told, "titles"):
        try:
            record = {**one, "inputs": {}}
            earlier = Earlier.of(record, str(one["name"]))
        except (ModelError, TypeError, KeyError):
            continue
        if earlier is not None and Path(earlier.result.name).name == earlier.result.name:
            found.append(earlier.result)
    return found


def _failed(told: Any) -> list[TitleFailure]:
    found = []
    for one in _listed(told, "failures"):
        try:
            found.append(from_json(TitleFailure, one))
        except ModelError:
            continue
    return found


def _listed(told: Any, name: str) -> list[Any]:
    listed = told.get(name) if isinstance(told, dict) else None
    return listed if isinstance(listed, list) else []
