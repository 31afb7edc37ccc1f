"""Delivering one title: what an earlier run finished is kept, the rest is made."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pertitle import events, words
from pertitle.delivery.assembly import Delivery, deliver
from pertitle.delivery.job import Recorder, Work
from pertitle.delivery.planning import plan_in, thumbnail_arguments
from pertitle.delivery.steady import copied_evenly, has_own_clock, under_its_name
from pertitle.errors import PertitleError, SourceError
from pertitle.records import TitlePlan
from pertitle.report.preview import write_preview
from pertitle.report.title import write_title_report
from pertitle.results import RESULT_VERSION, Stage, Thumbnail, TitleResult
from pertitle.serial import from_json, to_json, write_json
from pertitle.storage import remote
from pertitle.storage.bucket import Store
from pertitle.storage.inputs import Title, refuse_output
from pertitle.storage.plan_file import plan_document, read_plan
from pertitle.storage.published import without_folders
from pertitle.storage.workspace import (
    Earlier,
    Workspace,
    changes,
    fingerprint,
    inputs_of,
    key_of,
    plan_key,
)
from pertitle.system.isolation import isolated
from pertitle.thumbnails.making import make_thumbnails

EXTRAS = {
    "thumbnails", "pictures.shapes", "pictures.formats", "pictures.spoiler_share", "preview",
}  # fmt: skip
"""Inputs that change nothing in the package: it is kept when only they differ."""


def deliver_title(
    title: Title,
    out: Path,
    work: Work,
    *,
    given: TitlePlan | None = None,
    keep_work: bool = False,
    store: Store | None = None,
) -> TitleResult:
    """Deliver one title, unless it was already delivered from the same inputs.

    Args:
        given: the plan to deliver; None to make one.
        keep_work: keep the intermediate files.
        store: where the title goes to from ``out``; None if it stays there.
    """
    if not title.url:
        refuse_output(title.path, out)
    given_title = title
    source, state = _fingerprint(title, work), _state(title)
    inputs = inputs_of(source, work.options, work.toolbox.version)
    if given is not None:
        inputs["plan"] = key_of(given.ladders)
    space = Workspace(out / title.name)
    here = space.earlier()
    earlier = store.earlier(title.name) if store is not None and here is None else here
    changed = changes(earlier.inputs, inputs) if earlier is not None else {}
    if earlier is not None and not changed:
        if store is not None and here is not None:  # a run was killed while it uploaded
            _hand_over(store, space, work, keep_work=keep_work)
        # A run may have failed at a title that an earlier one had delivered.
        (space.folder / "error.log").unlink(missing_ok=True)
        work.emit(events.TitleSkipped(title.name))
        return _at(earlier.result, title)
    before = earlier.inputs if earlier is not None else space.begun()
    if before is not None and (told := changes(before, inputs)):
        work.emit(events.Notice(title.name, f"made anew: {', '.join(told.values())}"))
    space.begin(inputs)
    if store is not None and here is None:
        space.withdraw()  # what a killed run had in place would be uploaded with the rest
    if changed.keys() != {"preview"}:  # which takes nothing from the source
        title = _fetched(title, space, work)
    named = title.path
    if changed.keys() != {"preview"}:
        title = _evened(title, space, work)

    def unchanged() -> None:
        if given_title.url:
            return  # the copy is pertitle's own, and was whole
        if (_state(given_title), _fingerprint(given_title, work)) != (state, source):
            space.clear()  # what was made may be of either
            raise SourceError(f"{named.name} was replaced or changed while it was worked on")

    if earlier is not None and EXTRAS.issuperset(changed):
        earlier = replace(earlier, result=_at(earlier.result, title))
        result = _with_extras(title, earlier, changed, space, work)
    else:
        result = _delivered(title, named, inputs, given, earlier, space, work, unchanged)
    document = {"version": RESULT_VERSION, "inputs": inputs, **_shown(result, space, work)}
    try:
        unchanged()
    except SourceError:
        space.withdraw()
        raise
    write_json(space.folder / "result.json", document)
    (space.folder / "error.log").unlink(missing_ok=True)
    if store is not None:
        _hand_over(store, space, work, keep_work=keep_work)
    elif not keep_work:
        space.settle(keep_rungs=work.options.keep_rungs)
    work.emit(events.TitleDone(title.name, result))
    return result


def _fingerprint(title: Title, work: Work) -> str:
    whole = work.options.whole_digest
    if title.url:
        return remote.fingerprint_of(title.url, whole=whole)
    return fingerprint(title.path, whole=whole)


def _state(title: Title) -> tuple[int, int] | None:
    """Size and time of a file: what changed between the samples of its digest shows here."""
    if title.url or not title.path.exists():
        return None
    stat = title.path.stat()
    return stat.st_size, stat.st_mtime_ns


def _at(result: TitleResult, title: Title) -> TitleResult:
    """A result read from its file, which does not say where the source lies."""
    source = replace(result.plan.analysis.source, path=title.path)
    analysis = replace(result.plan.analysis, source=source)
    return replace(result, plan=replace(result.plan, analysis=analysis))


def _shown(record: TitleResult | dict[str, Any], space: Workspace, work: Work) -> dict[str, Any]:
    """A record as JSON, as it is published: without folders of this machine, unless asked for."""
    data: dict[str, Any] = to_json(record)
    if work.options.machine_paths:
        return data
    source = Path((data["plan"]["analysis"] if "plan" in data else data)["source"]["path"])
    programs = [Path(p).parent for p in (work.toolbox.ffmpeg, work.toolbox.packager) if p]
    within = [space.work / name for name in ("rungs", "audio", "package", "subtitles", "source")]
    folders = [*within, space.work, space.folder, space.folder.parent, source.parent, *programs]
    shown: dict[str, Any] = without_folders(data, folders)
    return shown


def _fetched(title: Title, space: Workspace, work: Work) -> Title:
    """The title with its source on this machine: among its intermediate files, if it has a URL."""
    if not title.url:
        return title

    def make(folder: Path) -> str:
        name = f"{title.name}{title.path.suffix[:16]}"
        remote.fetch(title.url, folder / name, work.progress(Stage.FETCHING))
        return name

    with work.stage(Stage.FETCHING, 1.0):
        key = key_of(title.url, remote.version_of(title.url))
        name = space.remember("source", key, str, make)
    return replace(title, path=space.work / "source" / name)


def _evened(title: Title, space: Workspace, work: Work) -> Title:
    """The title with a copy for its source, where the source's clock jumps."""
    if not has_own_clock(title.path):
        return title

    def make(folder: Path) -> str:
        copy = copied_evenly(title.path, folder, work.toolbox)
        return copy.name if copy is not None else ""

    name = space.remember("even", key_of(fingerprint(title.path)), str, make)
    if not name:
        return title
    work.emit(events.Notice(title.name, "its clock jumps; it is read from a copy with an even one"))
    return replace(title, path=space.work / "even" / name)


