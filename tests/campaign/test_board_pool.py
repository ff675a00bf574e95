"""The boards that a worker of a cluster keeps open between its tasks."""

from __future__ import annotations

import threading

import pytest

from hil.campaign.board_pool import BoardPool
from hil.errors import SetupError

from .small_campaign import Boards


def admit(_board: int) -> None: ...


def test_a_board_stays_open_until_its_campaign_ends() -> None:
    pool, source = BoardPool(), Boards()
    for _ in range(3):
        with pool.lend("a", source, admit, "x") as (number, board):
            assert number == board == 0
    assert (source.opened, source.closed) == ([0], [])
    pool.end("another")
    assert source.closed == []
    pool.end("a")
    assert source.closed == [0]


def test_two_tasks_have_two_boards() -> None:
    pool, source = BoardPool(), Boards()
    with pool.lend("a", source, admit, "x") as one, pool.lend("a", source, admit, "x") as other:
        assert (one[0], other[0]) == (0, 1)
        pool.end("a")
        assert source.closed == [], "they are in use"
    assert sorted(source.closed) == [0, 1]


def test_a_board_is_admitted_once_for_each_campaign() -> None:
    pool, source = BoardPool(), Boards()
    asked: list[int] = []
    for digest in ("x", "x", "y", "y"):
        with pool.lend("a", source, asked.append, digest):
            pass
    assert asked == [0, 0] and source.opened == [0]
    pool.close()


@pytest.mark.parametrize("where", ["open", "admit", "body"])
def test_a_board_that_fails_is_closed_and_the_next_task_has_a_new_one(where: str) -> None:
    pool, source = BoardPool(), Boards(frozenset({0}) if where == "open" else frozenset())

    def refuse(_board: int) -> None:
        raise SetupError("another build")

    with (
        pytest.raises(SetupError),
        pool.lend("a", source, refuse if where == "admit" else admit, "x"),
    ):
        raise SetupError("it fails")
    assert source.opened == source.closed == ([] if where == "open" else [0])
    source.broken = frozenset()
    with pool.lend("a", source, admit, "x") as (number, _):
        assert number == 0
    pool.close()
    assert source.opened == source.closed


def test_idle_boards_of_another_campaign_are_closed_first() -> None:
    """They may be the same ports."""
    pool, first, second = BoardPool(), Boards(), Boards()
    with pool.lend("a", first, admit, "x"):
        pass
    with pool.lend("b", second, admit, "x") as (number, _):
        assert number == 0 and first.closed == [0]
    pool.close()


def test_a_board_that_no_task_wants_is_closed_after_a_while() -> None:
    pool, source, closed = BoardPool(idle_s=0.01), Boards(), threading.Event()

    class Reporting(list[int]):
        def append(self, number: int) -> None:
            super().append(number)
            closed.set()

    source.closed = Reporting()
    with pool.lend("a", source, admit, "x"):
        pass
    assert closed.wait(60)
    with pool.lend("a", source, admit, "x"):
        assert source.opened == [0, 0]
    pool.close()
