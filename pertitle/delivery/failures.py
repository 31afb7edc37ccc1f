"""Whatever goes wrong with one title becomes a record of it; the batch goes on."""

from __future__ import annotations

import traceback
from pathlib import Path

from pertitle import events
from pertitle.delivery.job import Work
from pertitle.delivery.title import deliver_title
from pertitle.errors import Cancelled, PertitleError, ProcessError
from pertitle.records import TitlePlan
from pertitle.results import Stage, TitleFailure, TitleResult
from pertitle.serial import write_text
from pertitle.storage.bucket import Store
from pertitle.storage.inputs import Title


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
    try:
        return deliver_title(title, out, work, given=given, keep_work=keep_work, store=store)
    except Cancelled:
        return None  # the batch raises when all workers have let go
    except Exception as error:
        first = Stage.FETCHING if title.url else Stage.ANALYSIS
        failure = _failure(title, error, work.begun[-1] if work.begun else first)
        _write_failure_log(out / title.name, failure, error)
        if store is not None:
            store.tell(out / title.name / "error.log")
        work.emit(events.TitleFailed(title.name, failure))
        return failure


def _failure(title: Title, error: Exception, stage: Stage) -> TitleFailure:
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
        message=" ".join(message.split()),
        stage=stage,
        command=failed.command if isinstance(failed, ProcessError) and ran else "",
        log_tail=failed.stderr_tail if isinstance(failed, ProcessError) and ran else "",
    )


def _write_failure_log(folder: Path, failure: TitleFailure, error: Exception) -> None:
    """Leave what is known of a failure beside the title's output, if that can be written."""
    lines = [f"{failure.path}", f"{failure.stage}: {failure.message}"]
    if failure.command:
        lines += ["", failure.command, "", failure.log_tail]
    if not isinstance(error, PertitleError):
        lines += ["", "".join(traceback.format_exception(error))]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / "error.log", "\n".join(lines) + "\n")
    except OSError:
        return
