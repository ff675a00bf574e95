"""Requests of listed experiments whose answers are coded, one after the other: what was asked for,
and what is left to be asked for where an answer was too short for its request."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from hil.wire.campaign import Site, sites_request
from hil.wire.outcomes import Outcomes, unpack_coded

__all__ = ["CodedSeries"]


class CodedSeries:
    """The experiments of each of `requests` are asked for in one message; `on_outcomes` gets the
    outcomes of each, in order. The series ends at the first answer that has not all of its request:
    that is `cut` then, its sites and the outcomes that it has."""

    def __init__(
        self, requests: Iterator[Sequence[Site]], on_outcomes: Callable[[Outcomes], None]
    ) -> None:
        self._requests: Final = requests
        self._on_outcomes = on_outcomes
        self._under_way: deque[tuple[Sequence[Site], bytes]] = deque()
        self._ignored: list[Sequence[Site]] = []
        self.cut: tuple[Sequence[Site], Outcomes] | None = None

    def payloads(self) -> Iterator[bytes]:
        """Yield the payload of each message, until the series ends."""
        for sites in self._requests:
            payload = sites_request(sites, severity=True)
            self._under_way.append((sites, payload))
            yield payload
            if self.cut is not None:
                return

    def take(self, answer: bytes) -> None:
        """Take the answer to the next message. Raises: KernelError if it is not one; what
        `on_outcomes` raises."""
        sites, payload = self._under_way.popleft()
        if self.cut is not None:
            self._ignored.append(sites)  # it comes again, after what is missing before it
            return
        outcomes = unpack_coded(payload, answer)
        if len(outcomes.codes) < sum(site.experiments for site in sites):
            self.cut = sites, outcomes
        else:
            self._on_outcomes(outcomes)

    def left(self) -> Iterator[Sequence[Site]]:
        """Return the requests that have no outcomes yet, without that of `cut`."""
        under_way = [sites for sites, _ in self._under_way]
        return itertools.chain(self._ignored, under_way, self._requests)
