"""What boards print beside their frames: it is in the console log of their run, with its time."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from hil.engine import exchange_stage
from hil.engine.loop import Loop
from hil.record.board_context import BOARD_CONTEXT, BoardContext, LogExtent
from hil.record.live import LiveRecord
from hil.record.reader import Reader
from hil.record.recorded_context import parse_context
from hil.redundancy.recovery import NodeState
from hil.rig.backends.process import find_agent
from hil.rig.console.log import log_path
from hil.rig.node import Node
from hil.rig.transport import Transport
from hil.scenario import Scenario
from hil.views.screen.model.events import newest_events
from hil.views.screen.model.verdict_strip import VerdictHistory
from hil.wire.messages import LinkState
from tests.between_frames import between_frames
from tests.command_line import Hil
from tests.emulated import crash, let_crash, possible
from tests.engine.cabled_boards import Board, bench, rows, scenario
from tests.rig.cable import End
from tests.rig.console.logs import console_bytes, entries

__all__ = ["possible"]

BOOT = b"\r\nU-Boot 2026.01\r\nStarting kernel ...\r\n[    0.000000] Booting Linux \xe2\x80\xa6\r\n"
PANIC = (
    b"[   12.345678] Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b\r\n"
    b"[   12.345679] ---[ end Kernel panic - not syncing: Attempted to kill init! ]---\r\n"
)


class Steps:
    """A run in which a test takes part between two frames, step by step; after the last step the
    run ends."""

    def __init__(self, what: Scenario, out: Path) -> None:
        self.out = out
        self.steps: list[Callable[[], bool]] = []
        out.mkdir()
        self.loop = Loop(what, out, **between_frames(self._step))
        self.nodes = self.loop.controls.rig.by_name

    def _step(self) -> bool:
        """Take the next step when the one before has come true; end the run after the last."""
        while self.steps and self.steps[0]():
            self.steps.pop(0)
        return not self.steps

    def do(self, *acts: Callable[[], object]) -> None:
        """Add steps that do something each, a frame apart."""
        for act in acts:
            self.steps.append(lambda act=act: (act(), True)[1])  # type: ignore[misc]
            self.steps.append(partial(self._frame_over, []))

    def _frame_over(self, seen: list[int]) -> bool:
        seen.append(self.loop.next_frame)
        return seen[-1] > seen[0]

    def wait(self, true: Callable[[], bool]) -> None:
        """Add a step that waits for something."""
        self.steps.append(true)

    def is_in(self, name: str, state: NodeState) -> bool:
        return self.loop.controls.recovery.state(name) is state


def say_when_opened(node: Node, board: Board, text: bytes) -> None:
    """Let a board print each time that its port is opened: what it said before is lost."""

    def tap(transport: Transport) -> Transport:
        board.cable.say(text)
        return transport

    node.tap = tap


def panic(board: Board) -> None:
    board.kill()
    board.cable.say(PANIC)


def test_boot_logs_and_panics_are_in_the_console_log_of_their_node(tmp_path: Path) -> None:
    with bench(tmp_path) as boards:
        run = Steps(scenario(boards), tmp_path / "run")
        for name, board in boards.items():
            say_when_opened(run.nodes[name], board, b"boot of %s" % name.encode() + BOOT)
        run.do(lambda: boards["c"].cable.say(b"hello"))
        run.do(partial(panic, boards["b"]))
        run.wait(lambda: run.nodes["b"].link.status.state is LinkState.CONNECTING)
        run.do(boards["b"].start)
        run.wait(lambda: run.is_in("b", NodeState.VOTING))
        result = run.loop.run()
    assert result.metrics["sdc_frames"] == 0
    boot = b"boot of b" + BOOT
    assert console_bytes(run.out, "a") == b"boot of a" + BOOT
    assert console_bytes(run.out, "b") == boot + PANIC + boot, "the reconnector has read the last"
    assert console_bytes(run.out, "c") == b"boot of c" + BOOT + b"hello"
    for name in "abc":
        found = entries(run.out, name)
        assert {entry.source for entry in found} == {"link"}, "no frame is in it"
        times = [entry.seconds for entry in found]
        assert times == sorted(times) and times[0] >= 0
    kernel_logs_are_those_of_before_and_during(run.out)


def kernel_logs_are_those_of_before_and_during(out: Path) -> None:
    """What the kernels of the boards printed in the test above, in the record."""
    context = context_of(out)
    booted = "[    0.000000] Booting Linux \N{HORIZONTAL ELLIPSIS}"
    panics = PANIC.decode().splitlines()
    for name, new in (("a", []), ("b", [*panics, booted]), ("c", [])):
        log = context.nodes[name].kernel_log
        assert log is not None and (log.unknown, log.lost) == ("", False)
        assert log.before == extent([booted]) and log.tail == (booted,)
        assert log.after == extent([booted, *new])
        assert list(log.new) == new and log.new_lines == len(new)
        assert context.nodes[name].agent_known.startswith("reported by the agent")
    assert context.host_log is None, "no board is of this computer"


def context_of(out: Path) -> BoardContext:
    reader = Reader(out)
    content = reader.meta_object(BOARD_CONTEXT)
    reader.close()
    assert content is not None
    return parse_context(content)


def extent(lines: list[str]) -> LogExtent:
    text = "".join(f"{line}\n" for line in lines)
    return LogExtent(len(lines), hashlib.sha256(text.encode()).hexdigest())


def test_what_an_agent_writes_to_stderr_is_logged_with_its_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = tmp_path / "agent"
    agent.write_text(f'#!/bin/sh\necho "E_FLASH: 7" >&2\nexec {find_agent()} "$@"\n')
    agent.chmod(0o755)
    monkeypatch.setenv("HIL_AGENT", str(agent))
    keys = {"workload": "attitude", "frames": 20, "rig": {"scheme": "tmr", "board": "process"}}
    (tmp_path / "run").mkdir()
    result = Loop(Scenario.model_validate(keys), tmp_path / "run").run()
    assert result.unexplained == 0
    for name in "abc":
        (entry,) = entries(tmp_path / "run", name)
        assert (entry.source, entry.text) == ("stderr", "E_FLASH: 7\\n")


def test_a_console_port_is_logged_beside_the_link_of_its_node(tmp_path: Path) -> None:
    console = End(tmp_path / "console")
    console.plug()
    with bench(tmp_path) as boards:
        what = scenario(boards).model_dump(mode="json", by_alias=True)
        what["rig"]["nodes"][1] |= {"console": str(console.path), "console_baud": 115200}
        what["rig"]["nodes"][2] |= {"console": str(tmp_path / "not-there")}
        run = Steps(Scenario.model_validate(what), tmp_path / "run")
        log = log_path(run.out, "b")
        run.wait(lambda: os.write(console.master, PANIC) > 0 and log.exists())
        run.do(lambda: boards["b"].cable.say(BOOT))
        result = run.loop.run()
    console.unplug()
    assert result.metrics["sdc_frames"] == 0 and result.metrics["isolated"] == 0
    assert console_bytes(run.out, "b", "console").startswith(PANIC)
    assert console_bytes(run.out, "b") == BOOT
    (note,) = rows(run.out, "SELECT text FROM notes WHERE text LIKE '%console%'")
    missing = f"node c: nothing is read from its console: port {tmp_path / 'not-there'} does not"
    assert note["text"].startswith(missing)


SAID = "console: Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b"


def test_a_panic_is_the_reason_of_a_silence_wherever_one_is_told(tmp_path: Path, hil: Hil) -> None:
    with bench(tmp_path) as boards:
        run = Steps(scenario(boards, expect={"unexplained": 1}), tmp_path / "run")
        run.do(partial(panic, boards["b"]))
        run.wait(lambda: run.is_in("b", NodeState.ISOLATED))
        run.loop.run()
    (anomaly,) = rows(run.out, "SELECT * FROM anomalies")
    assert (anomaly["node"], anomaly["effect"], anomaly["reason"]) == ("b", "hang", SAID)
    replies = rows(run.out, "SELECT reason FROM replies WHERE status = 'silent'")
    assert {reply["reason"] for reply in replies} == {SAID}
    sql = "SELECT * FROM link_events WHERE node = 'b' AND reason LIKE '%panic%' ORDER BY id"
    events = [(event["state"], event["reason"]) for event in rows(run.out, sql)]
    assert events == [("connected", f"its {SAID}"), ("lost", SAID)]
    assert {row["frame"] for row in rows(run.out, sql)} == {anomaly["frame"]}
    (moment,) = hil("replay", run.out, "--json").json["frames"]
    assert moment["unexplained"] == [f"b: hang ({SAID})"] and moment["consoles"] == []
    with closing(sqlite3.connect(run.out / "run.db")) as record, record:
        record.execute("DELETE FROM anomalies")  # as if an upset explained it
    (moment,) = hil("replay", run.out, "--json").json["frames"]
    assert moment["unexplained"] == [] and moment["dissent"] == ["b silent"]
    assert moment["consoles"] == [SAID.replace("console:", "b printed:")]
    assert SAID.replace("console:", "b printed:") in hil("replay", run.out).out
    with closing(LiveRecord(run.out)) as source:
        source.poll()
        lines = newest_events(source, VerdictHistory(source), source.last, 20, "b")
    assert {SAID, f"link lost: {SAID}"} <= {line.text for line in lines}


def test_a_board_that_starts_again_says_so_itself(tmp_path: Path) -> None:
    def restart() -> None:
        boards["b"].kill()
        boards["b"].cable.say(b"[ 9.1] E_POWER: 4.1 V\r\n" + BOOT)
        boards["b"].start()

    with bench(tmp_path) as boards:
        what = scenario(boards, console_patterns=["E_POWER"], expect={"unexplained": 1})
        run = Steps(what, tmp_path / "run")
        run.do(restart)
        run.wait(lambda: not run.is_in("b", NodeState.VOTING))
        run.wait(lambda: run.is_in("b", NodeState.VOTING))
        run.loop.run()
    (anomaly,) = rows(run.out, "SELECT * FROM anomalies")
    assert anomaly["effect"] == "reboot"
    assert anomaly["reason"] == "console: E_POWER: 4.1 V; the agent restarted"
    events = rows(run.out, "SELECT reason FROM link_events WHERE reason LIKE 'its console%'")
    assert [event["reason"] for event in events] == [
        "its console: E_POWER: 4.1 V",
        "its console: U-Boot 2026.01",
    ]


def test_what_a_board_printed_long_before_explains_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange_stage, "_CAUSE_US", 0)
    with bench(tmp_path) as boards:
        run = Steps(scenario(boards, expect={"unexplained": 1}), tmp_path / "run")
        run.do(lambda: boards["b"].cable.say(b"BUG: harmless\r\n"))
        run.wait(lambda: bool(rows(run.out, "SELECT * FROM link_events WHERE reason LIKE '%BUG%'")))
        run.do(boards["b"].kill)
        run.wait(lambda: run.is_in("b", NodeState.ISOLATED))
        run.loop.run()
    (anomaly,) = rows(run.out, "SELECT reason FROM anomalies")
    assert anomaly["reason"].startswith("no answer for 0.3 s")


@pytest.mark.slow
@pytest.mark.emulated
@pytest.mark.usefixtures("possible")
def test_what_an_emulated_guest_prints_is_in_its_console_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_crash(monkeypatch)
    run = Steps(emulated_boards(), tmp_path / "run")
    run.do(lambda: crash(run.nodes["b"].board))
    run.wait(lambda: not run.is_in("b", NodeState.VOTING))
    run.wait(lambda: run.is_in("b", NodeState.VOTING))
    result = run.loop.run()
    assert result.metrics["sdc_frames"] == 0
    booted = {name: console_bytes(run.out, name).count(b"] Linux version 6") for name in "abc"}
    cycles = rows(run.out, "SELECT * FROM repairs WHERE action = 'power_cycle'")
    assert cycles  # more than one where its boot takes long
    assert booted == {"a": 1, "b": 1 + len(cycles), "c": 1}
    assert b"Kernel panic - not syncing: sysrq triggered crash\r\n" in console_bytes(run.out, "b")
    (anomaly,) = rows(run.out, "SELECT * FROM anomalies WHERE effect = 'hang'")
    assert anomaly["reason"] == "console: Kernel panic - not syncing: sysrq triggered crash"
    events = rows(run.out, "SELECT node FROM link_events WHERE reason LIKE 'its console%'")
    assert {event["node"] for event in events} == {"b"}, "a boot is no failure"


def emulated_boards() -> Scenario:
    return Scenario.model_validate(
        {
            "workload": "sha256",
            "frames": 1_000_000,
            "frame_ms": 50,
            "pace": "realtime",
            "rig": {"scheme": "tmr", "board": "emulated"},
            "timeouts": {"lost_after_ms": 1000},
        }
    )
