"""Samples that a board draws by itself: they come to what listed ones come to, on any line and with
any agent; and a line of 115200 baud carries more of them than a board can do."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from hil.campaign.bench import HeldBoard, held_board, held_node
from hil.campaign.board_samples import BoardSamples, survey_board
from hil.campaign.drawn_samples import DrawnFaults
from hil.campaign.executor import RangeOutcomes
from hil.campaign.ranges import Range
from hil.campaign.request_size import RequestSize
from hil.campaign.sampling import draw, target_draws
from hil.rig.backends.process import ProcessBoard
from hil.rig.node import Node
from hil.rig.transport import Transport
from hil.scenario import Scenario, UpsetTarget, load_scenario
from hil.wire.draws import DRAWN_MAX, DrawSeries
from hil.wire.messages import Msg
from hil.wire.outcomes import Outcomes

from ..rig.faulty import FaultyTransport
from ..virtual_clock import VirtualClock
from .older_agent import OlderAgent

FRAME = 3
MEMORY = (UpsetTarget.STATE, UpsetTarget.INPUT, UpsetTarget.OUTPUT, UpsetTarget.HEAP)
Line = Callable[[Transport], Transport]


class Board(ProcessBoard):
    """A process board behind a line of any kind."""

    def __init__(self, line: Line) -> None:
        super().__init__("a")
        self._line = line

    def connect(self) -> Transport:  # type: ignore[override]  # a transport like any other
        return self._line(super().connect())


Hold = Callable[..., HeldBoard]


@pytest.fixture
def hold() -> Iterator[Hold]:
    with ExitStack() as stack:

        def held(
            workload: str = "attitude", line: Line = lambda t: t, **timeouts: int
        ) -> HeldBoard:
            rig = {"scheme": "simplex", "board": "process"}
            scenario = Scenario.model_validate(
                {"workload": workload, "frames": 10, "rig": rig, "timeouts": timeouts}
            )
            return stack.enter_context(held_node(Node("a", 0, Board(line)), scenario, FRAME))

        yield held


PATIENT = {"retry_ms": 600_000, "lost_after_ms": 1_200_000}
"""For tests that count bytes: on a busy computer no request is repeated."""


def samples(
    board: HeldBoard,
    count: int,
    *,
    frames: tuple[int, ...] = (FRAME,),
    targets: tuple[UpsetTarget, ...] = MEMORY,
) -> tuple[BoardSamples, BoardSamples]:
    """The same faults, to be drawn by the board and to be listed."""
    survey = survey_board(board, frames, targets)
    how = (survey.space, [count // len(targets)] * len(targets), 5, 0, 0)
    table = draw(*how)
    faults = table.chosen(table.order)
    return survey.experiments(faults, 0, target_draws(*how)), survey.experiments(faults, 0)


def results(board: HeldBoard, experiments: BoardSamples) -> list[tuple[int, int, int]]:
    """Unit, effect and detail of all experiments, in the order in which they were kept."""
    parts: list[RangeOutcomes] = []
    units = Range(0, len(experiments.faults))
    experiments.carry_out(board, units, parts.append, lambda: False)
    return [
        (part.first + i, effect, detail)
        for part in parts
        for i, (effect, detail) in enumerate(zip(part.effects, part.details, strict=True))
    ]


@pytest.mark.ptrace
def test_drawn_faults_come_to_what_listed_ones_do(hold: Hold) -> None:
    board = hold()
    drawn, listed = samples(board, 3000, frames=(FRAME, FRAME + 2))
    assert drawn.drawn is not None and listed.drawn is None
    assert results(board, drawn) == results(board, listed)


LOSSES = [("drop", at) for at in (1, 2, 3, 4)] + [
    (fault, at) for fault in ("corrupt", "truncate", "duplicate", "delay") for at in (1, 2)
]
"""The fault of a line, and in which of what it carries. The first is the request that names the
targets, the second the one that continues it: without the first, the board has nothing to
continue."""


@pytest.mark.slow
@pytest.mark.ptrace
def test_whatever_the_line_loses_nothing_is_counted_twice_or_lost(hold: Hold) -> None:
    lines: list[FaultyTransport] = []

    def line(inner: Transport) -> Transport:
        lines.append(FaultyTransport(inner, random.Random(1)))
        return lines[-1]

    board = hold("attitude", line)
    drawn, _ = samples(board, 1400)
    expected = results(board, drawn)
    assert [unit for unit, _, _ in expected] == list(range(1400))
    for fault, at in LOSSES:
        bad = lines[0]
        bad.operations, bad._fail_at, bad._fault, bad.failed = 0, at, fault, False
        assert results(board, drawn) == expected, (fault, at)
        assert bad.failed


@pytest.mark.ptrace
@pytest.mark.slow
def test_a_bad_line_changes_no_outcome(hold: Hold) -> None:
    lines: list[FaultyTransport] = []

    def line(inner: Transport) -> Transport:
        lines.append(FaultyTransport(inner, random.Random(3)))
        return lines[-1]

    board = hold("attitude", line)
    drawn, _ = samples(board, 8000)
    expected = results(board, drawn)
    lines[0]._byte_error = 1e-3
    got = results(board, drawn)
    lines[0]._byte_error = 0.0
    assert got == expected
    assert board.node.link.statistics.retries > 0


@pytest.mark.slow
@pytest.mark.ptrace
def test_an_agent_that_cannot_draw_gets_lists(hold: Hold) -> None:
    lines: list[OlderAgent] = []

    def line(inner: Transport) -> Transport:
        lines.append(OlderAgent(inner, Msg.CAMPAIGN_DRAW))
        return lines[-1]

    older, newer = hold("attitude", line), hold()
    listed, _ = samples(older, 600)
    drawn, _ = samples(newer, 600)
    assert (listed.drawn, lines[0].refused) == (None, 1)
    assert drawn.drawn is not None
    assert results(older, listed) == results(newer, drawn)


MIXER = """
#include "bytes.h"
#include "workload.h"

