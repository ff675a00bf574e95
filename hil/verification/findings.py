"""The findings of a verification: differences, what was compared, and what cannot be."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from hil.json_values import JsonObject

__all__ = ["Difference", "Verification"]

_REPORTED_MAX: Final = 20


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that is not as it was recorded. `frame` is None where the whole run is meant."""

    frame: int | None
    what: str
    recorded: str
    now: str

    def __str__(self) -> str:
        where = "the run" if self.frame is None else f"frame {self.frame}"
        return f"{where}: {self.what}: recorded {self.recorded}, now {self.now}"


@dataclass(slots=True)
class Verification:
    """The result of a verification: the first `_REPORTED_MAX` differences, and how many in all.

    `complete` is false for a run that is not finished: it was verified as far as it goes. `covered`
    and `not_covered` say in sentences what was computed or compared, and what nothing here can
    find out."""

    complete: bool
    outcome: str
    frames: int = 0
    notable: int = 0
    outputs: int = 0
    run_digest: str = ""
    record_digest: str = ""
    covered: list[str] = field(default_factory=list)
    not_covered: list[str] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    count: int = 0

    @property
    def empty(self) -> bool:
        """Return whether no frame was voted again, so that nothing was verified."""
        return self.frames == 0

    @property
    def ok(self) -> bool:
        """Return whether something was verified, and nothing differs."""
        return self.count == 0 and not self.empty

    def differs(self, frame: int | None, what: str, recorded: object, now: object) -> None:
        """Add a difference; `frame` is None where the whole run is meant."""
        self.count += 1
        if len(self.differences) < _REPORTED_MAX:
            self.differences.append(Difference(frame, what, str(recorded), str(now)))

    def compare(self, frame: int | None, what: str, recorded: object, now: object) -> None:
        """Add a difference if two values are not equal."""
        if recorded != now:
            self.differs(frame, what, recorded, now)

    def as_json(self) -> JsonObject:
        """Return the answer of `hil replay --verify --json`."""
        return {
            "verified": self.ok,
            "complete": self.complete,
            "outcome": self.outcome,
            "frames": self.frames,
            "notable_frames": self.notable,
            "outputs": self.outputs,
            "run_digest": self.run_digest,
            "record_digest": self.record_digest,
            "covered": self.covered,
            "not_covered": self.not_covered,
            "differences": self.count,
            "first_differences": [
                {"frame": d.frame, "what": d.what, "recorded": d.recorded, "now": d.now}
                for d in self.differences
            ],
        }
