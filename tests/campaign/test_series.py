"""Requests of experiments of which one waits at the board for the other: the outcomes are those of
single ones, on any line; and how many bytes a line carries for them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from hil.campaign.analysis import analyse
from hil.campaign.bench import HeldBoard, held_node
from hil.campaign.coded_series import CodedSeries
from hil.campaign.exact import ExactExperiments
from hil.campaign.executor import RangeOutcomes
from hil.campaign.ranges import Range
from hil.errors import NodeError
from hil.kernel import Frame
from hil.rig.backends.process import ProcessBoard
from hil.rig.link import Link
from hil.rig.node import Node
from hil.rig.series_call import SeriesCall
from hil.rig.transport import Transport
from hil.scenario import Scenario, UpsetTarget
from hil.wire.campaign import Site, Space
from hil.wire.messages import ANSWER, Msg
from hil.wire.outcomes import Outcomes

from ..rig.faulty import FaultyTransport
from .older_agent import OlderAgent

FRAME = 3
MEMORY = (UpsetTarget.STATE, UpsetTarget.INPUT, UpsetTarget.OUTPUT, UpsetTarget.HEAP)
BUSY = bytes.fromhex("17fe01000000")
"""An ERROR's payload: CAMPAIGN_RUN, HIL_ERR_STATE, detail 1."""


class Board(ProcessBoard):
    """A process board behind a line of any kind."""

    def __init__(self, line: Callable[[Transport], Transport]) -> None:
        super().__init__("a")
        self._line = line

    def connect(self) -> Transport:  # type: ignore[override]  # a transport like any other
        return self._line(super().connect())


Hold = Callable[..., HeldBoard]


@pytest.fixture
def hold() -> Iterator[Hold]:
    with ExitStack() as stack:

        def held(
            workload: str, line: Callable[[Transport], Transport] = lambda t: t, **timeouts: int
        ) -> HeldBoard:
            rig = {"scheme": "simplex", "board": "process"}
            scenario = Scenario.model_validate(
                {"workload": workload, "frames": 10, "rig": rig, "timeouts": timeouts}
            )
            return stack.enter_context(held_node(Node("a", 0, Board(line)), scenario, FRAME))

        yield held


def requests_of(board: HeldBoard, count: int) -> list[list[Site]]:
    """Small requests, so that many are under way one after the other."""
    o, rng = board.step.opened, random.Random(count)
    positions = sorted(rng.randrange(1000) for _ in range(4 * count))
    sites = [Site(at, Space.MEMORY, o.state_at + rng.randrange(64)) for at in positions]
    return [sites[i : i + 4] for i in range(0, len(sites), 4)]


@pytest.mark.ptrace
@pytest.mark.parametrize("count", [0, 1, 2, 3, 30])
def test_a_series_has_the_outcomes_of_single_requests(hold: Hold, count: int) -> None:
    board = hold("attitude")
    requests, series = requests_of(board, count), list[Outcomes]()
    board.step.run_all(requests, series.append)
    assert series == [board.step.run(sites, severity=True) for sites in requests]


@pytest.mark.ptrace
@pytest.mark.parametrize("byte_error", [2e-4, pytest.param(2e-3, marks=pytest.mark.slow)])
def test_a_bad_line_loses_and_repeats_nothing(hold: Hold, byte_error: float) -> None:
    """Whatever is lost, requests or answers, is asked for again, and comes in order."""
    lines: list[FaultyTransport] = []

    def bad(inner: Transport) -> Transport:
        lines.append(FaultyTransport(inner, random.Random(7)))
        return lines[-1]

    board = hold("attitude", bad)
    requests = requests_of(board, 120)
    expected = [board.step.run(sites, severity=True) for sites in requests]
    lines[0]._byte_error = byte_error
    series: list[Outcomes] = []
    board.step.run_all(requests, series.append)
    lines[0]._byte_error = 0.0
    assert series == expected
    assert board.node.link.statistics.retries > 0


@pytest.mark.ptrace
def test_a_refused_request_ends_a_series_and_what_came_before_counts(hold: Hold) -> None:
    board = hold("attitude")
    requests, series = requests_of(board, 6), list[Outcomes]()
    requests[3] = [Site(10**6, Space.GPR, 0)]  # past the end of the step
    with pytest.raises(NodeError, match="argument out of range"):
        board.step.run_all(requests, series.append)
    assert series == [board.step.run(sites, severity=True) for sites in requests[:3]]


@pytest.mark.ptrace
def test_what_looks_at_the_outcomes_may_end_a_series(hold: Hold) -> None:
    board = hold("attitude")
    requests = requests_of(board, 6)
    seen: list[Outcomes] = []

    def look(outcomes: Outcomes) -> None:
        seen.append(outcomes)
        if len(seen) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        board.step.run_all(requests, look)
    assert seen == [board.step.run(sites, severity=True) for sites in requests[:3]]


