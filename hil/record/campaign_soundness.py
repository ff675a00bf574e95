"""Checks of the rows of a campaign's result file, beyond the types of their columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from hil.record.campaign_rows import EFFECTS
from hil.record.sound_tables import RowRule

__all__ = ["CAMPAIGN_CHECKS"]

_BYTES_MAX: Final = 1 << 31
"""More than any memory of a step."""
_LONGEST: Final = 1 << 31
"""[instructions] More than any step that can be traced."""
_INSIDE: Final = RowRule(
    "byte < (SELECT length FROM regions WHERE number = region)",
    "`region` is a number of a target, and `byte` inside it",
)
_IN_STEP: Final = RowRule(
    "position < (SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'instructions')",
    "`position` is one of the step",
)
_LAST: Final = len(EFFECTS) - 1
_OUTCOMES: Final = RowRule(
    f"length(effects) = 8 AND hex(effects) GLOB '{f'0[0-{_LAST}]' * 8}' AND length(details) = 8",
    "`effects` and `details` have a byte for each of eight bits",
)
_COUNTED: Final = RowRule(
    f"{' + '.join(EFFECTS)} = 8", "its counts of outcomes are those of eight experiments"
)
_ENDINGS: Final = RowRule(
    "length(severity) = 8 AND length(errors) = 32 AND length(fates) = 8 AND length(steps) = 8 "
    f"AND hex(fates) GLOB '{'0[0-5]' * 8}'",
    "`severity`, `errors`, `fates` and `steps` are those of eight experiments",
)
_EFFECT_WORDS: Final = ", ".join(f"'{effect}'" for effect in EFFECTS)

CAMPAIGN_CHECKS: Final[Mapping[str, Sequence[RowRule]]] = {
    "meta": (
        RowRule(
            f"key <> 'instructions' OR CAST(value AS INTEGER) <= {_LONGEST}",
            f"`value` is the number of instructions of a step, at most {_LONGEST}",
        ),
    ),
    "regions": (
        RowRule("number < (SELECT count(*) FROM regions)", "targets are numbered from 0"),
        RowRule(f"length BETWEEN 0 AND {_BYTES_MAX}", f"`length` is from 0 to {_BYTES_MAX} bytes"),
    ),
    "unread": (_INSIDE, RowRule("effect < 3", "`effect` is the number of an outcome")),
    "parts": (
        RowRule("region IN (SELECT number FROM regions)", "`region` is a number of a target"),
    ),
    "path": (
        _IN_STEP,
        RowRule("address IN (SELECT address FROM instructions)", "`address` is of an instruction"),
    ),
    "stack": (
        _IN_STEP,
        RowRule(
            "NOT EXISTS (SELECT * FROM regions WHERE target = 'stack') "
            "OR byte <= (SELECT max(length) FROM regions WHERE target = 'stack')",
            "`byte` is inside the stack",
        ),
    ),
    "classes": (_INSIDE, _IN_STEP, _OUTCOMES, _COUNTED),
    "samples": (
        _INSIDE,
        RowRule("frame IN (SELECT frame FROM frames)", "`frame` is one of the table `frames`"),
        RowRule("bit < 8", "`bit` is less than 8"),
        RowRule(f"effect IN ({_EFFECT_WORDS})", "`effect` is an outcome"),
    ),
    "endings": (
        RowRule("class IN (SELECT number FROM classes)", "`class` is a number of a class"),
        _ENDINGS,
    ),
    "unread_endings": (_INSIDE, _ENDINGS),
}
"""By table. A file of an older version lacks some of them."""
