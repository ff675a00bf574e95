"""The executor of this computer, on experiments of any kind."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable

import pytest

from hil.campaign.executor import RangeOutcomes
from hil.campaign.local import LocalExecutor
from hil.campaign.ranges import Range
from hil.errors import NodeError, SetupError

from .small_campaign import PART, Boards, Experiments, Kept, effect_of

RANGES = [Range(3, 50), Range(60, 400)]
UNITS = [unit for first, end in RANGES for unit in range(first, end)]


def never() -> bool:
    return False


@pytest.mark.parametrize("boards", [1, 2, 5])
def test_every_unit_is_carried_out_once(boards: int) -> None:
    source, experiments, kept = Boards(), Experiments(), Kept()
    with LocalExecutor(source, boards, pinned=False) as executor:
        assert executor.ask(lambda board: board + 10) == 10
        executor.carry_out(experiments, RANGES, kept, never)
    assert kept.effects == {unit: effect_of(unit) for unit in UNITS}
    assert kept.workers == {f"board {number + 1}" for number in range(boards)}
    assert sorted(source.opened) == sorted(source.closed) == list(range(boards))
    assert sorted(experiments.admitted) == list(range(1, boards)), "planned with the first"


def test_more_boards_than_units_are_not_opened() -> None:
    source, kept = Boards(), Kept()
    with LocalExecutor(source, 4, pinned=False) as executor:
        executor.carry_out(Experiments(), [Range(0, 2)], kept, never)
    assert sorted(source.opened) == [0, 1]


@pytest.mark.parametrize(
    ("source", "experiments", "message"),
    [
        (Boards(frozenset({1})), Experiments(), "board 1 is missing"),
        (Boards(), Experiments(refused=2), "board 2 is of another build"),
        (Boards(), Experiments(fails_at=5), "board 0 fails"),
        (Boards(), Experiments(fails_at=399), "board 2 fails"),
    ],
)
def test_the_failure_of_a_board_ends_all(
    source: Boards, experiments: Experiments, message: str
) -> None:
    kept = Kept()
    with (
        pytest.raises(SetupError, match=message),
        LocalExecutor(source, 3, pinned=False) as executor,
    ):
        executor.carry_out(experiments, RANGES, kept, never)
    assert sorted(source.opened) == sorted(source.closed)
    assert len(kept.effects) < len(UNITS)
    assert threading.active_count() == 1 + sum(t.daemon for t in threading.enumerate())


def test_a_board_that_dies_is_opened_again_and_goes_on_where_it_was() -> None:
    source, kept = Boards(), Kept()
    experiments = Experiments(dies_at=[5, 200, 200, 390])
    with LocalExecutor(source, 2, pinned=False) as executor:
        executor.carry_out(experiments, RANGES, kept, never)
        assert executor.ask(lambda board: board) == 0
    assert kept.effects == {unit: effect_of(unit) for unit in UNITS}
    assert sorted(source.opened) == sorted(source.closed)
    assert len(source.opened) == 2 + 4
    assert len(experiments.admitted) == 1 + 4, "each board that is opened again is checked"


@pytest.mark.parametrize("dies_at", [5, 390])
def test_what_a_board_has_left_that_does_not_come_back_others_carry_out(dies_at: int) -> None:
    said: list[str] = []
    source, kept = Boards(gone=frozenset({0, 2})), Kept()
    experiments = Experiments(dies_at=[dies_at])
    with LocalExecutor(source, 3, pinned=False, say=said.append) as executor:
        executor.carry_out(experiments, RANGES, kept, never)
        assert executor.ask(lambda board: board) == (1 if dies_at == 5 else 0)
    assert kept.effects == {unit: effect_of(unit) for unit in UNITS}
    number = 1 if dies_at == 5 else 3
    assert said == [
        f"board {number} is left out: board {number - 1} is unplugged; its experiments go to the "
        "others"
    ]


def test_a_campaign_ends_when_no_board_is_left() -> None:
    source, kept = Boards(gone=frozenset({0})), Kept()
    with (
        pytest.raises(NodeError, match="board 0 is unplugged"),
        LocalExecutor(source, 1, pinned=False) as executor,
    ):
        executor.carry_out(Experiments(dies_at=[100]), RANGES, kept, never)
    assert 0 < len(kept.effects) < len(UNITS)


def test_ctrl_c_ends_all_boards_while_this_one_waits_for_them(
    request: pytest.FixtureRequest,
) -> None:
    """The first board has nothing left to do when it comes; the second would go on for ever."""
    going, ended = threading.Event(), threading.Event()

    class Endless(Experiments):
        def carry_out(
            self,
            board: int,
            units: Range,
            keep: Callable[[RangeOutcomes], None],
            stopped: Callable[[], bool],
        ) -> None:
            if board:
                going.set()
                while not stopped():
                    time.sleep(0.001)
                ended.set()

    main = threading.get_ident()

    def interrupt() -> None:
        going.wait(10)
        signal.pthread_kill(main, signal.SIGINT)

    kept = Kept()
    timer = threading.Thread(target=interrupt)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    timer.start()
    with pytest.raises(KeyboardInterrupt), LocalExecutor(Boards(), 2, pinned=False) as executor:
        executor.carry_out(Endless(), [Range(0, 10)], kept, never)
    timer.join()
    assert ended.is_set()


def test_who_is_stopped_ends_after_what_goes_on() -> None:
    kept = Kept()
    with LocalExecutor(Boards(), 1, pinned=False) as executor:
        executor.carry_out(Experiments(), RANGES, kept, lambda: len(kept.effects) >= 3 * PART)
    assert list(kept.effects) == UNITS[: 3 * PART]


def test_a_pinned_executor_leaves_the_cores_as_they_were() -> None:
    before = os.sched_getaffinity(0)
    with LocalExecutor(Boards(), 1, pinned=True) as executor:
        assert executor.ask(lambda _: len(os.sched_getaffinity(0))) == 1
    assert os.sched_getaffinity(0) == before
    with pytest.raises(SetupError), LocalExecutor(Boards(frozenset({0})), 1, pinned=True):
        pass
    assert os.sched_getaffinity(0) == before
