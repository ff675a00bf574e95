"""Two campaigns compared: what faults come to in each, in absolute numbers.

Shares alone mislead: a program that does more, or keeps more, has more faults, and a larger part of
them may be harmless while more of them do harm. So what is compared is how many faults of a step do
harm: bits times instructions, all of which are equally likely. (Schirmeier, Borchert, Spinczyk:
Avoiding pitfalls in fault-injection based comparison of program susceptibility to soft errors,
DSN 2015.)"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from hil.analysis.fault_sums import FAILURES, FaultSums, chosen, fault_sums
from hil.analysis.pairing import Pairing, pair
from hil.json_values import JsonObject
from hil.record.campaign_file import CampaignFile
from hil.record.campaign_rows import EFFECTS, CampaignMeta, InstructionRow
from hil.record.campaign_summary import TargetTotals, campaign_summary
from hil.upsets.words import NodeEffect

__all__ = [
    "HARM",
    "Comparison",
    "HotInstruction",
    "HotPlace",
    "Quantity",
    "Side",
    "compare",
    "conditions",
    "factor_text",
]

HARM: Final[Mapping[str, Sequence[NodeEffect]]] = {
    "silent corruptions": (NodeEffect.SDC,),
    "failures": FAILURES,
    "latent faults": (NodeEffect.LATENT,),
}
"""What counts as harm, the worst first, by name."""

_MEMORY: Final = ("state", "input", "output", "heap")


@dataclass(frozen=True, slots=True)
class Quantity:
    """One number of both campaigns."""

    name: str
    a: float
    b: float

    @property
    def difference(self) -> float:
        """Return how much more B has."""
        return self.b - self.a

    @property
    def factor(self) -> float | None:
        """Return how many times that of A B has; None if A has none."""
        return self.b / self.a if self.a else None

    def as_json(self) -> JsonObject:
        """Return the quantity as a JSON object."""
        return {"a": self.a, "b": self.b, "difference": self.difference, "factor": self.factor}


@dataclass(frozen=True, slots=True)
class HotPlace:
    """A place (a byte, or a function) that is among the worst of A or B: how much harm it carries
    in each, and its rank there, from 1; None where it carries none."""

    name: str
    a: int
    b: int
    rank_a: int | None
    rank_b: int | None


@dataclass(frozen=True, slots=True)
class HotInstruction:
    """One of the worst instructions of a campaign, and how much harm it carries."""

    row: InstructionRow
    count: int


@dataclass(frozen=True, slots=True)
class Side:
    """One of the campaigns. `faults`: bits times instructions of the targets that both have."""

    path: str
    meta: CampaignMeta
    totals: Mapping[str, TargetTotals]
    instructions: tuple[HotInstruction, ...]

    @property
    def memory(self) -> int:
        """Return the memory [byte] of the targets that are the program's own."""
        return sum(t.length for name, t in self.totals.items() if name in _MEMORY)

    def count(self, effects: Sequence[NodeEffect]) -> int:
        """Return how many faults, of all targets, come to one of `effects`."""
        return sum(t.effects[effect] for t in self.totals.values() for effect in effects)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two campaigns beside each other, over the targets that both have.

    `ranked_by`: the name in `HARM` of what places are ranked by: the worst that any fault of either
    does. `notes`: in which conditions the two differ."""

    a: Side
    b: Side
    targets: Mapping[str, tuple[Quantity, ...]]
    total: tuple[Quantity, ...]
    cost: tuple[Quantity, ...]
    pairing: Pairing
    ranked_by: str
    bytes: tuple[HotPlace, ...]
    functions: tuple[HotPlace, ...]
    notes: tuple[str, ...]

    def harm(self, name: str) -> Quantity:
        """Return how many faults of all targets do the harm `name` of `HARM`."""
        effects = HARM[name]
        return Quantity(name, self.a.count(effects), self.b.count(effects))

    @property
    def verdict(self) -> str:
        """Return the result in a sentence or two."""
        silent, latent = self.harm("silent corruptions"), self.harm("latent faults")
        if not (silent.a or silent.b):
            loud = self.harm("failures")
            first = loud if loud.a or loud.b else None
        else:
            first = silent
        parts = [] if first is None else [_sentence(first)]
        if first is not None and len(self.targets) > 1 and first.a != first.b:
            parts.append(self._where(first.name))
        if latent.a or latent.b or first is None:
            parts.append(_sentence(latent))
        longer = self.cost[0]
        if longer.factor not in (None, 1):
            parts.append(
                f"B's step takes {factor_text(longer.b / longer.a)} times the instructions."
            )
        return " ".join(parts)

    def _where(self, name: str) -> str:
        """Return in which target the harm `name` has changed most."""
        effects = HARM[name]
        changed = [
            Quantity(target, *(sum(t.effects[e] for e in effects) for t in pair_of))
            for target, pair_of in (
                (target, (self.a.totals[target], self.b.totals[target])) for target in self.targets
            )
        ]
        most = max(changed, key=lambda q: abs(q.difference))
        return f"It has changed most in {most.name}: from {most.a:,} to {most.b:,}."

    def as_json(self) -> JsonObject:
        """Return the comparison as a JSON object."""
        return {
            "verdict": self.verdict,
            "a": _side_json(self.a),
            "b": _side_json(self.b),
            "targets": {
                target: {q.name: q.as_json() for q in quantities}
                for target, quantities in (*self.targets.items(), ("all", self.total))
            },
            "cost": {q.name: q.as_json() for q in self.cost},
            "pairing": self.pairing.as_json(),
            "ranked_by": self.ranked_by,
            "bytes": [_place_json(place) for place in self.bytes],
            "functions": [_place_json(place) for place in self.functions],
            "notes": list(self.notes),
        }


def factor_text(factor: float) -> str:
    """Return a factor for a sentence: three digits, or all before the decimal point."""
    return f"{factor:,.0f}" if factor >= 1000 else f"{factor:.3g}"


def _sentence(q: Quantity) -> str:
    if q.a == q.b:
        return f"A and B have the same number of {q.name} ({q.a:,})." if q.a else f"No {q.name}."
    if not q.a:
        return f"B has {q.b:,} {q.name}, A has none."
    if not q.b:
        return f"B has no {q.name}, A has {q.a:,}."
    return f"B has {factor_text(q.b / q.a)} times the {q.name} of A: {q.b:,} against {q.a:,}."


def compare(a: CampaignFile, b: CampaignFile, top: int) -> Comparison:
    """Compare two exact campaigns; `top` places of each are listed.

    Raises: RecordError; ValueError if they have no target in common."""
    summaries = campaign_summary(a), campaign_summary(b)
    totals_a, totals_b = ({t.target: t for t in summary.targets} for summary in summaries)
    shared = [target for target in totals_a if target in totals_b]
    if not shared:
        raise ValueError("no common target")
    sums_a, sums_b = fault_sums(a), fault_sums(b)
    ranked_by = _worst(totals_a, totals_b, shared)
    effects = HARM[ranked_by]
    of_a = {target: totals_a[target] for target in shared}
    of_b = {target: totals_b[target] for target in shared}
    side_a = Side(str(a.path), a.meta, of_a, _hot_instructions(sums_a, effects, top))
    side_b = Side(str(b.path), b.meta, of_b, _hot_instructions(sums_b, effects, top))
    return Comparison(
        side_a,
        side_b,
        {target: _quantities(of_a[target], of_b[target]) for target in shared},
        _quantities(_all(of_a), _all(of_b)),
        _cost(side_a, side_b),
        pair(a, b),
        ranked_by,
        _hot(_bytes(sums_a, shared, effects), _bytes(sums_b, shared, effects), top),
        _hot(_functions(sums_a, effects), _functions(sums_b, effects), top),
        conditions(a, b),
    )


def _worst(
    a: Mapping[str, TargetTotals], b: Mapping[str, TargetTotals], shared: Sequence[str]
) -> str:
    """Return the name of the worst harm that any fault does."""
    seen = {e for side in (a, b) for target in shared for e, n in side[target].effects.items() if n}
    return next((name for name, effects in HARM.items() if seen & set(effects)), "latent faults")


def _all(totals: Mapping[str, TargetTotals]) -> TargetTotals:
    effects: Counter[NodeEffect] = Counter()
    for one in totals.values():
        effects += one.effects
    length, faults, measured, overwritten = (
        sum(getattr(t, name) for t in totals.values())
        for name in ("length", "faults", "measured", "overwritten")
    )
    return TargetTotals("all", length, faults, measured, overwritten, effects)


def _quantities(a: TargetTotals, b: TargetTotals) -> tuple[Quantity, ...]:
    rows = [Quantity("faults", a.faults, b.faults)]
    rows += [
        Quantity(effect.value, a.effects[effect], b.effects[effect])
        for effect in EFFECTS
        if effect is not NodeEffect.MASKED and (a.effects[effect] or b.effects[effect])
    ]
    failures = [sum(t.effects[effect] for effect in FAILURES) for t in (a, b)]
    rows.append(Quantity("failures", *failures))
    return tuple(rows)


def _cost(a: Side, b: Side) -> tuple[Quantity, ...]:
    """Return what each costs, and how many bits are open to failure at any moment: the failures
    divided by the instructions."""
    failures = [side.count(FAILURES) / side.meta.instructions for side in (a, b)]
    return (
        Quantity("instructions", a.meta.instructions, b.meta.instructions),
        Quantity("memory", a.memory, b.memory),
        Quantity("open bits", *failures),
    )


def _bytes(
    sums: FaultSums, targets: Sequence[str], effects: Sequence[NodeEffect]
) -> dict[str, int]:
    return {
        f"{target} {byte}": count
        for target in targets
        for byte, count in enumerate(chosen(sums.by_byte[target], effects).tolist())
        if count
    }


def _functions(sums: FaultSums, effects: Sequence[NodeEffect]) -> dict[str, int]:
    counts = {name: int(chosen(s, effects)) for name, s in sums.by_function().items()}
    return {name: count for name, count in counts.items() if count}


def _hot(a: Mapping[str, int], b: Mapping[str, int], top: int) -> tuple[HotPlace, ...]:
    ranked_a, ranked_b = (sorted(side, key=side.__getitem__, reverse=True) for side in (a, b))
    rank_a, rank_b = ({n: i for i, n in enumerate(r, start=1)} for r in (ranked_a, ranked_b))
    names = dict.fromkeys((*ranked_a[:top], *ranked_b[:top]))
    places = [HotPlace(n, a.get(n, 0), b.get(n, 0), rank_a.get(n), rank_b.get(n)) for n in names]
    return tuple(sorted(places, key=lambda place: max(place.a, place.b), reverse=True))


def _hot_instructions(
    sums: FaultSums, effects: Sequence[NodeEffect], top: int
) -> tuple[HotInstruction, ...]:
    counts = chosen(sums.by_instruction, effects).tolist()
    order = sorted(range(len(counts)), key=counts.__getitem__, reverse=True)
    return tuple(HotInstruction(sums.instructions[i], counts[i]) for i in order[:top] if counts[i])


def conditions(a: CampaignFile, b: CampaignFile) -> tuple[str, ...]:
    """Return in which conditions two campaigns differ, besides the program."""
    notes = []
    for name in ("workload", "seed", "frame", "board", "arch"):
        of_a, of_b = getattr(a.meta, name), getattr(b.meta, name)
        if of_a != of_b:
            notes.append(f"{name}: {of_a} in A, {of_b} in B")
    targets_a, targets_b = a.meta.targets, b.meta.targets
    for side, own, others in (("A", targets_a, targets_b), ("B", targets_b, targets_a)):
        alone = [target for target in own if target not in others]
        if alone:
            notes.append(f"only {side} has {', '.join(alone)}: left out")
    return tuple(notes)


def _side_json(side: Side) -> JsonObject:
    return {
        "file": side.path,
        "workload": side.meta.workload,
        "seed": side.meta.seed,
        "frame": side.meta.frame,
        "arch": side.meta.arch,
        "instructions": side.meta.instructions,
        "memory": side.memory,
        "worst_instructions": [
            {
                "address": hot.row.address,
                "text": hot.row.text,
                "function": hot.row.symbol,
                "file": hot.row.file,
                "line": hot.row.line,
                "count": hot.count,
            }
            for hot in side.instructions
        ],
    }


def _place_json(place: HotPlace) -> JsonObject:
    return {
        "place": place.name,
        "a": place.a,
        "b": place.b,
        "rank_a": place.rank_a,
        "rank_b": place.rank_b,
    }
