"""Boards that are unplugged, replugged, rebooted, stopped and renumbered while a run goes on.

The boards are agents on cables (tests/rig/cable.py) that the run knows by the names of their
adapters only; what happens to them happens at random moments, several at once.
"""

from __future__ import annotations

import contextlib
import gc
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from hil.engine.loop import Loop
from hil.record.run_result import RunResult
from hil.redundancy.recovery import NodeState
from hil.wire.messages import LinkState
from tests.amount import mostly_stress
from tests.between_frames import between_frames
from tests.descriptors import open_descriptors
from tests.engine.cabled_boards import NAMES, Acts, Board, bench, rows, scenario

CHATTER = b"\r\nU-Boot 2026.01\r\nStarting kernel ...\r\n[    0.000000] Booting Linux\r\n" * 3


@dataclass
class Event:
    """Something done to a board, and what is done about it after a while."""

    kind: str
    board: Board
    undo: Callable[[], None]
    until_s: float


def reboot(board: Board, rng: random.Random) -> Callable[[], None]:
    board.kill()

    def boot() -> None:
        board.cable.say(CHATTER[: rng.randrange(len(CHATTER))])
        board.start()

    return boot


def pull_host_side(board: Board, rng: random.Random) -> Callable[[], None]:
    board.cable.unplug(board.cable.host)
    return lambda: board.cable.plug(board.cable.host)


def pull_board_side(board: Board, rng: random.Random) -> Callable[[], None]:
    board.cable.unplug(board.cable.board)
    return lambda: board.cable.plug(board.cable.board)


def pull_both(board: Board, rng: random.Random) -> Callable[[], None]:
    boot = reboot(board, rng)
    undo = [pull_board_side(board, rng), boot]  # in this order: an agent needs a port to start
    undo.insert(rng.randrange(3), pull_host_side(board, rng))

    def put_back() -> None:
        for step in undo:
            step()

    return put_back


def freeze(board: Board, rng: random.Random) -> Callable[[], None]:
    board.signal(signal.SIGSTOP)
    return lambda: board.signal(signal.SIGCONT)


def renumber(board: Board, rng: random.Random) -> Callable[[], None]:
    """The adapter re-enumerates: gone and there again at once, under another number."""
    board.cable.unplug(board.cable.host)
    board.cable.plug(board.cable.host)
    return lambda: None


KINDS = (reboot, pull_host_side, pull_board_side, pull_both, freeze, renumber)


def descriptors_but_console_logs() -> int:
    """How many files are open. The log of a console is opened with the first text of its board."""
    names = []
    for entry in os.listdir("/proc/self/fd"):  # noqa: PTH208
        with contextlib.suppress(OSError):
            names.append(os.readlink(f"/proc/self/fd/{entry}"))  # noqa: PTH115
    return sum("/console/" not in name for name in names)


@dataclass
class Trouble:
    """Makes `count` events at random moments from the loop's `stop` hook, then waits until all
    boards vote again, and ends the run. A board that is in trouble is left alone until it votes."""

    boards: dict[str, Board]
    rng: random.Random
    count: int
    loop: Loop | None = None
    open: list[Event] = field(default_factory=list)
    busy: dict[str, str] = field(default_factory=dict)
    kinds: Counter[str] = field(default_factory=Counter)
    recovered: Counter[str] = field(default_factory=Counter)
    together: int = 0
    next_s: float = 0.0
    descriptors: list[int] = field(default_factory=list)
    threads: list[int] = field(default_factory=list)
    give_up_s: float = field(default_factory=lambda: time.monotonic() + 60)

    def __call__(self) -> bool:
        if self.loop is None or self.loop.next_frame < 5:
            return False
        now = time.monotonic()
        for event in [e for e in self.open if e.until_s <= now]:
            self.open.remove(event)
            event.undo()
        self._notice()
        if not self.busy and not self.open:
            self.descriptors.append(descriptors_but_console_logs())
            self.threads.append(threading.active_count())
        if self.count and now >= self.next_s:
            self._begin(now)
        done = not (self.count or self.busy or self.open)
        assert now < self.give_up_s, f"nothing recovered for long: {self.busy}"
        return done

    def _notice(self) -> None:
        assert self.loop is not None
        troubled = {e.board for e in self.open}
        for name, kind in list(self.busy.items()):
            node = self.loop.controls.rig.nodes[NAMES.index(name)]
            voting = self.loop.controls.recovery.state(name) is NodeState.VOTING
            healthy = node.link.status.state is LinkState.CONNECTED
            if self.boards[name] not in troubled and voting and healthy:
                if self.loop.next_frame > self.marks[name] + 4:
                    del self.busy[name]
                    self.recovered[kind] += 1
                    self.give_up_s = time.monotonic() + 60
            else:
                self.marks[name] = self.loop.next_frame

    marks: dict[str, int] = field(default_factory=dict)

    def _begin(self, now: float) -> None:
        free = [n for n in NAMES if n not in self.busy]
        if len(free) < 2:  # one at least stays, so that there is something to come back to
            return
        name = self.rng.choice(free)
        act = self.rng.choice(KINDS)
        long = self.rng.random() < 0.4
        until_s = now + (self.rng.uniform(0.2, 0.6) if long else self.rng.uniform(0, 0.05))
        self.together += bool(self.busy)
        self.busy[name] = act.__name__
        self.kinds[act.__name__] += 1
        assert self.loop is not None
        self.marks[name] = self.loop.next_frame + 1
        self.open.append(
            Event(act.__name__, self.boards[name], act(self.boards[name], self.rng), until_s)
        )
        self.count -= 1
        self.next_s = now + self.rng.uniform(0, 0.25)


