"""Faults of bytes that nothing reads or overwrites until the step ends: hits at its end show what
comes of them then."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from hil.campaign.bench import HeldBoard
from hil.campaign.ending_reader import EndingReader, Wanted
from hil.campaign.exact import check_path
from hil.campaign.plan import BITS, ExactPlan
from hil.record.campaign_endings import ExperimentEnding, UnreadEnding, row_of
from hil.wire.campaign import Detail, Site
from hil.wire.outcomes import Outcomes

__all__ = ["AT_ONCE", "hits_at_end", "unread_endings"]

AT_ONCE: Final = 64
"""Bytes whose experiments fit into one request, wherever they lie."""


def hits_at_end(
    board: HeldBoard, plan: ExactPlan, details: Detail
) -> Iterator[tuple[int, list[tuple[int, int]], Outcomes]]:
    """Hit every bit of all bytes that matter at the end of the step. Yields, in parts: the number
    of a region; its bytes, each with its weight; and their outcomes, eight for each byte. Raises:
    SetupError, LinkTimeout, NodeError."""
    for number, (region, unread) in enumerate(zip(plan.regions, plan.unread, strict=True)):
        chosen = unread.matters
        places = list(
            zip(unread.byte[chosen].tolist(), unread.weight[chosen].tolist(), strict=True)
        )
        for at in range(0, len(places), AT_ONCE):
            part = places[at : at + AT_ONCE]
            sites = [Site(plan.length, region.space, region.first + byte) for byte, _ in part]
            outcomes = board.step.run(sites, details=details)
            check_path(board, plan, plan.length, outcomes)
            yield number, part, outcomes


def unread_endings(board: HeldBoard, plan: ExactPlan, wanted: Wanted) -> list[UnreadEnding]:
    """Return what more is `wanted` of the faults that are alive at the end of the step. Raises:
    SetupError, LinkTimeout, NodeError."""
    if not wanted:
        return []
    if wanted.follow:
        board.follow(wanted.follow, restored=False)
    reader, rows = EndingReader(board, wanted), []
    for region, places, outcomes in hits_at_end(board, plan, wanted.details):
        _, more = reader.read(outcomes)
        for (byte, weight), endings in zip(places, _eights(more), strict=True):
            rows.append(UnreadEnding(region, byte, weight, *row_of(endings)))
    return rows


def _eights(endings: Sequence[ExperimentEnding]) -> Iterator[Sequence[ExperimentEnding]]:
    return (endings[at : at + BITS] for at in range(0, len(endings), BITS))
