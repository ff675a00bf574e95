"""The journal of one node's experiments in the proof of a scheme, beside the file of the proof."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from itertools import starmap
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple

from hil.campaign.ranges import Range, missing_ranges
from hil.record.campaign_journal import CampaignJournal, journal_path
from hil.wire.outcomes import Differs, Fate, Outcome

__all__ = ["Kind", "ProofJournal", "node_journal"]

_KIND_BYTES: Final = 5
_BITS: Final = 8


class Kind(NamedTuple):
    """The behaviour of a node after an upset, as far as the scheme can tell: all upsets of a kind
    are one and the same to it. `output`: a wrong output that stands for all with which a voter by
    value decides alike; empty for the exact majority."""

    outcome: Outcome
    failure: int
    differs: Differs
    fate: Fate
    fate_step: int
    output: bytes = b""


def node_journal(result: Path, node: str) -> Path:
    """Return where the journal of a node stands while the proof `result` is carried out."""
    return journal_path(result.with_name(f"{result.name}.{node}"))


class ProofJournal:
    """The kinds of answers of a node with `classes` classes of faults, as far as they are known:
    kept in memory, and, if there is to be a `result`, in a journal beside it, which has no wrong
    outputs. `identity` names the proof. Use it as a context manager. Raises: RecordError, as all
    methods."""

    def __init__(
        self, result: Path | None, node: str, identity: Mapping[str, str], classes: int
    ) -> None:
        self._classes = classes
        self._kept: dict[int, bytes] = {}
        self._outputs: dict[bytes, int] = {}
        self._output_numbers: dict[int, array[int]] = {}
        self._journal: CampaignJournal | None = None
        if result is not None:
            self._journal = CampaignJournal(node_journal(result, node), identity)
            self._kept.update(self._journal.endings())

    def __enter__(self) -> ProofJournal:  # noqa: PYI034  (Python 3.10 has no typing.Self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._journal is not None:
            self._journal.__exit__(kind, error, trace)

    @property
    def done(self) -> int:
        """Return of how many classes the experiments are known."""
        return sum(map(len, self._kept.values())) // (_BITS * _KIND_BYTES)

    def missing(self) -> list[Range]:
        """Return the classes of which they are not."""
        size = _BITS * _KIND_BYTES
        done = [(first, len(packed) // size) for first, packed in sorted(self._kept.items())]
        return missing_ranges(done, self._classes)

    def add(self, first: int, kinds: Sequence[Kind]) -> None:
        """Keep the kinds of the classes from `first` on, eight of each."""
        packed = bytes(number for kind in kinds for number in map(int, kind[:_KIND_BYTES]))
        if self._journal is not None:
            nothing = bytes(len(kinds))
            self._journal.add(first, nothing, nothing, packed)
        self._kept[first] = packed
        if any(kind.output for kind in kinds):
            table = self._outputs
            known = (table.setdefault(kind.output, len(table)) for kind in kinds)
            self._output_numbers[first] = array("I", known)

    def parts(self) -> Iterator[tuple[int, list[Kind]]]:
        """Yield what is known, by class: where it begins, and its kinds."""
        for first, packed in sorted(self._kept.items()):
            fields = zip(*(iter(packed),) * _KIND_BYTES, strict=True)
            kinds = list(starmap(_kind, fields))
            numbers = self._output_numbers.get(first)
            if numbers is not None:
                outputs = list(self._outputs)
                kinds = [k._replace(output=outputs[n]) for k, n in zip(kinds, numbers, strict=True)]
            yield first, kinds


def _kind(outcome: int, failure: int, differs: int, fate: int, step: int) -> Kind:
    return Kind(Outcome(outcome), failure, Differs(differs), Fate(fate), step)