def trouble(out: Path, seed: int, count: int) -> tuple[Trouble, RunResult]:
    out.mkdir()
    gc.collect()  # what earlier tests left is not to vanish while descriptors are counted
    with bench(out.parent) as boards:
        maker = Trouble(boards, random.Random(seed), count)
        rig = {"unvoted_output": "deliver"}  # also while two are away and not yet given up
        maker.loop = Loop(scenario(boards, rig=rig), out, **between_frames(maker))
        return maker, maker.loop.run()


def undelivered(out: Path) -> list[dict[str, Any]]:
    """The frames without a right output, and what was known of each node in them."""
    return rows(
        out,
        "SELECT frame, verdict, voters, node, status, reason FROM frames JOIN replies "
        "USING (frame) WHERE verdict IN ('no_majority', 'no_quorum') LIMIT 12",
    )


def check(out: Path, maker: Trouble, result: RunResult, count: int) -> None:
    assert sum(maker.kinds.values()) == count
    assert maker.recovered == maker.kinds, "every one recovers"
    assert result.metrics["sdc_frames"] == 0 and result.metrics["isolated"] == 0
    assert result.availability == 1.0, undelivered(out)
    assert max(maker.descriptors) == min(maker.descriptors), "descriptors leak"
    assert max(maker.threads) == min(maker.threads), "threads leak"
    of_links = "FROM link_events WHERE reason NOT LIKE 'its console: %'"
    states = rows(out, f"SELECT state, count(*) AS n {of_links} GROUP BY state")
    counts = {row["state"]: row["n"] for row in states}
    assert counts["connected"] <= 3 + 2 * count and counts["lost"] >= count / 3
    reasons = {row["reason"] for row in rows(out, "SELECT reason FROM link_events")}
    assert any("does not exist" in reason for reason in reasons), reasons
    last = rows(out, f"SELECT node, state {of_links} ORDER BY id")
    assert {row["node"]: row["state"] for row in last} == dict.fromkeys(NAMES, "connected")


@pytest.mark.slow
def test_boards_that_are_unplugged_and_rebooted_at_random_all_come_back(tmp_path: Path) -> None:
    maker, result = trouble(tmp_path / "run", 7, 25)
    check(tmp_path / "run", maker, result, 25)


@pytest.mark.parametrize("times", mostly_stress([100, 500], keep=1, timeout_s=1500))
def test_hundreds_of_times(tmp_path: Path, times: int) -> None:
    before = open_descriptors(), threading.active_count()
    maker, result = trouble(tmp_path / "run", times, times)
    check(tmp_path / "run", maker, result, times)
    assert maker.together > times // 10, "some while another was away"
    assert (open_descriptors(), threading.active_count()) == before


def test_a_board_that_was_given_up_is_taken_back_when_somebody_reboots_it(tmp_path: Path) -> None:
    """Isolated for a wrong state and nothing left to try, its link intact: a new start counts."""
    event = {"frame": 20, "node": "b", "target": "state", "tick": 2}
    none_left = dict.fromkeys(("resyncs", "restarts", "resets", "power_cycles"), 0)
    with bench(tmp_path) as boards:

        def reboot_b() -> None:
            assert acts.loop is not None
            assert acts.loop.controls.recovery.in_state(NodeState.ISOLATED) == ["b"]
            boards["b"].kill()
            boards["b"].start()

        acts = Acts({40: reboot_b})
        (tmp_path / "run").mkdir()
        acts.loop = Loop(
            scenario(
                boards,
                upsets={"events": [event]},
                recovery=none_left,
                timeouts={"lost_after_ms": 10_000},  # none is to be lost for being slow
            ),
            tmp_path / "run",
            **between_frames(acts),
        )
        result = acts.loop.run()
    assert result.metrics["sdc_frames"] == 0 and result.metrics["isolated"] == 0
    causes = [row["cause"] for row in rows(tmp_path / "run", "SELECT cause FROM transitions")]
    assert "its board is back" in causes and causes[-1] == "agreed again"
