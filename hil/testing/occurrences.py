"""Occurrences: a value for each verdict, transition and event of a run, as tests see it. Pure."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

__all__ = ["FieldValue", "Occurrence", "OccurrenceKind"]

FieldValue: TypeAlias = "str | int | bool"


class OccurrenceKind(enum.Enum):
    """The kinds of occurrences."""

    VERDICT = "verdict"
    STATE = "state"
    UPSET = "upset"
    REPAIR = "repair"
    ANOMALY = "anomaly"
    SLIP = "slip"


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One thing that happened in `frame`.

    `word` is the verdict, the new state,
    the target of the upset, the action of the repair, or the effect of the anomaly; empty for a
    slip. `nodes` are those that it concerns: of a verdict, those that deviate from it. `fields` are
    its other properties, and `text` is all of it for people."""

    frame: int
    kind: OccurrenceKind
    word: str
    nodes: tuple[str, ...]
    text: str
    fields: Mapping[str, FieldValue] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"frame {self.frame}: {self.text}"
