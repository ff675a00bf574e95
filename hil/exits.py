"""Exit codes of every `hil` command: a contract with CI scripts.

Knows nothing else of the project, so that anything may import it.
"""

from __future__ import annotations

import enum

__all__ = ["Exit"]


class Exit(enum.IntEnum):
    """What the process tells its caller. Nothing tested is not a pass."""

    PASS = 0
    """Everything that was expected was measured."""
    FAIL = 1
    """The run is complete and valid, but an expectation of the scenario failed."""
    USAGE = 2
    """The command line or a configuration file is wrong; nothing was run."""
    ENVIRONMENT = 3
    """Hardware or environment is missing, or was lost during the run."""
    INTERRUPTED = 130
    """Stopped by the user (128 + SIGINT), with the record closed properly."""
