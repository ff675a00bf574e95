"""Older formats of the evidence file: what a record says today, as they said it."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Final

from hil.json_values import JsonObject, JsonValue
from hil.report.evidence.board_evidence import BOOTED
from hil.report.evidence.document import CONFIDENCE, Counting, outcomes
from hil.upsets.words import UNKNOWN_WORD, NodeEffect

__all__ = ["in_format_of"]

_WITHOUT_CONTEXT: Final = 1
_UNKNOWN_IS_MASKED: Final = 2


def in_format_of(evidence: JsonObject, again: JsonObject) -> JsonObject:
    """Return what the record says today in the format of an evidence file. The first one knew
    nothing of the context of boards; up to the second, upsets of unknown effect counted as
    masked."""
    version = evidence.get("hil_evidence")
    if not isinstance(version, int) or version > _UNKNOWN_IS_MASKED:
        return again
    older = {**again, "hil_evidence": _UNKNOWN_IS_MASKED}
    if older["kind"] == "run":
        older["outcomes"] = _without_unknown(_object(again["outcomes"]))
    if version > _WITHOUT_CONTEXT:
        return older
    added = {"context"} if "outputs" in evidence else {"context", "outputs"}
    return _without_context(older, added)


def _without_context(content: JsonObject, added: AbstractSet[str]) -> JsonObject:
    older = {key: value for key, value in content.items() if key not in added}
    images = content.get("images")
    assert isinstance(images, list), "it was computed just now"
    kept = [dict(i) for i in images if isinstance(i, Mapping) and i["what"] not in BOOTED]
    for image in kept:
        del image["known"]
    return {**older, "hil_evidence": _WITHOUT_CONTEXT, "images": kept}


def _without_unknown(content: JsonObject) -> JsonObject:
    known = _object(content["counting"])
    confidence = known.get("confidence")
    counting = Counting(
        exact=known["kind"] == "exact",
        confidence=confidence if isinstance(confidence, float) else CONFIDENCE,
    )
    by_target = _object(content["by_target"])
    return {
        **content,
        "all": _masked(content["all"], counting),
        "by_target": {target: _masked(part, counting) for target, part in by_target.items()},
    }


def _masked(part: JsonValue, counting: Counting) -> JsonObject:
    """Return a count by effect, with unknown effects as masked ones, and none under an empty
    name."""
    effects = _object(_object(part)["effects"])
    counts = {name: _count(effect) for name, effect in effects.items() if name != UNKNOWN_WORD}
    counts[NodeEffect.MASKED.value] += _count(effects[UNKNOWN_WORD])
    counts[NodeEffect.UNKNOWN.value] = 0
    return outcomes(counts, _integer(_object(part)["faults"]), counting)


def _count(effect: JsonValue) -> int:
    return _integer(_object(effect)["count"])


def _integer(value: JsonValue) -> int:
    assert isinstance(value, int), "it was computed just now"
    return value


def _object(value: JsonValue) -> JsonObject:
    assert isinstance(value, Mapping), "it was computed just now"
    return value
