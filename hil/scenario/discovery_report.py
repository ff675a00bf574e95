"""The report of a discovery of boards: boards, silent ports, and changes of the bench file.

`hil.rig.discovery` makes it, `hil.views.discovery` shows it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from hil.json_values import JsonObject

__all__ = ["BenchChange", "DiscoveredBoard", "DiscoveryReport", "UnansweredPort"]


@dataclass(frozen=True, slots=True)
class DiscoveredBoard:
    """A board whose agent answered.

    `name` is that in the bench file. `adapter` is the identity of the adapter, `baud` the rate at
    which the board answered [bit/s]; None where none is known. `serial` is the board's own serial
    number. `targets` are the words of what upsets can hit, sorted.
    """

    name: str | None
    port: str
    adapter: str | None
    baud: int | None
    board: str
    arch: str
    serial: str | None
    agent_version: str
    cores: int
    memory_mib: int
    targets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UnansweredPort:
    """A port without an answer; `why` in a word, `reason` in a sentence."""

    port: str
    adapter: str | None
    why: str
    reason: str
    remedy: str


@dataclass(frozen=True, slots=True)
class BenchChange:
    """One change of a bench file; `kind` is new, moved, back, absent or rate; of a test of the
    bench the key that was written."""

    board: str
    kind: str
    detail: str


@dataclass(frozen=True, slots=True)
class DiscoveryReport:
    """The result of a discovery; `bench` is the bench file that it wrote, if it was to."""

    bench: str | None
    boards: tuple[DiscoveredBoard, ...]
    others: tuple[UnansweredPort, ...]
    changes: tuple[BenchChange, ...]
    notes: tuple[str, ...]

    def as_json(self) -> JsonObject:
        """Return the report as the JSON object of `hil discover --json`."""
        return {"ok": bool(self.boards), **asdict(self)}
