"""Whatever goes wrong with one title becomes a record of it; the batch goes on."""

from __future__ import annotations

import traceback
from pathlib import Path

from pertitle import events
from pertitle.delivery.job import Work
from pertitle.delivery.title import deliver_title
from pertitle.errors import Cancelled, PertitleError, ProcessError, printable
from pertitle.options import Options
from pertitle.records import TitlePlan
from pertitle.results import Stage, TitleFailure, TitleResult
from pertitle.serial import write_text
from pertitle.storage.bucket import Store
from pertitle.storage.inputs import Title
from pertitle.storage.published import text_without_folders
from pertitle.storage.remote import scrubbed
from pertitle.storage.workspace import held


def guarded(
    title: Title,
    out: Path,
    work: Work,
    *,
    given: TitlePlan | None = None,
    keep_work: bool = False,
    store: Store | None = None,
) -> TitleResult | TitleFailure | None:
    """Deliver a title and turn whatever goes wrong with it into a failure record."""
    folder = out / title.name
    addresses = (title.url, store.url if store is not None else "")
    first = Stage.FETCHING if title.url else Stage.ANALYSIS

    def stage() -> Stage:
        return work.begun[-1] if work.begun else first

    try:
        with held(folder, force=work.options.force):
            try:
                return deliver_title(
                    title, out, work, given=given, keep_work=keep_work, store=store
                )
            except Exception as error:
                if not isinstance(error, Cancelled):
                    failure = _failure(title, error, stage(), addresses)
                    _write_failure_log(folder, failure, error, addresses, work.options)
                    if store is not None:
                        store.tell(folder / "error.log")
                raise
    except Cancelled:
        return None  # the batch raises when all workers have let go
    except Exception as error:
        failure = _failure(title, error, stage(), addresses)
        work.emit(events.TitleFailed(title.name, failure))
        return failure


def _failure(
    title: Title, error: Exception, stage: Stage, addresses: tuple[str, ...]
) -> TitleFailure:
    message = str(error)
    if isinstance(error, OSError) and not isinstance(error, PertitleError):
        message = f"{error.strerror or error}: {error.filename or title.path.name}"
    elif not isinstance(error, PertitleError):
        message = f"internal error: {type(error).__name__}: {error}"
    failed = error if isinstance(error, ProcessError) else error.__cause__
    ran = isinstance(failed, ProcessError)
    return TitleFailure(
        name=title.name,
        path=title.path,
        message=scrubbed(printable(" ".join(message.split())), *addresses),
        stage=stage,
        command=failed.command if isinstance(failed, ProcessError) and ran else "",
        log_tail=_lines(failed.stderr_tail) if isinstance(failed, ProcessError) and ran else "",
    )


def _lines(text: str) -> str:
    """Text of several lines, none of which can command a terminal."""
    return "\n".join(map(printable, text.splitlines()))


def _write_failure_log(
    folder: Path,
    failure: TitleFailure,
    error: Exception,
    addresses: tuple[str, ...],
    options: Options,
) -> None:
    """Leave what is known of a failure beside the title's output, if that can be written."""
    lines = [f"{failure.path}", f"{failure.stage}: {failure.message}"]
    if failure.command:
        lines += ["", failure.command, "", failure.log_tail]
    if not isinstance(error, PertitleError):
        lines += ["", "".join(traceback.format_exception(error))]
    text = scrubbed(_lines("\n".join(lines)), *addresses)
    if not options.machine_paths:
        text = text_without_folders(text, (failure.path.parent, folder, folder.parent))
    try:
        write_text(folder / "error.log", text + "\n")
    except OSError:
        return
