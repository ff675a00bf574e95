"""The characters of a text that single hits cost, by the place of the hit in its passage.

Each experiment flips one bit of the model between two frames, and lets it write to the end of the
passage. What is hit: a weight, or the memory of the character that was read last, of the prompt or
of the model's own text. The hits of `lm+abft` are those of `lm`. Drawn from a seed, computed in
this process by the kernel; the same everywhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from hil.errors import UsageError
from hil.json_values import JsonObject
from hil.kernel import Golden, Random
from hil.random_streams import stream
from hil.scenario.output_meaning import character, passage_frames
from hil.scenario.outputs import bare_name

__all__ = ["TextHits", "text_hits"]

_MODEL: Final = "lm"
_PROMPT: Final = "prompt"
_WEIGHTS_AT, _CACHE_AT = 88, 103_064  # offsets in the state (csrc/kernel/workloads/lm_step.h)
_LAYERS, _WINDOW, _WIDTH = 2, 64, 64
_FORCED_AT, _NOT_FORCED = 1, 255  # of an input
_PARTS: Final = ("weight", "cache")


@dataclass(frozen=True, slots=True)
class TextHits:
    """The experiments of one row: hits of `part` while the passage was in `phase`, its frames from
    `first` to `last`. `changed` of the `hits` changed the text; `lost` characters of the passage
    differ in all, of `following` that were written after the hits."""

    part: str
    phase: str
    first: int
    last: int
    hits: int
    changed: int
    lost: int
    following: int

    @property
    def changed_share(self) -> float:
        """Return the share of the hits that changed the text."""
        return self.changed / self.hits if self.hits else 0.0

    @property
    def lost_per_hit(self) -> float:
        """Return the mean number of wrong characters of a hit."""
        return self.lost / self.hits if self.hits else 0.0

    @property
    def lost_share(self) -> float:
        """Return the share of the characters after a hit that are wrong."""
        return self.lost / self.following if self.following else 0.0

    def as_json(self) -> JsonObject:
        """Return the row for --json."""
        return {
            "part": self.part,
            "phase": self.phase,
            "frames": [self.first, self.last],
            "hits": self.hits,
            "changed": self.changed,
            "lost_per_hit": self.lost_per_hit,
            "lost_share": self.lost_share,
        }


class _Passages:
    """The fault-free passages of a seed: their outputs, and the state before each frame."""

    def __init__(self, workload: str, seed: int) -> None:
        self.frames = passage_frames(_MODEL) or 1
        self._golden = Golden(workload, seed)
        self._initial = self._golden.state
        self._passage = -1
        self.states: list[bytes] = []
        self.text: list[str] = []
        self.prompt = 0

    def begin(self, passage: int) -> None:
        """Compute a passage."""
        if passage == self._passage:
            return
        self._passage, self.states, self.text, self.prompt = passage, [], [], 0
        golden = self._golden
        golden.resume(passage * self.frames, self._initial)
        for _ in range(self.frames):
            self.states.append(golden.state)
            golden.step()
            self.text.append(character(_MODEL, golden.output) or "")
            self.prompt += golden.input[_FORCED_AT] != _NOT_FORCED

    def lost(self, place: int, bit: int) -> int:
        """Return how many characters differ if a bit of the state is flipped before `place`."""
        golden, state = self._golden, bytearray(self.states[place])
        state[bit // 8] ^= 1 << bit % 8
        golden.resume(self._passage * self.frames + place, bytes(state))
        lost = 0
        for right in self.text[place:]:
            golden.step()
            lost += character(_MODEL, golden.output) != right
        return lost


def _bit(part: str, place: int, random: Random) -> int:
    """Return a random bit of a weight, or of the memory of the character before `place`."""
    if part == _PARTS[0]:
        return 8 * _WEIGHTS_AT + random.below(8 * (_CACHE_AT - _WEIGHTS_AT))
    region = random.below(2 * _LAYERS)
    at = _CACHE_AT + (region * _WINDOW + (place - 1) % _WINDOW) * _WIDTH
    return 8 * at + random.below(8 * _WIDTH)


def _phases(prompt: int, frames: int) -> Iterator[tuple[str, int, int]]:
    """Yield the parts of a passage: their name, and the first and last place of a hit. The step
    after the hit reads what was hit, so that places begin at 1."""
    yield _PROMPT, 1, prompt
    edges = (prompt + 1, frames // 4, frames // 2, 3 * frames // 4)
    names = ("1st quarter", "2nd quarter", "3rd quarter", "4th quarter")
    ends = (*(edge - 1 for edge in edges[1:]), frames - 1)
    yield from zip(names, edges, ends, strict=True)


def text_hits(workload: str, seed: int, hits: int) -> list[TextHits]:
    """Carry out `hits` experiments for each part of the model and of the passage, eight of them in
    one passage. Raises: UsageError for a workload that writes no text."""
    if bare_name(workload) != _MODEL:
        raise UsageError(
            f"the workload `{workload}` writes no text", remedy=f"a scenario of `{_MODEL}`"
        )
    passages, random = _Passages(workload, seed), stream(seed, "text-hits")
    rows: dict[tuple[str, str], list[int]] = {}
    spans: dict[str, tuple[int, int]] = {}
    for number in range(hits):
        passages.begin(number // 8)
        for phase, first, last in _phases(passages.prompt, passages.frames):
            low, high = spans.get(phase, (first, last))
            spans[phase] = min(low, first), max(high, last)
            for part in _PARTS:
                place = first + random.below(last - first + 1)
                lost = passages.lost(place, _bit(part, place, random))
                row = rows.setdefault((part, phase), [0, 0, 0, 0])
                for i, value in enumerate((1, lost > 0, lost, passages.frames - place)):
                    row[i] += value
    return [TextHits(*key, *spans[key[1]], *row) for key, row in sorted(rows.items(), key=_order)]


def _order(item: tuple[tuple[str, str], list[int]]) -> tuple[int, int]:
    phases = [name for name, _, _ in _phases(1, 256)]
    return _PARTS.index(item[0][0]), phases.index(item[0][1])