class Written:
    """A transport that keeps what is written."""

    fd: int | None = None

    def __init__(self) -> None:
        self.frames: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.frames.append(data)

    def read(self) -> bytes:
        return b""

    def close(self) -> None: ...


def test_a_request_that_was_refused_as_busy_is_sent_when_the_one_before_is_answered() -> None:
    """So answer agents that keep no second request."""
    written = Written()
    sent, link = written.frames, Link("a", written)
    numbers = iter(range(1, 100))
    answers: list[bytes] = []
    payloads = iter([b"one", b"two", b"three"])
    call = SeriesCall(link, Msg.CAMPAIGN_RUN, payloads, answers.append, numbers.__next__)
    call.begin()
    assert len(sent) == 2
    assert call.accept(Frame(Msg.ERROR, 2, BUSY)) and call.busy and call.result is None
    assert call.accept(Frame(Msg.CAMPAIGN_RUN | ANSWER, 1, b"1"))
    assert sent[2:] == [sent[2], sent[1]] and answers == [b"1"]
    call.repeat()
    assert len(sent) == 4, "the board has just answered"
    call.repeat()
    assert sent[4:] == [sent[1], sent[2]]
    assert call.accept(Frame(Msg.CAMPAIGN_RUN | ANSWER, 3, b"3")) and answers == [b"1"]
    assert call.accept(Frame(Msg.CAMPAIGN_RUN | ANSWER, 2, b"2"))
    assert answers == [b"1", b"2", b"3"] and call.result == b""


# --- a slow line --------------------------------------------------------------------------------

BYTES_PER_S = 11_520
"""Of a line of 115200 baud."""


@pytest.mark.ptrace
@pytest.mark.parametrize("workload", ["attitude", pytest.param("sha256", marks=pytest.mark.slow)])
def test_the_bytes_of_an_experiment_leave_a_slow_line_time(hold: Hold, workload: str) -> None:
    """Bytes travel in both directions while the board works, so the direction with more of them
    counts. A hash shows every fault: nothing has more to say than its outcomes."""
    board = hold(workload, retry_ms=600_000, lost_after_ms=1_200_000)  # nothing is repeated
    plan = analyse(board, MEMORY).plan
    experiments = ExactExperiments(plan, board.step.opened, board.limit_us)
    statistics = board.node.link.statistics
    before = statistics.tx_bytes, statistics.rx_bytes
    parts: list[RangeOutcomes] = []
    units = Range(0, min(plan.classes, 1000))
    experiments.carry_out(board, units, parts.append, lambda: False)
    count = sum(len(part.effects) for part in parts)
    assert count == 8 * units.end
    there = (statistics.tx_bytes - before[0]) / count
    back = (statistics.rx_bytes - before[1]) / count
    assert there <= 0.25 and back <= 0.75
    assert BYTES_PER_S / max(there, back) > 15_000


# --- coded answers ------------------------------------------------------------------------------


@pytest.mark.ptrace
def test_an_agent_that_does_not_code_is_asked_as_before(hold: Hold) -> None:
    older: list[OlderAgent] = []

    def line(inner: Transport) -> Transport:
        older.append(OlderAgent(inner, Msg.CAMPAIGN_CODED))
        return older[-1]

    board, newer = hold("attitude", line), hold("attitude")
    requests, series = requests_of(board, 5), list[Outcomes]()
    opened = board.step.opened
    board.step.run_all(requests, series.append)
    board.step.run_all(requests, series.append)
    assert series == 2 * [newer.step.run(sites, severity=True) for sites in requests]
    assert (board.step.opened, older[0].refused) == (opened, 2)  # both requests that were sent


def test_what_did_not_fit_into_a_coded_answer_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer to the second request has one of its two experiments."""
    answers = {b"1": 2, b"2": 1, b"3": 2, b"4": 2}
    monkeypatch.setattr(
        "hil.campaign.coded_series.unpack_coded",
        lambda _request, answer: Outcomes(0, 0, bytes(answers[answer]), b""),
    )
    requests = [[Site(i, Space.GPR, 0, 0x03)] for i in range(4)]
    taken: list[Outcomes] = []
    series = CodedSeries(iter(requests), taken.append)
    payloads = series.payloads()
    assert next(payloads) and next(payloads)
    series.take(b"1")
    assert next(payloads)
    series.take(b"2")
    assert next(payloads, None) is None
    series.take(b"3")
    assert len(taken) == 1
    assert series.cut == (requests[1], Outcomes(0, 0, b"\0", b""))
    assert list(series.left()) == requests[2:]
