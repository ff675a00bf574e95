"""Boards that are unplugged, replugged, rebooted, stopped and renumbered while a run goes on.

The boards are agents on cables (tests/rig/cable.py) that the run knows by the names of their
adapters only; what happens to them happens at random moments, several at once.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import random
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from hil.engine.loop import Loop
from hil.errors import LinkTimeout
from hil.record.live import LiveRecord
from hil.record.reader import Reader
from hil.record.run_result import RunResult
from hil.redundancy.recovery import NodeState
from hil.rig import bringup
from hil.rig.backends.process import find_agent
from hil.rig.backends.serial_board import SerialBoard
from hil.rig.power import PowerMonitor
from hil.rig.power.mock import MockPower
from hil.rig.power.protocol import PowerReading
from hil.scenario import Scenario
from hil.scenario.supply import SupplyConfig, SupplyKind
from hil.views.alarm_limits import Level
from hil.views.screen.model.alarm_feed import AlarmFeed
from hil.wire.messages import LinkState
from tests.amount import mostly_stress
from tests.between_frames import between_frames
from tests.cli.conftest import Hil, hil, ready
from tests.descriptors import open_descriptors
from tests.rig.cable import Cable, cables

__all__ = ["hil", "ready"]

NAMES = "abc"
LOST_AFTER_S = 0.3
CHATTER = b"\r\nU-Boot 2026.01\r\nStarting kernel ...\r\n[    0.000000] Booting Linux\r\n" * 3


class Board:
    """An agent on the far end of a cable."""

    def __init__(self, cable: Cable) -> None:
        self.cable = cable
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        command = [str(find_agent()), "--port", str(self.cable.board.path), "--exit-with-parent"]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL)

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


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
            self.descriptors.append(len(os.listdir("/proc/self/fd")))  # noqa: PTH208
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


@contextlib.contextmanager
def bench(folder: Path, **bad: float) -> Iterator[dict[str, Board]]:
    with cables(folder, NAMES, **bad) as lines, contextlib.ExitStack() as stack:
        boards = {}
        for name, cable in zip(NAMES, lines, strict=True):
            boards[name] = Board(cable)
            stack.callback(boards[name].kill)
        yield boards


def scenario(boards: dict[str, Board], **data: Any) -> Scenario:
    nodes = [
        {"name": name, "board": "serial", "port": str(board.cable.host.path)}
        for name, board in boards.items()
    ]
    return Scenario.model_validate(
        {
            "workload": "infer",
            "frames": 10_000_000,
            "timeouts": {"lost_after_ms": 1000 * LOST_AFTER_S, "retry_ms": 30, "cpu_floor_ms": 10},
            "rig": {"scheme": "tmr", "nodes": nodes},
            **data,
        }
    )


def rows(out: Path, sql: str) -> list[dict[str, Any]]:
    reader = Reader(out)
    try:
        return [dict(row) for row in reader.rows(sql)]
    finally:
        reader.close()


def trouble(out: Path, seed: int, count: int) -> tuple[Trouble, RunResult]:
    out.mkdir()
    gc.collect()  # what earlier tests left is not to vanish while descriptors are counted
    with bench(out.parent) as boards:
        maker = Trouble(boards, random.Random(seed), count)
        maker.loop = Loop(scenario(boards), out, **between_frames(maker))
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
    states = rows(out, "SELECT state, count(*) AS n FROM link_events GROUP BY state")
    counts = {row["state"]: row["n"] for row in states}
    assert counts["connected"] <= 3 + 2 * count and counts["lost"] >= count / 3
    reasons = {row["reason"] for row in rows(out, "SELECT reason FROM link_events")}
    assert any("does not exist" in reason for reason in reasons), reasons
    last = rows(out, "SELECT node, state FROM link_events ORDER BY id")
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


# --- boards whose power is in our hands -----------------------------------------------------------


class Socket(MockPower):
    """A switched socket with a board on it: without power there is no agent."""

    def __init__(self, board: Board, supply: SupplyConfig) -> None:
        super().__init__("b", supply)
        self.board = board
        self.offs = 0

    def off(self) -> None:
        super().off()
        self.offs += 1
        self.board.kill()

    def on(self) -> None:
        if not self.is_on:
            self.board.start()
        super().on()


@dataclass
class Acts:
    """Does each of `acts` before its frame; ends the run when b votes again, a while after."""

    acts: dict[int, Callable[[], None]]
    loop: Loop | None = None
    done_at: int = 0
    until: Callable[[], bool] = lambda: True

    def __call__(self) -> bool:
        if self.loop is None:
            return False
        frame = self.loop.next_frame
        for at in [a for a in self.acts if a <= frame]:
            self.acts.pop(at)()
            self.done_at = frame
        voting = len(self.loop.controls.recovery.in_state(NodeState.VOTING)) == 3
        if self.acts or not self.until():
            return False
        return voting and frame > self.done_at + 50 and self.loop.controls.settled


def powered(
    boards: dict[str, Board],
    out: Path,
    acts: Acts,
    *,
    on: bool = True,
    socket: Socket | None = None,
    **data: Any,
) -> Socket:
    """Runs a scenario in which board b hangs on a switched socket."""
    supply = SupplyConfig.model_validate({"kind": "mock", "current_limit_a": 2.0, "off_s": 1.0})
    socket = socket or Socket(boards["b"], supply)
    socket.is_on = on
    out.mkdir()
    loop = acts.loop = Loop(scenario(boards, **data), out, **between_frames(acts))
    board = loop.controls.rig.nodes[1].board
    assert isinstance(board, SerialBoard)
    board.power, board.can_cycle = socket, True
    loop.controls.rig.power = PowerMonitor([socket], period_s=0.01)
    result = loop.run()
    assert result.metrics["sdc_frames"] == 0 and result.availability > 0.9
    return socket


def test_a_board_that_is_off_is_switched_on_at_the_start(tmp_path: Path) -> None:
    with bench(tmp_path) as boards:
        boards["b"].kill()
        socket = powered(boards, tmp_path / "run", Acts({5: lambda: None}), on=False)
    assert socket.is_on and socket.cycles == 1
    events = rows(tmp_path / "run", "SELECT reason FROM link_events WHERE node = 'b'")
    assert "was off; switched on by mock supply" in [event["reason"] for event in events]


class Dumb(Socket):
    """A socket that switches, and whose meter prints what is not two numbers."""

    reads = 0

    def read(self) -> PowerReading:
        self.reads += 1
        raise self.failed("`meter` printed '5,02 0,61'", "let it print two numbers")


def test_a_supply_that_cannot_be_read_is_in_notes_and_summary(tmp_path: Path, hil: Hil) -> None:
    acts = Acts({}, until=lambda: sockets[0].reads > 1)
    with bench(tmp_path) as boards:
        sockets = [Dumb(boards["b"], SupplyConfig(kind=SupplyKind.MOCK))]
        powered(boards, tmp_path / "run", acts, socket=sockets[0])
    said = "node b: mock supply: `meter` printed '5,02 0,61'"
    notes = rows(tmp_path / "run", "SELECT text FROM notes WHERE text LIKE '%meter%'")
    assert [note["text"] for note in notes] == [said]
    summary = hil("replay", tmp_path / "run", "--summary").out
    assert said in " ".join(summary.split())
    assert "supplies" in summary and "1 failure, or trips of their own" in summary
    metrics = json.loads((tmp_path / "run" / "manifest.json").read_text())["metrics"]
    assert metrics["supply_errors"] == 1


def test_lost_over_current_protection_is_an_alarm_at_once_until_it_works_again(
    tmp_path: Path,
) -> None:
    class Sick(Socket):
        is_sick = False
        well = 0

        def read(self) -> PowerReading:
            self.well = 0 if self.is_sick else self.well + 1
            if self.is_sick:
                raise self.failed("does not answer", "look at it")
            return super().read()

    def turn_sick(sick: bool) -> Callable[[], None]:
        return lambda: setattr(sockets[0], "is_sick", sick)

    limited = SupplyConfig.model_validate({"kind": "mock", "current_limit_a": 2.0})
    # Events of supplies are recorded with the health of boards, once a second.
    acts = Acts({5: turn_sick(True), 60: turn_sick(False)}, until=lambda: sockets[0].well > 300)
    with bench(tmp_path) as boards:
        sockets = [Sick(boards["b"], limited)]
        powered(boards, tmp_path / "run", acts, socket=sockets[0])
    lost = "over-current protection lost on node b: node b: mock supply: does not answer"
    works = "over-current protection works again on node b"
    notes = rows(tmp_path / "run", "SELECT frame, text FROM notes WHERE text LIKE 'over-current%'")
    assert [note["text"] for note in notes] == [lost, works]
    key = ("protection", "b")
    with closing(LiveRecord(tmp_path / "run" / "run.db")) as source:
        source.poll()
        watch = AlarmFeed(source)
        (alarm,) = [a for a in watch.follow(notes[0]["frame"]) if a.key == key]
        assert alarm.level is Level.BAD and alarm.text == lost
        (alarm,) = [a for a in watch.follow(source.last) if a.key == key]
        assert alarm.level is Level.GOOD


@pytest.mark.parametrize("on", [True, False])
def test_a_board_that_has_power_and_stays_silent_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on: bool
) -> None:
    """Switched on in vain it is not waited for for ever; on already, not at all."""
    monkeypatch.setattr(bringup, "_SWITCHED_ON_US", 300_000)
    with bench(tmp_path) as boards:
        boards["b"].kill()
        monkeypatch.setattr(boards["b"], "start", lambda: None)  # it has lost its SD card
        words = "node b does not answer" if on else "node b did not come up in 0 s after its power"
        with pytest.raises(LinkTimeout, match=words) as caught:
            powered(boards, tmp_path / "run", Acts({}), on=on)
    assert "hil-agent" in (caught.value.remedy or "")


def test_a_board_that_hangs_is_switched_off_and_on_while_the_others_go_on(tmp_path: Path) -> None:
    with bench(tmp_path) as boards:
        acts = Acts({20: lambda: boards["b"].signal(signal.SIGSTOP)})
        socket = powered(boards, tmp_path / "run", acts)
    assert socket.cycles >= 1
    repairs = rows(tmp_path / "run", "SELECT node, action, ok, detail FROM repairs")
    assert repairs[0]["detail"].startswith("its power is cycled") and repairs[-1]["ok"] == 1
    (gone, back) = rows(
        tmp_path / "run",
        "SELECT min(frame) AS frame FROM transitions WHERE node='b' AND after IN "
        "('isolated', 'reset') GROUP BY after",
    )
    assert back["frame"] > gone["frame"] + 20, "nobody waits for it"


def test_a_latch_up_is_cut_off_recorded_and_cleared_by_a_power_cycle(tmp_path: Path) -> None:
    with bench(tmp_path) as boards:
        sockets: list[Socket] = []

        def latch() -> None:
            assert acts.loop is not None
            board = acts.loop.controls.rig.nodes[1].board
            assert isinstance(board, SerialBoard) and isinstance(board.power, Socket)
            board.power.load_a = 9.0
            sockets.append(board.power)

        def cleared() -> bool:
            if sockets[0].offs >= 3:  # cut, cycled, and cut off again on its way up
                sockets[0].load_a = 0.5
            return sockets[0].load_a < 1

        acts = Acts({20: latch}, until=cleared)
        socket = powered(boards, tmp_path / "run", acts)
    assert socket.cycles >= 1 and socket.is_on
    (cut, *_) = rows(tmp_path / "run", "SELECT * FROM power WHERE event LIKE 'cut%'")
    assert cut["node"] == "b" and "its limit is 2 A" in cut["event"]
    measured = rows(tmp_path / "run", "SELECT volts, amps FROM power WHERE event = ''")
    assert {(5.0, 0.5)} <= {(m["volts"], m["amps"]) for m in measured}
    lost = rows(tmp_path / "run", "SELECT reason FROM link_events WHERE state='lost' AND node='b'")
    assert lost, "its link is gone with it"


def test_power_loss_as_an_upset_works_on_real_boards_too(tmp_path: Path) -> None:
    event = {
        "frame": 20,
        "node": "b",
        "target": "board",
        "action": "power_loss",
        "returns_after_frames": 20,
    }
    with bench(tmp_path) as boards:
        acts = Acts({60: lambda: None})
        # The socket is not of the scenario: there nothing is known that switches the power.
        upsets = {"events": [event], "allow_missed": 1}
        socket = powered(boards, tmp_path / "run", acts, upsets=upsets)
    assert socket.cycles >= 1
    (upset,) = rows(tmp_path / "run", "SELECT state, outcome FROM upsets")
    assert upset["state"] == "injected"
