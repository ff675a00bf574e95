"""The result of a check, and how a check is carried out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Final

from hil.errors import HilError

__all__ = ["MISSING", "OK", "REINSTALL", "WARN", "Check", "Finding", "good", "run_check"]

OK: Final = "ok"
WARN: Final = "warn"
MISSING: Final = "missing"
REINSTALL: Final = "install this package again with pip, with a C compiler at hand"


@dataclass(frozen=True, slots=True)
class Check:
    """One check and its result.

    `state` is ok, warn (it works with restrictions) or missing; `found` the finding, `means` its
    meaning, `remedy` what to do (empty: nothing). `needed`: runs on software boards are impossible
    if it is missing.
    """

    name: str
    state: str
    found: str
    means: str
    remedy: str = ""
    needed: bool = True

    def as_json(self) -> dict[str, Any]:
        """Return the check as plain data for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found: the part of a `Check` that it decides itself."""

    state: str
    found: str
    remedy: str = ""
    needed: bool = True


def run_check(name: str, means: str, check: Callable[[], Finding]) -> Check:
    """Carry out a check. An exception is a finding, too: MISSING, with its message."""
    try:
        finding = check()
    except HilError as error:
        finding = Finding(MISSING, error.message, error.remedy or "")
    except Exception as error:  # noqa: BLE001  (whatever it is, it is what is looked for)
        finding = Finding(MISSING, f"{type(error).__name__}: {error}", REINSTALL)
    return Check(name, finding.state, finding.found, means, finding.remedy, finding.needed)


def good(found: str) -> Finding:
    """Return the finding that all is well."""
    return Finding(OK, found)
