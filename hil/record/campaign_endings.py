"""The endings of experiments, which a campaign's result file holds beyond effects where that was
asked for: how wrong outputs are, and what becomes of faults in the steps that follow."""

from __future__ import annotations

import enum
import struct
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from hil.scenario.outputs import CHOICES, NUMBERS, OutputRole, output_fields

__all__ = [
    "ENDING_BYTES",
    "SEVERITIES",
    "EndingRow",
    "ExperimentEnding",
    "FateWord",
    "Severity",
    "UnreadEnding",
    "fates_of",
    "pack_endings",
    "row_of",
    "severities_of",
    "severities_of_workload",
    "unpack_endings",
]

_BITS: Final = 8
_PACKED: Final = struct.Struct("<BfBB")
ENDING_BYTES: Final = _PACKED.size
"""The length of one packed ending [byte]."""


class Severity(enum.IntFlag):
    """The severity of a wrong output, as flags (see `hil.campaign.severity`)."""

    NONE = 0
    SDC_1 = 1
    SDC_5 = 2
    ERROR_1 = 4
    ERROR_10 = 8
    ERROR_100 = 16


SEVERITIES: Final = {
    Severity.SDC_1: "sdc-1",
    Severity.SDC_5: "sdc-5",
    Severity.ERROR_1: "error > 1 %",
    Severity.ERROR_10: "error > 10 %",
    Severity.ERROR_100: "error > 100 %",
}
"""The words of severities, for tables and files."""


class FateWord(enum.Enum):
    """The fate of a fault that has not shown in its step; the place is the number in the
    file."""

    LATENT = "still latent"
    HEALED = "healed"
    SDC = "sdc"
    CRASH = "crash"
    HANG = "hang"
    DETECTED = "detected"


_FATES: Final = tuple(FateWord)


class ExperimentEnding(NamedTuple):
    """The ending of one experiment beyond its effect: of a wrong output its severity and relative
    error; of one that was followed its fate, a number of FateWord, and the step that follows in
    which it showed (0: it was not followed)."""

    severity: int = 0
    error: float = 0.0
    fate: int = 0
    step: int = 0


@dataclass(frozen=True, slots=True)
class EndingRow:
    """The endings of the eight experiments of class `number`: a byte for each in
    `severity`, `fates` and `steps`, a 32-bit floating-point number in `errors`."""

    number: int
    severity: bytes
    errors: bytes
    fates: bytes
    steps: bytes


@dataclass(frozen=True, slots=True)
class UnreadEnding:
    """The same of hits at the end of the step, of a byte that nothing reads before: `weight` faults
    of each bit of `byte` of region `region`."""

    region: int
    byte: int
    weight: int
    severity: bytes
    errors: bytes
    fates: bytes
    steps: bytes


def severities_of_workload(workload: str) -> tuple[Severity, ...]:
    """Return the severities that wrong outputs of a workload can have: none, where nothing is known
    of its output but the bytes, or where these have no order, as those of a hash."""
    roles = {field.role for field in output_fields(workload)}
    known: list[Severity] = []
    if roles & CHOICES:
        known.append(Severity.SDC_1)
    if OutputRole.SCORES in roles:
        known.append(Severity.SDC_5)
    if roles & NUMBERS:
        known += [Severity.ERROR_1, Severity.ERROR_10, Severity.ERROR_100]
    return tuple(known)


def pack_endings(endings: Sequence[ExperimentEnding]) -> bytes:
    """Pack endings for the journal."""
    return b"".join(_PACKED.pack(*ending) for ending in endings)


def unpack_endings(packed: bytes) -> Iterator[ExperimentEnding]:
    """Unpack what `pack_endings` has packed."""
    return (ExperimentEnding(*fields) for fields in _PACKED.iter_unpack(packed))


def row_of(endings: Sequence[ExperimentEnding]) -> tuple[bytes, bytes, bytes, bytes]:
    """Return severity, errors, fates and steps of the experiments of one byte, for a row."""
    return (
        bytes(e.severity for e in endings),
        struct.pack(f"<{len(endings)}f", *(e.error for e in endings)),
        bytes(e.fate for e in endings),
        bytes(e.step for e in endings),
    )


def severities_of(row: EndingRow | UnreadEnding, weight: int) -> Counter[Severity]:
    """Return how many faults of a row have each severity."""
    counts: Counter[Severity] = Counter()
    for flags in row.severity:
        for severity in SEVERITIES:
            if flags & severity:
                counts[severity] += weight
    return counts


def fates_of(row: EndingRow | UnreadEnding, weight: int) -> Counter[tuple[FateWord, int]]:
    """Return how many faults of a row that were followed have each fate, and in which step."""
    counts: Counter[tuple[FateWord, int]] = Counter()
    for fate, step in zip(row.fates, row.steps, strict=True):
        if step:
            counts[_FATES[fate], step] += weight
    return counts