def _hand_over(store: Store, space: Workspace, work: Work, *, keep_work: bool) -> None:
    """Upload a finished title and remove it here."""
    with work.stage(Stage.UPLOADING, 1.0):
        store.upload(space, work.stop.check, work.progress(Stage.UPLOADING))
    if not keep_work:
        shutil.rmtree(space.folder)


def _delivered(
    title: Title,
    named: Path,
    inputs: dict[str, Any],
    given: TitlePlan | None,
    earlier: Earlier | None,
    space: Workspace,
    work: Work,
    unchanged: Callable[[], None],
) -> TitleResult:
    """Make a title; everything but ``result.json`` is in place in the end.

    Args:
        named: the source as results name it, where the title is read from a copy.
        unchanged: raises if the source is not any more what it was; nothing is published then.
    """
    plan = _read_from(given or _resumed_plan(title, inputs, space, work), title.path)
    recorder = work.toolbox.runner
    assert isinstance(recorder, Recorder)
    before = space.rungs()
    with work.turn(plan.analysis.source.size.height):
        delivery = deliver(plan, work.options, work.toolbox, space, work)
    if kept := before & space.rungs() & {rung.path.name for rung in delivery.renditions}:
        told = f"{len(kept)} of {words.count(len(delivery.renditions), 'rung')}"
        work.emit(events.Notice(title.name, f"{told} were encoded by an earlier run and are kept"))
    same = _same_pictures(earlier, inputs, plan, space)
    thumbnails = same if same is not None else _thumbnails(title, plan, inputs, space, work)
    if title.path != named:
        plan = replace(plan, analysis=under_its_name(plan.analysis, named))
    result = _result(title, plan, delivery, thumbnails, recorder.commands, work.seconds)
    unchanged()
    space.retract()
    if same is None:
        space.publish(space.work, ["thumbnails"])
    space.publish(delivery.staged, delivery.entries)
    document = plan_document(plan, work.options)
    write_json(space.folder / "plan.json", _shown(document, space, work))
    _write_pages(result, space, work)
    return result


