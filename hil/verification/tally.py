"""Counts of a record: what its frames and rows sum up to."""

from __future__ import annotations

from collections import Counter
from typing import Final

import numpy as np

from hil.errors import RecordError
from hil.record.queries import recoveries
from hil.record.reader import Reader
from hil.record.record_tables import RecordTable
from hil.record.row_counts import (
    count_rows,
    count_upsets,
    executed_commands,
    frames_skipped,
    injected_by_activation,
    injected_by_effect,
    injected_by_outcome,
    injected_by_target,
    injected_events,
    injected_upsets,
    isolated_nodes,
    skips,
)
from hil.record.run_result import RecordTally, UpsetEvents, UpsetTotals
from hil.redundancy.voting import (
    CORRECT,
    DELIVERED,
    HELD,
    HELD_WRONG,
    MAX_NODES,
    VerdictKind,
    record_length,
)

__all__ = ["tally"]

_VERDICT_AT: Final = 8  # bytes of a packed frame (hil.record.schema)
_VOTERS_AT: Final = 10
_FLAGS_AT: Final = 11
_POPCOUNT: Final = np.array([n.bit_count() for n in range(256)])


def tally(reader: Reader) -> RecordTally:
    """Count the frames and rows of a run. Raises: RecordError if a block is damaged."""
    size = record_length(len(reader.node_names))
    verdicts: Counter[int] = Counter()
    frames = available = wrong = 0
    skipped_before = skips(reader)
    held = 0
    last_available = last_wrong = last_held = False
    voting = np.zeros(MAX_NODES + 1, np.int64)
    last_voters = 0
    for first, count, data in reader.blocks():
        if len(data) != count * size:
            raise RecordError(
                f"{reader.path} is damaged: the block of frame {first} has a wrong size"
            )
        packed = np.frombuffer(data, np.uint8).reshape(count, size)
        kinds, counts = np.unique(packed[:, _VERDICT_AT], return_counts=True)
        verdicts.update(dict(zip(kinds.tolist(), counts.tolist(), strict=True)))
        flags = packed[:, _FLAGS_AT]
        delivered, correct = (flags & DELIVERED) != 0, (flags & CORRECT) != 0
        weights = np.ones(count, np.int64)  # a skipped frame counts like the next one
        for frame in [k for k in skipped_before if first <= k < first + count]:
            weights[frame - first] += skipped_before.pop(frame)
        frames += count
        available += int(weights[delivered & correct].sum())
        wrong_here = (delivered & ~correct) | ((flags & HELD_WRONG) != 0)
        held_here = (flags & HELD) != 0
        wrong += int(weights[wrong_here].sum())
        held += int(weights[held_here].sum())
        voters = _POPCOUNT[packed[:, _VOTERS_AT]]
        voting += np.bincount(voters, weights, MAX_NODES + 1).astype(np.int64)
        last_voters = int(voters[-1])
        last_available = bool(delivered[-1] & correct[-1])
        last_wrong, last_held = bool(wrong_here[-1]), bool(held_here[-1])
    at_end = sum(skipped_before.values())
    available += at_end * last_available
    wrong += at_end * last_wrong
    held += at_end * last_held
    if frames:
        voting[last_voters] += at_end
    return RecordTally(
        frames=frames,
        skipped=frames_skipped(reader),
        verdicts={k.word: verdicts[int(k)] for k in VerdictKind},
        voting={n: int(count) for n, count in enumerate(voting)},
        upsets=_upset_totals(reader),
        upset_kinds=tuple(count_upsets(reader)),
        isolated=isolated_nodes(reader),
        commands=executed_commands(reader),
        recoveries=recoveries(reader),
        available=available,
        slips=count_rows(reader, RecordTable.SLIPS),
        unexplained=count_rows(reader, RecordTable.ANOMALIES),
        sdc_frames=wrong,
        held_frames=held,
    )


def _upset_totals(reader: Reader) -> UpsetTotals:
    injected = injected_upsets(reader)
    return UpsetTotals(
        injected=injected,
        verified=injected,
        not_injected=count_rows(reader, RecordTable.UPSETS) - injected,
        events=UpsetEvents(injected_events(reader)),
        by_target=injected_by_target(reader),
        by_node_effect=injected_by_effect(reader),
        by_system_outcome=injected_by_outcome(reader),
        by_activation=injected_by_activation(reader),
    )
