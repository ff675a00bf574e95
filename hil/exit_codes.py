"""Exit codes of every `hil` command: a contract with CI scripts.

Knows nothing else of the project but the outcomes of runs, so that anything may import it.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Final

from hil.run_outcome import RunOutcome

__all__ = ["EXIT_OF_OUTCOME", "Exit"]


class Exit(enum.IntEnum):
    """The exit code of a process. A run that tested nothing does not pass."""

    PASS = 0
    """Everything that was expected was measured; or the scenario says `expect: none`, and the
    outcome is then `untested`."""
    FAIL = 1
    """The run is complete and valid, but an expectation of the scenario failed."""
    USAGE = 2
    """The command line or a configuration file is wrong; nothing was run."""
    ENVIRONMENT = 3
    """Hardware or environment is missing, or was lost during the run."""
    INTERRUPTED = 130
    """Stopped by the user (128 + SIGINT), with the record closed properly."""


EXIT_OF_OUTCOME: Final[Mapping[str, Exit]] = {
    RunOutcome.PASS: Exit.PASS,
    RunOutcome.UNTESTED: Exit.PASS,
    RunOutcome.FAIL: Exit.FAIL,
    RunOutcome.ERROR: Exit.ENVIRONMENT,
    RunOutcome.ABORTED: Exit.INTERRUPTED,
}
"""The exit code of a run by its outcome, which hil.engine.result decides. A run that never began
has the outcome `error`, and the exit code of the exception (hil.errors) that hil.cli.failures
reports: 2 for a wrong command line or file."""