def _read_from(plan: TitlePlan, path: Path) -> TitlePlan:
    """The plan of a source that lies there."""
    source = replace(plan.analysis.source, path=path)
    return replace(plan, analysis=replace(plan.analysis, source=source))


def _with_extras(
    title: Title, earlier: Earlier, changed: dict[str, str], space: Workspace, work: Work
) -> TitleResult:
    """A delivered title with other thumbnails or another preview page."""
    result = earlier.result
    if changed.keys() - {"preview"}:
        plan = _read_from(result.plan, title.path)
        thumbnails = _thumbnails(title, plan, earlier.inputs, space, work)
        (space.folder / "result.json").unlink(missing_ok=True)
        space.publish(space.work, ["thumbnails"])
        result = replace(result, thumbnails=thumbnails)
    _write_pages(result, space, work)
    return result


def _same_pictures(
    earlier: Earlier | None, inputs: dict[str, Any], plan: TitlePlan, space: Workspace
) -> tuple[Thumbnail, ...] | None:
    """The thumbnails in place, if others would not differ; else None."""
    if earlier is None or earlier.result.plan.analysis.shots != plan.analysis.shots:
        return None
    names = {name for name in inputs if name.startswith("pictures.")}
    names |= {"source", "pertitle", "thumbnails"}
    pictures = earlier.result.thumbnails
    there = all((space.folder / "thumbnails" / Path(p.file).name).is_file() for p in pictures)
    same = all(earlier.inputs.get(name) == inputs[name] for name in names)
    return pictures if same and there else None


def _thumbnails(
    title: Title, plan: TitlePlan, inputs: dict[str, Any], space: Workspace, work: Work
) -> tuple[Thumbnail, ...]:
    options = work.options

    def make(folder: Path) -> tuple[Thumbnail, ...]:
        if options.thumbnails == 0:
            return ()
        return isolated(
            work.toolbox,
            make_thumbnails,
            thumbnail_arguments(plan.analysis, folder, title.name, options),
            name=title.path.name,
            on_progress=work.progress(Stage.THUMBNAILS),
        )

    wanted = (options.thumbnails, options.pictures)
    key = key_of(inputs["source"], inputs["pertitle"], wanted, plan.analysis.shots)
    with work.stage(Stage.THUMBNAILS, 1.0):
        return space.remember("thumbnails", key, tuple[Thumbnail, ...], make)


def _write_pages(result: TitleResult, space: Workspace, work: Work) -> None:
    report = space.folder / "report.html"
    shown = from_json(TitleResult, _shown(result, space, work))
    write_title_report(shown, report, thumbnails_folder=space.folder / "thumbnails")
    if work.options.preview:
        write_preview(shown, space.folder, work.options.preview)


def _resumed_plan(title: Title, inputs: dict[str, Any], space: Workspace, work: Work) -> TitlePlan:
    """The plan an interrupted run made of the same inputs, or a new one."""
    key = plan_key(inputs)
    saved = space.saved_plan(key)
    if saved is not None:
        try:
            plan, _ = read_plan(saved)
        except PertitleError:
            saved.unlink()
        else:
            plan = _read_from(plan, title.path)
            work.emit(events.Notice(work.name, "continues with the plan of an earlier run"))
            return plan
    plan = plan_in(title.path, work, space.staged("digest"))
    space.save_plan(key, plan_document(plan, work.options))
    return plan


def _result(
    title: Title,
    plan: TitlePlan,
    delivery: Delivery,
    thumbnails: tuple[Thumbnail, ...],
    commands: Sequence[str],
    seconds: dict[str, float],
) -> TitleResult:
    return TitleResult(
        name=title.name,
        plan=plan,
        renditions=delivery.renditions,
        audio=delivery.audio,
        package=delivery.package,
        thumbnails=thumbnails,
        commands=tuple(commands),
        seconds=dict(seconds),
        url=remote.shown(title.url),
    )
