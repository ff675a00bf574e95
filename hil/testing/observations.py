"""What happened in a run, as tests see it: one value for each verdict, transition and event. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

__all__ = ["FieldValue", "Observation"]

FieldValue: TypeAlias = "str | int | bool"


@dataclass(frozen=True, slots=True)
class Observation:
    """One thing that happened in `frame`.

    `kind` is verdict, state, upset, repair, anomaly or slip. `word` is the verdict, the new state,
    the target of the upset, the action of the repair, or the effect of the anomaly; empty for a
    slip. `nodes` are those that it concerns: of a verdict, those that deviate from it. `fields` are
    its other properties, and `text` is all of it for people."""

    frame: int
    kind: str
    word: str
    nodes: tuple[str, ...]
    text: str
    fields: Mapping[str, FieldValue] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"frame {self.frame}: {self.text}"
