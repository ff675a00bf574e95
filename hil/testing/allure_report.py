"""The result of a test for Allure, from the reports of its phases and its rig."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from _pytest._code.code import ExceptionRepr

from hil.testing.allure import TestOutcome, write_result
from hil.testing.session import RigSession

__all__ = ["report_test"]


def report_test(folder: Path, session: RigSession, phases: Mapping[str, pytest.TestReport]) -> None:
    """Write the result of a test whose rig is closed. Raises: OSError."""
    reports = list(phases.values())
    worst = next((r for r in reports if r.failed), next((r for r in reports if r.skipped), None))
    outcome = TestOutcome(
        reports[0].nodeid,
        "passed" if worst is None else _status(worst, session),
        "" if worst is None else _message(worst),
        "" if worst is None else worst.longreprtext,
        round(min(r.start for r in reports) * 1000),
        round(max(r.stop for r in reports) * 1000),
    )
    write_result(
        folder,
        outcome,
        session.actions,
        [(name.removeprefix("hil_"), value) for name, value in session.identity],
        session.attachments,
    )


def _status(report: pytest.TestReport, session: RigSession) -> str:
    if report.skipped:
        return "skipped"
    return "failed" if report.when == "call" and session.assertion_failed else "broken"


def _message(report: pytest.TestReport) -> str:
    if isinstance(report.longrepr, tuple):
        return report.longrepr[2]
    crash = report.longrepr.reprcrash if isinstance(report.longrepr, ExceptionRepr) else None
    return report.longreprtext if crash is None else crash.message