WORKLOAD_TEXT_BOUNDS(mixer);

static void init(uint8_t *state, uint64_t seed) {
  for (int i = 0; i < 16; i++) store_u64le(state + 8 * i, seed + (uint64_t)i);
}

static void input(uint8_t *in, uint64_t seed, uint64_t frame) { store_u64le(in, seed ^ frame); }

/* Time passes before anything is read; then each bit of the state changes half of the output. */
WORKLOAD_TEXT(mixer) static int step(const hil_workload_io_t *io, hil_progress_t *progress) {
  volatile uint32_t passed = 0;
  while (passed < 300) passed = passed + 1;
  uint64_t x = load_u64le(io->input);
  for (int i = 0; i < 16; i++) x = (x ^ load_u64le(io->state + 8 * i)) * 0x9e3779b97f4a7c15u;
  for (int i = 0; i < 4; i++) {
    x = (x ^ x >> 29) * 0xbf58476d1ce4e5b9u;
    store_u64le(io->output + 8 * i, x ^ x >> 32);
  }
  return progress_tick(progress) ? HIL_ERR_STATE : HIL_OK;
}

extern const hil_workload_t workload_mixer;
const hil_workload_t workload_mixer = {
    .name = "mixer", .state_len = 128, .input_len = 8, .output_len = 32, .ticks = 1,
    .init = init, .input = input, .step = step,
    .text_begin = WORKLOAD_TEXT_BEGIN(mixer), .text_end = WORKLOAD_TEXT_END(mixer),
};
"""


@pytest.mark.ptrace
@pytest.mark.slow
def test_what_does_not_fit_into_an_answer_is_asked_for_again(tmp_path: Path) -> None:
    """Nearly each fault changes the output, and by a number of bits that nothing foretells."""
    (tmp_path / "mixer.c").write_text(MIXER)
    (tmp_path / "s.yaml").write_text(
        "workload: mixer.c\nframes: 10\nrig: {scheme: simplex, board: process}\n"
    )
    with held_board(load_scenario(tmp_path / "s.yaml"), 0, FRAME) as board:
        drawn, listed = samples(board, 9000, targets=(UpsetTarget.STATE,))
        assert results(board, drawn) == results(board, listed)
        assert drawn.drawn is not None
        faults = DrawnFaults(drawn.drawn, drawn.regions, drawn.faults, 0)
        parts: list[Outcomes] = []
        requests = [faults.parts(Range(0, DRAWN_MAX))]
        board.step.run_drawn(DrawSeries(faults.targets), requests, parts.append)
    assert 500 < len(parts[0].codes) < DRAWN_MAX


# --- a slow line --------------------------------------------------------------------------------

BYTES_PER_S = 11_520
"""Of a line of 115200 baud."""


@pytest.mark.ptrace
def test_a_slow_line_carries_more_experiments_than_a_board_can_do(hold: Hold) -> None:
    """Bytes travel in both directions while the board works, so the direction with more of them
    counts. A board without a line does about 65,000/s of these on a core of 2025."""
    board = hold(**PATIENT)
    drawn, _ = samples(board, 3 * DRAWN_MAX)
    assert drawn.drawn is not None
    faults = DrawnFaults(drawn.drawn, drawn.regions, drawn.faults, 0)
    statistics = board.node.link.statistics
    before = statistics.tx_bytes, statistics.rx_bytes
    requests = [faults.parts(Range(i * DRAWN_MAX, (i + 1) * DRAWN_MAX)) for i in range(3)]
    parts: list[Outcomes] = []
    board.step.run_drawn(DrawSeries(faults.targets), requests, parts.append)
    assert [len(part.codes) for part in parts] == [DRAWN_MAX] * 3
    there = (statistics.tx_bytes - before[0]) / (3 * DRAWN_MAX)
    back = (statistics.rx_bytes - before[1]) / (3 * DRAWN_MAX)
    assert there <= 0.06 and back <= 0.16
    assert BYTES_PER_S / max(there, back) > 65_000


# --- how many at once ---------------------------------------------------------------------------


def sizes(experiments_per_s: float, answers: int = 12) -> list[int]:
    """The sizes of requests to a board of this speed."""
    clock = VirtualClock()
    size = RequestSize(clock, DRAWN_MAX)
    out: list[int] = []
    for _ in range(answers):
        out.append(size.now)
        clock.advance(1e6 * size.now / experiments_per_s)
        size.answered(size.now, size.now)
    return out


@pytest.mark.parametrize("rate", [100, 300, 1000, 5000, 20_000, 1e6])
def test_a_request_takes_some_tenths_of_a_second(rate: float) -> None:
    last = sizes(rate)[-1]
    assert last == DRAWN_MAX or 0.15 <= last / rate <= 0.6


def test_requests_become_smaller_where_answers_are_full() -> None:
    size = RequestSize(VirtualClock(), DRAWN_MAX)
    for _ in range(6):
        size.answered(size.now, size.now)
    assert size.now == DRAWN_MAX
    size.answered(DRAWN_MAX, 1600)
    assert size.now == 1400
    size.answered(1400, 1400)
    assert size.now == 1400, "they do not grow into what did not fit"
