"""The executor of this computer: boards of its own, each with a thread.

A board that fails is opened again, and goes on where it was. One that does not come back is left
out: the others carry out what it had left."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Final, Generic, TypeVar

from hil.campaign.executor import BoardSource, Experiments, RangeOutcomes
from hil.campaign.ranges import Range, shares
from hil.errors import HilError, LinkError, NodeError, SetupError

__all__ = ["LocalExecutor"]

_BEGINS_S: Final = 1.0
_NOTICES_S: Final = 0.5
"""How often a wait of the main thread ends: Python misses a signal that comes just before it waits,
until the wait is over."""
_TRIES: Final = 3
"""So many times in a row may a board fail without an outcome in between."""

Board = TypeVar("Board")
Answer = TypeVar("Answer")


class LocalExecutor(Generic[Board]):
    """Carries out experiments on `boards` boards of `source`, the first of which is open from
    entering to leaving, others from when they are needed. `pinned` keeps each board to a core:
    host, agent and worker of a process board take turns, while others, such as emulators, use
    several. `say` gets what a user should know, from any thread.

    Use it as a context manager. Raises: as `BoardSource.open`, when it is entered."""

    def __init__(
        self,
        source: BoardSource[Board],
        boards: int,
        *,
        pinned: bool,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._source = source
        self._cores = sorted(os.sched_getaffinity(0)) if pinned else []
        self._say = say
        self._lock = threading.Lock()
        self._places = [_Place(source, number) for number in range(boards)]

    def __enter__(self) -> LocalExecutor[Board]:
        with ExitStack() as stack:
            if self._cores:
                stack.callback(os.sched_setaffinity, 0, self._cores)
            for place in self._places:
                stack.callback(place.close)
            self._keep_to_core(0)
            self._places[0].board()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def _keep_to_core(self, number: int) -> None:
        """Keep this thread, and the boards that it starts, to one core."""
        if self._cores:
            os.sched_setaffinity(0, {self._cores[number % len(self._cores)]})

    def ask(self, question: Callable[[Board], Answer]) -> Answer:
        """Return what `question` answers about the first board that is not left out; it is opened
        again if it has failed."""
        places = [place for place in self._places if place.failure is None]
        return question((places or self._places)[0].board())

    def carry_out(
        self,
        experiments: Experiments[Board],
        ranges: Sequence[Range],
        keep: Callable[[RangeOutcomes], None],
        stopped: Callable[[], bool],
    ) -> None:
        """Carry out the units of `ranges`: this thread those of the first board, others those of
        boards of their own, each a contiguous share."""
        left, places = list(ranges), self._places
        while left:
            places = [place for place in places if place.failure is None]
            if not places:
                raise self._last_failure()
            work = _Round(experiments, self._kept_by(keep), stopped)
            left = self._share(work, places, shares(left, len(places)))
            if work.ended():
                return

    def _kept_by(
        self, keep: Callable[[RangeOutcomes], None]
    ) -> Callable[[int, RangeOutcomes], None]:
        def kept(number: int, outcomes: RangeOutcomes) -> None:
            with self._lock:
                keep(replace(outcomes, worker=f"board {number + 1}"))

        return kept

    def _share(
        self,
        work: _Round[Board],
        places: Sequence[_Place[Board]],
        parts: Sequence[Sequence[Range]],
    ) -> list[Range]:
        """Let each of `places` carry out its part; return what those have left that are lost.
        Raises: the first failure that is not that of a board."""
        left: list[Range] = []
        failures: list[BaseException] = []
        ended: queue.SimpleQueue[None] = queue.SimpleQueue()

        def carry_out(place: _Place[Board], part: Sequence[Range]) -> None:
            self._keep_to_core(place.number)
            rest = work.carry_out(place, part)
            if rest:
                self._say(
                    f"board {place.number + 1} is left out: {_message(place.failure)}; its "
                    "experiments go to the others"
                )
                with self._lock:
                    left.extend(rest)

        def work_on(place: _Place[Board], part: Sequence[Range]) -> None:
            try:
                carry_out(place, part)
            except BaseException as error:  # noqa: BLE001  (raised again by the thread that waits)
                failures.append(error)
                work.failed = True
            finally:
                ended.put(None)

        threads = [
            threading.Thread(target=work_on, args=pair, name=f"hil campaign {pair[0].number}")
            for pair in list(zip(places, parts, strict=True))[1:]
            if pair[1]
        ]
        running = 0
        try:
            for thread in threads:
                running += 1
                thread.start()
            carry_out(places[0], parts[0])
            while running:  # not `join`: a signal that interrupts it can make it return too early
                with contextlib.suppress(queue.Empty):
                    ended.get(timeout=_NOTICES_S)
                    running -= 1
        except BaseException:
            work.failed = True  # not a call, which the next Ctrl-C could interrupt
            raise
        finally:
            _wait_for(ended, running, threads)
        if failures:
            raise failures[0]
        return sorted(left)

    def _last_failure(self) -> HilError:
        return next(p.failure for p in reversed(self._places) if p.failure is not None)


def _wait_for(
    ended: queue.SimpleQueue[None], running: int, threads: Sequence[threading.Thread]
) -> None:
    """Wait until so many of `threads` have ended; one of them may not have begun."""
    while running:
        try:
            ended.get(timeout=_BEGINS_S)
            running -= 1
        except queue.Empty:
            if not any(thread.is_alive() for thread in threads):
                return


def _message(failure: HilError | None) -> str:
    return "" if failure is None else failure.message


class _Place(Generic[Board]):
    """The place of board `number`: open or not. `failure`: why it is left out, if it is."""

    def __init__(self, source: BoardSource[Board], number: int) -> None:
        self.number = number
        self.failure: HilError | None = None
        self.admitted: str | None = None
        self.times_opened = 0
        self._source = source
        self._stack = ExitStack()
        self._board: list[Board] = []

    def board(self) -> Board:
        """Return the board, which is opened if it is not."""
        if not self._board:
            self._board.append(self._stack.enter_context(self._source.open(self.number)))
            self.times_opened += 1
        return self._board[0]

    def close(self) -> None:
        """Close the board, if it is open."""
        self._board.clear()
        self.admitted = None
        self._stack.close()

    def give_up(self) -> None:
        """Close the board, which has failed and may fail to close."""
        with contextlib.suppress(HilError):
            self.close()


class _Round(Generic[Board]):
    """Carries out shares until all are done, or one fails otherwise than by its board."""

    def __init__(
        self,
        experiments: Experiments[Board],
        keep: Callable[[int, RangeOutcomes], None],
        stopped: Callable[[], bool],
    ) -> None:
        self.failed = False
        self._experiments = experiments
        self._keep = keep
        self._stopped = stopped

    def ended(self) -> bool:
        """Return whether no more experiments are wanted."""
        return self._stopped() or self.failed

    def carry_out(self, place: _Place[Board], part: Sequence[Range]) -> list[Range]:
        """Carry out `part` at a place; return what is left if its board does not come back."""
        left, tries = list(part), 0
        while left and not self.ended():
            units = left.pop(0)
            rest, failure = self._carry_out(place, units)
            if failure is None:
                tries = 0
                continue
            tries = 1 if rest.first > units.first else tries + 1
            if rest.first < rest.end:
                left.insert(0, rest)
            if tries == _TRIES:
                place.failure = failure
                return left
        return []

    def _carry_out(
        self, place: _Place[Board], units: Range
    ) -> tuple[Range, LinkError | NodeError | None]:
        """Carry out a range; return what is left of it, and the failure of the board that left
        it."""
        at = units.first

        def keep(outcomes: RangeOutcomes) -> None:
            nonlocal at
            self._keep(place.number, outcomes)
            at = outcomes.first + outcomes.count

        try:
            self._experiments.carry_out(self._admitted(place), units, keep, self.ended)
        except (LinkError, NodeError) as failure:
            place.give_up()
            return Range(at, units.end), failure
        return Range(units.end, units.end), None

    def _admitted(self, place: _Place[Board]) -> Board:
        """Return the board of a place, after the experiments were checked on it: all but the one
        that they were planned with, which is the first that was opened."""
        again = place.times_opened > 0
        try:
            board = place.board()
            planned = place.number == 0 and place.times_opened == 1
            if not planned and place.admitted != self._experiments.digest:
                self._experiments.admit(board)
                place.admitted = self._experiments.digest
        except SetupError as error:
            if not again:
                raise
            raise NodeError(error.message, remedy=error.remedy) from error
        return board
