"""The executor of this computer: boards of its own, each with a thread."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Generic, TypeVar

from hil.campaign.executor import BoardSource, Experiments, RangeOutcomes
from hil.campaign.ranges import Range, shares

__all__ = ["LocalExecutor"]

Board = TypeVar("Board")
Answer = TypeVar("Answer")


class LocalExecutor(Generic[Board]):
    """Carries out experiments on `boards` boards of `source`, the first of which is open from
    entering to leaving. `pinned` keeps each board to a core: host, agent and worker of a process
    board take turns, while others, such as emulators, use several.

    Use it as a context manager. Raises: as `BoardSource.open`, when it is entered."""

    def __init__(self, source: BoardSource[Board], boards: int, *, pinned: bool) -> None:
        self._source = source
        self._boards = boards
        self._cores = sorted(os.sched_getaffinity(0)) if pinned else []
        self._stack = ExitStack()
        self._lock = threading.Lock()
        self._failed = threading.Event()

    def __enter__(self) -> LocalExecutor[Board]:
        with ExitStack() as stack:
            if self._cores:
                stack.callback(os.sched_setaffinity, 0, self._cores)
            self._keep_to_core(0)
            self._first = stack.enter_context(self._source.open(0))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def _keep_to_core(self, number: int) -> None:
        """Keep this thread, and the boards that it starts, to one core."""
        if self._cores:
            os.sched_setaffinity(0, {self._cores[number % len(self._cores)]})

    def ask(self, question: Callable[[Board], Answer]) -> Answer:
        """Return what `question` answers about the first board."""
        return question(self._first)

    def carry_out(
        self,
        experiments: Experiments[Board],
        ranges: Sequence[Range],
        keep: Callable[[RangeOutcomes], None],
        stopped: Callable[[], bool],
    ) -> None:
        """Carry out the units of `ranges`: this thread those of the first board, others those of
        boards of their own, each a contiguous share."""
        failures: list[BaseException] = []
        parts = shares(ranges, self._boards)

        def ended() -> bool:
            return stopped() or self._failed.is_set()

        def work_on(board: Board, number: int) -> None:
            def keep_mine(outcomes: RangeOutcomes) -> None:
                with self._lock:
                    keep(replace(outcomes, worker=f"board {number + 1}"))

            for units in parts[number]:
                experiments.carry_out(board, units, keep_mine, ended)

        def work(number: int) -> None:
            try:
                self._keep_to_core(number)
                with self._source.open(number) as board:
                    experiments.admit(board)
                    work_on(board, number)
            except BaseException as error:  # noqa: BLE001  (raised again by the thread that waits)
                failures.append(error)
                self._failed.set()

        threads = [
            threading.Thread(target=work, args=(number,), name=f"hil campaign {number}")
            for number in range(1, self._boards)
            if parts[number]
        ]
        for thread in threads:
            thread.start()
        try:
            work_on(self._first, 0)
        except BaseException:
            self._failed.set()
            raise
        finally:
            for thread in threads:
                thread.join()
        if failures:
            raise failures[0]
