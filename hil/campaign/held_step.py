"""A step that a board holds for experiments: its trace, its code, and the outcomes of hits."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from hil._kernel import lib
from hil.campaign.coded_series import CodedSeries
from hil.errors import SetupError
from hil.rig.calls import Call
from hil.rig.exchange import run_calls
from hil.rig.node import Node
from hil.rig.rig import Rig
from hil.rig.series_call import SeriesCall
from hil.wire import campaign, decoding, encoding
from hil.wire.draws import DrawPart, DrawSeries, DrawTarget
from hil.wire.messages import Msg, Refusal
from hil.wire.outcomes import Outcomes, unpack_outcomes

__all__ = ["HeldStep"]

_CODE_MAX: Final = 1000  # [byte] of one answer
_BUSY_US: Final = 600_000_000


class HeldStep:
    """The step of `frame` on a node of `rig`, held with the input `input_`. The workload is loaded,
    and the frame before is done. Not thread-safe.

    `opened` says where things lie. Raises: NodeError if the board cannot hold a step; LinkTimeout,
    as all methods."""

    def __init__(self, rig: Rig, node: Node, frame: int, input_: bytes) -> None:
        self._rig = rig
        self._node = node
        self._timing = replace(rig.requests.timing, busy_us=_BUSY_US)
        self._request = encoding.step_request(frame, input_)
        self._codes = True
        self.opened = self._open()

    def _open(self) -> campaign.OpenedStep:
        return campaign.opened(self._ask(Msg.CAMPAIGN_OPEN, self._request))

    def _ask(self, type_: Msg, payload: bytes = b"") -> bytes:
        return self._rig.requests.expect(self._node, self._send(type_, payload))

    def _send(self, type_: Msg, payload: bytes) -> Call:
        return self._rig.requests.send(self._node, type_, payload, self._timing)

    def __enter__(self) -> HeldStep:  # noqa: PYI034  (Python 3.10 has no typing.Self)
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the step go: the board has a worker as before."""
        self._ask(Msg.CAMPAIGN_CLOSE)

    def trace(self) -> bytes:
        """Return the packed trace of the whole step."""
        return b"".join(self._trace_parts())

    def trace_struck(self) -> Iterator[bytes]:
        """Yield the parts of the packed trace of the experiment that stands at its upset, from
        there on, each when it is asked for. It may not end by itself."""
        return self._trace_parts()

    def _trace_parts(self) -> Iterator[bytes]:
        position = 0
        while True:
            request = campaign.position_request(position)
            part = campaign.trace(self._ask(Msg.CAMPAIGN_TRACE, request))
            if part.position != position:
                raise SetupError(f"node {self._node.name}: its trace has a gap at {position}")
            yield part.packed
            position += _instructions(part.packed)
            if part.ended:
                return

    def code(self, address: int, length: int) -> bytes:
        """Return `length` bytes of the worker's memory from `address` on."""
        content = b""
        while len(content) < length:
            count = min(_CODE_MAX, length - len(content))
            request = campaign.code_request(address + len(content), count)
            content += campaign.code(self._ask(Msg.CAMPAIGN_CODE, request)).content
        return content

    def run(
        self,
        sites: Sequence[campaign.Site],
        *,
        severity: bool = False,
        details: campaign.Detail = campaign.Detail.NONE,
    ) -> Outcomes:
        """Carry out the experiments of `sites`, which are in order of position and fit into one
        request. `severity`: the details have the number of wrong bits of each wrong output;
        `details`: what else they have."""
        codes, packed, left = b"", b"", list(sites)
        while True:
            request = campaign.sites_request(left, severity=severity, details=details)
            part = unpack_outcomes(self._ask(Msg.CAMPAIGN_RUN, request))
            codes, packed = codes + part.codes, packed + part.details
            left = campaign.remaining_sites(left, len(part.codes))
            if not left or not part.codes:
                return replace(part, codes=codes, details=packed)

    def follow(self, inputs: Sequence[bytes], *, restored: bool = False) -> int:
        """Give the board the inputs of the steps that follow; return the digest of the fault-free
        state after the last. `restored`: experiments go on from the right state."""
        digest = self.opened.state_digest
        for request in campaign.follow_requests(inputs, restored=restored):
            digest = decoding.sync(self._ask(Msg.CAMPAIGN_FOLLOW, request)).state_digest
        return digest

    def strike(self, site: campaign.Site, stop: campaign.StrikeStop) -> campaign.Struck:
        """Carry out the experiment of `site`, where the last `run` has struck, and leave the worker
        where it stops: `trace_struck` and `code` show what it does and has. The next `run` takes it
        back. Raises also: SetupError if the board's agent cannot do so."""
        call = self._send(Msg.CAMPAIGN_STRIKE, campaign.strike_request(site, stop))
        if isinstance(call.result, Refusal) and call.result.status == lib.HIL_ERR_NOSYS:
            raise SetupError(
                f"the agent of node {self._node.name} cannot stop within an experiment: it is of "
                "an older release",
                remedy="update it: hil board install",
            )
        return campaign.struck(self._rig.requests.expect(self._node, call))

    def can_draw(self, target: DrawTarget) -> bool:
        """Return whether the board draws experiments by itself: it carries out the first of
        `target`. If not, it does not hold the step any more."""
        first, series = [DrawPart(0, 1)], DrawSeries([target])
        call = self._send(Msg.CAMPAIGN_DRAW, series.request(first))
        if isinstance(call.result, Refusal) and call.result.status == lib.HIL_ERR_NOSYS:
            return False  # an older agent
        series.outcomes(first, self._rig.requests.expect(self._node, call))
        return True

    def run_all(
        self,
        requests: Iterable[Sequence[campaign.Site]],
        on_outcomes: Callable[[Outcomes], None],
    ) -> None:
        """Carry out one request after the other, each as `run` with severity; the next is under way
        while the board works on one. `on_outcomes` gets the outcomes of each, in order; what it
        raises ends it. No step that follows is given to the board."""
        left = iter(requests)
        if self._codes:
            left = self._run_coded(left, on_outcomes)
        self._run_series(
            Msg.CAMPAIGN_RUN,
            (campaign.sites_request(sites, severity=True) for sites in left),
            lambda answer: on_outcomes(unpack_outcomes(answer)),
        )

    def _run_coded(
        self, requests: Iterator[Sequence[campaign.Site]], on_outcomes: Callable[[Outcomes], None]
    ) -> Iterator[Sequence[campaign.Site]]:
        """Carry out requests whose answers are coded. Return those that are left if the board's
        agent cannot do that: it is of an older release."""
        while True:
            series = CodedSeries(requests, on_outcomes)
            self._codes = self._run_series(Msg.CAMPAIGN_CODED, series.payloads(), series.take)
            if not self._codes:
                self.opened = self._open()
                return series.left()
            if series.cut is None:
                return iter(())
            sites, outcomes = series.cut
            rest = campaign.remaining_sites(sites, len(outcomes.codes))
            more = self.run(rest, severity=True)
            codes, details = outcomes.codes + more.codes, outcomes.details + more.details
            on_outcomes(replace(more, codes=codes, details=details))
            requests = series.left()

    def run_drawn(
        self,
        series: DrawSeries,
        requests: Iterable[Sequence[DrawPart]],
        on_outcomes: Callable[[Outcomes], None],
    ) -> None:
        """Let the board draw experiments, as `run_all`: of each request it carries out all, or as
        many as fit into an answer. The next request is asked for before the answer to the one
        before it is there."""
        under_way: deque[Sequence[DrawPart]] = deque()

        def payloads() -> Iterator[bytes]:
            for parts in requests:
                under_way.append(parts)
                yield series.request(parts)

        def take(answer: bytes) -> None:
            on_outcomes(series.outcomes(under_way.popleft(), answer))

        self._run_series(Msg.CAMPAIGN_DRAW, payloads(), take)  # `can_draw`

    def _run_series(
        self, type_: Msg, payloads: Iterator[bytes], on_answer: Callable[[bytes], None]
    ) -> bool:
        """Send requests, the next while the board works on one. Return whether its agent knows
        their type; if not, it does not hold the step any more."""
        first = next(payloads, None)
        if first is None:
            return True
        call = SeriesCall(
            self._node.link,
            type_,
            itertools.chain([first], payloads),
            on_answer,
            self._rig.requests.next_seq,
        )
        run_calls([call], self._timing)
        if isinstance(call.result, Refusal) and call.result.status == lib.HIL_ERR_NOSYS:
            return False  # an older agent
        self._rig.requests.expect(self._node, call)
        return True


def _instructions(packed: bytes) -> int:
    """Return how many instructions a packed trace has."""
    count, at = 0, 0
    while at < len(packed):
        changed = packed[at]
        at = _after_varint(packed, at + 1)
        for _ in range(changed):
            at = _after_varint(packed, at + 1)
        count += 1
    return count


def _after_varint(packed: bytes, at: int) -> int:
    while packed[at] & 0x80:
        at += 1
    return at + 1
