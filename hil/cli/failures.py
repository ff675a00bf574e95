"""Turns exceptions into exit codes and messages, never a traceback."""

# ruff: noqa: PLC0415  (imports in functions: `hil --help` must not load them)

from __future__ import annotations

import contextlib
import errno
import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer

from hil.cli.evidence import keep_evidence
from hil.cli.output import answer, say
from hil.cli.session import session
from hil.cli.signals import ignore_interrupts
from hil.errors import HilError, SetupError
from hil.exit_codes import Exit
from hil.printable import quoted
from hil.verification.run_end import has_ended, recorded, report_failure

if TYPE_CHECKING:
    from hil.engine.run_reports import FailedRun, Failure
    from hil.record.run_result import RunResult

__all__ = ["Interrupted", "guarded"]

# typer brings click along, bundled or as a package; what typer exports leads to its base classes.
_UsageError: Final[type[Any]] = typer.BadParameter.__mro__[1]
"""Its `ctx` is the context of the command, None if there was none."""
_CommandLineError: Final[type[Any]] = typer.BadParameter.__mro__[2]


_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


class Interrupted(Exception):
    """Ctrl-C, as an exception that libraries let pass."""


def guarded(command: Callable[[], object]) -> int:
    """Carry out a command line; return the exit code.

    Raises: SystemExit if the command itself ends the process."""
    try:
        result = command()
        return int(result) if isinstance(result, int) else Exit.PASS
    except typer.Exit as done:
        return int(done.exit_code)
    except (KeyboardInterrupt, Interrupted, typer.Abort):
        return _interrupted()
    except SystemExit as done:
        if isinstance(done.__context__, BrokenPipeError):  # typer's own texts, to a closed pipe
            return Exit.PASS
        raise
    except Exception as error:  # noqa: BLE001  (the last resort: a line instead of a traceback)
        if _caused_by_ctrl_c(error):
            return _interrupted()
        text, code = _message_and_code(error)
        return _failed(text, code, error)


def _interrupted() -> int:
    with ignore_interrupts():
        return _failed("interrupted", Exit.INTERRUPTED, None)


def _caused_by_ctrl_c(error: BaseException) -> bool:
    """Return whether an exception was caused by Ctrl-C, as in the middle of an import."""
    if isinstance(error, HilError):
        return False
    cause = error.__cause__ or error.__context__
    return cause is not None and (isinstance(cause, KeyboardInterrupt) or _caused_by_ctrl_c(cause))


def _message_and_code(error: Exception) -> tuple[str, Exit]:
    """Return the message and the exit code of an exception."""
    if isinstance(error, HilError):
        return str(error), error.exit_code
    if isinstance(error, _CommandLineError):
        return _usage_text(error), Exit.USAGE
    if isinstance(error, OSError) and error.errno in _FULL:
        what = f"cannot write: {error.strerror}"
        return f"{what}\n  try: free disk space where the output goes", Exit.ENVIRONMENT
    if isinstance(error, ImportError) and (error.name or "").startswith("hil."):
        remedy = "install it again with pip, which compiles the C kernel"
        return f"this installation lacks {error.name}\n  try: {remedy}", Exit.ENVIRONMENT
    return _internal_text(error), Exit.ENVIRONMENT


def _usage_text(error: Any) -> str:
    """Return the message of a command line error, with the command that prints the help."""
    context = error.ctx if isinstance(error, _UsageError) else None
    message = str(error.format_message())
    message = message.replace(": Value error, ", ": ")  # newer typers add this
    message = message or "which command?"  # a group of commands was named alone
    if context is None:
        return message
    return f"{message}\n  try: {context.command_path} --help"


def _failed(text: str, code: Exit, error: Exception | None) -> int:
    """Report a failure on stderr, in the reports of the run and, if requested, as JSON; return the
    exit code."""
    from hil.engine.run_reports import failure_of

    say(f"hil: {text}")
    result = recorded(session.run_dir)
    if result is not None and session.run_dir is not None:
        say(f"  what was recorded: hil replay {quoted(session.run_dir)} --summary")
    failure = failure_of(error, text, code)
    content = failure.as_json()
    if session.command == "run":
        run = _failed_run(failure, result)
        content = run.as_json()
        folder = session.reports
        if folder is None or not has_ended(folder):
            _report(run)
        if folder is not None and result is not None:
            keep_evidence(folder)
    if session.json:
        with contextlib.suppress(SetupError):
            answer(content)
    return code


def _failed_run(failure: Failure, result: RunResult | None) -> FailedRun:
    from hil.engine.run_reports import FailedRun

    planned = None if session.identity is None else session.identity.scenario
    return FailedRun(failure, planned, session.run_dir, session.frames, result)


def _report(run: FailedRun) -> None:
    """Write manifest and JUnit with the same failure, if a folder is known that this command may
    write to: that of the run, or the one that --out names if it holds no run."""
    try:
        from hil.engine.run_identity import environment
        from hil.engine.run_reports import may_be_replaced
        from hil.record.run_lock import refuse_if_running
    except ModuleNotFoundError:  # sources whose kernel was not compiled have run nothing
        return

    folder = session.reports
    with contextlib.suppress(HilError, OSError, ValueError):
        if folder is None:
            folder = session.out
            if folder is None or not may_be_replaced(folder):
                return
            refuse_if_running(folder)
            folder.mkdir(parents=True, exist_ok=True)
        report_failure(folder, session.identity or environment(), run)


def _version() -> str:
    """Return the version, or that there is none: without a compiled kernel."""
    try:
        from hil.kernel import VERSION
    except ModuleNotFoundError:
        return "without a kernel"
    return VERSION


def _internal_text(error: Exception) -> str:
    """Return an unexpected exception in a line; write its traceback to a file."""
    what = f"internal error: {type(error).__name__}: {error}".rstrip(": ")
    text = f"hil {_version()}, Python {sys.version}\ncommand: {sys.argv}\n\n" + "".join(
        traceback.format_exception(error)
    )
    saved = None
    folders = [session.run_dir, Path(tempfile.gettempdir())]
    for folder in [f for f in folders if f is not None and f.is_dir()]:
        with contextlib.suppress(OSError):
            number, path = tempfile.mkstemp(".txt", "hil-internal-error-", folder)
            with os.fdopen(number, "w", encoding="utf-8", errors="replace") as file:
                file.write(text)
            saved = path
            break
    if saved is None:
        last = traceback.extract_tb(error.__traceback__)[-1]
        return f"{what}; please report it ({Path(last.filename).name}:{last.lineno})"
    return f"{what}; please report it with the file {saved}"
