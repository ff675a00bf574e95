"""The result of a check, and how a check is carried out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Final

from hil.check_state import CheckState
from hil.errors import HilError
from hil.json_values import JsonObject

__all__ = ["REINSTALL", "Check", "Finding", "good", "run_check"]

REINSTALL: Final = "install this package again with pip, with a C compiler at hand"


@dataclass(frozen=True, slots=True)
class Check:
    """One check and its result.

    `found` is the finding; `means` is what works if the check is ok; `remedy` is what to do (empty:
    nothing). `needed`: no scenario can run on software boards if it is missing.
    """

    name: str
    state: CheckState
    found: str
    means: str
    remedy: str = ""
    needed: bool = True

    def as_json(self) -> JsonObject:
        """Return the check as plain data for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a check, without its name: the part of a `Check` that the check decides."""

    state: CheckState
    found: str
    remedy: str = ""
    needed: bool = True


def run_check(name: str, means: str, check: Callable[[], Finding]) -> Check:
    """Carry out a check. Raises nothing: an exception is a finding, `missing`, with its message."""
    try:
        finding = check()
    except HilError as error:
        finding = Finding(CheckState.MISSING, error.message, error.remedy or "")
    except Exception as error:  # noqa: BLE001  (any failure is a finding)
        finding = Finding(CheckState.MISSING, f"{type(error).__name__}: {error}", REINSTALL)
    return Check(name, finding.state, finding.found, means, finding.remedy, finding.needed)


def good(text: str) -> Finding:
    """Return the finding of a check that succeeded."""
    return Finding(CheckState.OK, text)
