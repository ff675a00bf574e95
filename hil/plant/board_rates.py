"""The events of a board per day, from low to high: in the whole board, in the voted data, and after
acceleration."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from hil.board_types.channels import Effect, Observed
from hil.board_types.spread import NOTHING, Spread
from hil.json_values import JsonObject

__all__ = ["STOPS", "VOTED", "BoardRates", "ChannelRate"]

VOTED: Final = (Effect.SEU, Effect.MBU)
"""The kinds that hit the voted data."""
STOPS: Final = (
    Effect.DETECTED,
    Effect.SEFI,
    Effect.HANG,
    Effect.REBOOT,
    Effect.POWER_CYCLE,
    Effect.STORAGE,
)
"""The kinds after which a node computes nothing until it is repaired."""

_UPSETS: Final = (Observed.CORRECTED, Observed.DETECTED, Observed.SILENT)


@dataclass(frozen=True, slots=True)
class ChannelRate:
    """The events per day of one channel that become one kind, without acceleration."""

    channel: str
    observed: Observed
    kind: Effect
    per_day: Spread


@dataclass(frozen=True, slots=True)
class BoardRates:
    """The events per day of one node's board, without acceleration.

    `data`: the data set; `stand_in`: why it may stand for this board, None if this board was in the
    beam. `voted_bytes`: None if the workload's size is not known before it runs. `estimate`: the
    end of the ranges with which the run flies. `accel` and `voted_accel`: the factor on all rates,
    and the further one on hits of the voted data. `stated`: rates that the flight's profile states
    in place of the board's cross-sections."""

    profile: str
    data: str
    title: str
    stand_in: str | None
    memory_bits: float
    voted_bytes: int | None
    estimate: str
    accel: float
    voted_accel: float
    channels: tuple[ChannelRate, ...]
    stated: Mapping[Effect, float]

    def of(self, *kinds: Effect) -> Spread:
        """Return the events per day of some kinds together."""
        total = _sum(
            c.per_day for c in self.channels if c.kind in kinds and c.kind not in self.stated
        )
        for kind in kinds:
            per_day = self.stated.get(kind, 0.0)
            total = total.plus(Spread(per_day, per_day, per_day))
        return total

    @property
    def upsets(self) -> Spread:
        """Return the upsets per day in the whole board: corrected, detected and silent ones,
        wherever they hit; those that a profile states are of the voted data."""
        measured = _sum(c.per_day for c in self.channels if c.observed in _UPSETS)
        return self.of(*VOTED) if self.stated and not self.channels else measured

    @property
    def silent(self) -> Spread:
        """Return the silent upsets per day in the whole board."""
        return _sum(
            c.per_day
            for c in self.channels
            if c.observed is Observed.SILENT and c.kind is not Effect.CORRECTED
        )

    def flown(self, *kinds: Effect) -> float:
        """Return the events per day of some kinds that a run injects: of the estimate that it flies
        with, after acceleration."""
        total = 0.0
        for kind in kinds:
            per_day: float = getattr(self.of(kind), self.estimate)
            total += per_day * self.accel * (self.voted_accel if kind in VOTED else 1.0)
        return total

    def as_json(self) -> JsonObject:
        """Return the rates as a JSON object."""
        return {
            "profile": self.profile,
            "data": self.data,
            "stand_in": self.stand_in,
            "memory_bits": self.memory_bits,
            "voted_bytes": self.voted_bytes,
            "estimate": self.estimate,
            "accel": self.accel,
            "voted_accel": self.voted_accel,
            "upsets": _json(self.upsets),
            "silent": _json(self.silent),
            "voted": _json(self.of(*VOTED)),
            "by_kind": {str(kind): _json(self.of(kind)) for kind in Effect},
            "flown": {str(kind): self.flown(kind) for kind in Effect},
            "channels": [
                {
                    "channel": c.channel,
                    "observed": str(c.observed),
                    "kind": str(c.kind),
                    "per_day": _json(c.per_day),
                }
                for c in self.channels
            ],
        }


def _json(spread: Spread) -> JsonObject:
    return {"low": spread.low, "best": spread.best, "high": spread.high}


def _sum(spreads: Iterable[Spread]) -> Spread:
    total = NOTHING
    for spread in spreads:
        total = total.plus(spread)
    return total
