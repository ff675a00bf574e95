"""The parts of an evidence file that runs and campaigns share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from hil import __version__
from hil.analysis.intervals import clopper_pearson
from hil.json_values import JsonObject, JsonValue

__all__ = ["CONFIDENCE", "FORMAT", "WRITTEN_BY", "Counting", "Evidence", "outcomes"]

FORMAT: Final = 3
"""The version of the format. Whoever changes the meaning of a key raises it."""
WRITTEN_BY: Final = "written_by"
"""The only key that the record does not decide."""
CONFIDENCE: Final = 0.95


@dataclass(frozen=True, slots=True)
class Counting:
    """The certainty of counts. Exact ones have no interval; those of a sample come with that of
    Clopper and Pearson at `confidence`, each for itself."""

    exact: bool
    confidence: float = CONFIDENCE

    def as_json(self) -> JsonObject:
        """Return it as `outcomes.counting`."""
        if self.exact:
            return {"kind": "exact", "confidence": None, "interval": None}
        return {"kind": "sample", "confidence": self.confidence, "interval": "clopper-pearson"}


def outcomes(counts: Mapping[str, int], whole: int, counting: Counting) -> JsonObject:
    """Return how many of `whole` faults came to what, each with its share and its interval."""
    out: dict[str, JsonValue] = {}
    for name, count in counts.items():
        share = count / whole if whole else None
        interval = None
        if not counting.exact and whole:
            interval = list(clopper_pearson(count, whole, counting.confidence))
        out[name] = {"count": count, "share": share, "interval": interval}
    return {"faults": whole, "effects": out}


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The content of an evidence file; each field is a key of it, and its schema says what it
    means."""

    kind: str
    verdict: JsonObject
    subject: JsonObject
    images: Sequence[JsonObject]
    fault_model: JsonObject
    boot_phase: JsonObject
    exposure: JsonObject
    outcomes: JsonObject
    outputs: JsonObject | None = None
    reproduce: JsonObject
    environment: JsonObject
    context: JsonObject | None = None
    record: JsonObject

    def as_json(self) -> JsonObject:
        """Return the document."""
        return {
            "hil_evidence": FORMAT,
            "kind": self.kind,
            "verdict": self.verdict,
            "subject": self.subject,
            "images": list(self.images),
            "fault_model": self.fault_model,
            "boot_phase": self.boot_phase,
            "exposure": self.exposure,
            "outcomes": self.outcomes,
            "outputs": self.outputs,
            "reproduce": self.reproduce,
            "environment": self.environment,
            "context": self.context,
            "record": self.record,
            WRITTEN_BY: f"hil {__version__}",
        }
