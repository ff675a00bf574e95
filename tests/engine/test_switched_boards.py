"""Boards whose power the run switches: off at the start, hung, latched up, or cut as an upset."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hil.errors import LinkTimeout
from hil.record.live import LiveRecord
from hil.record.run_result import RunResult
from hil.rig import bringup, reconnect
from hil.rig.backends.serial_board import SerialBoard
from hil.rig.power.protocol import PowerReading
from hil.scenario.supply import SupplyConfig, SupplyKind
from hil.views.alarm_limits import Level
from hil.views.screen.model.alarm_feed import AlarmFeed
from tests.amount import mostly_slow
from tests.command_line import Hil
from tests.engine.cabled_boards import Acts, Board, Socket, bench, powered, powered_run, rows


@pytest.mark.slow
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


@pytest.mark.parametrize("on", mostly_slow([True, False], keep=1))
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
    (repair,) = rows(tmp_path / "run", "SELECT * FROM repairs")
    assert (repair["node"], repair["action"], repair["cause"]) == ("b", "power_cycle", "silent")
    assert repair["ok"] == 1 and repair["detail"].startswith("its agent answered after 1.")
    assert repair["duration_wall_us"] > 1e6, "the power was off for one second"
    (gone, back) = rows(
        tmp_path / "run",
        "SELECT min(frame) AS frame FROM transitions WHERE node='b' AND after IN "
        "('isolated', 'reset') GROUP BY after",
    )
    assert back["frame"] > gone["frame"] + 20, "nobody waits for it"


@pytest.mark.slow
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
        socket, result = powered_run(boards, tmp_path / "run", acts)
    assert result.metrics["sdc_frames"] == 0 and result.metrics["isolated"] == 0
    assert result.metrics["cuts"] >= 1 and result.metrics["unexplained"] == 0
    (note, *_) = rows(tmp_path / "run", "SELECT text FROM notes WHERE text LIKE '%over-current%'")
    assert note["text"] == "node b: over-current: 2.00 A (limit 2 A), cut off by its supply"
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


# --- when a run waits for boards --------------------------------------------------------------


def test_an_unpaced_run_waits_before_its_last_frames_for_a_board_that_boots(
    tmp_path: Path,
) -> None:
    """Its frames take no time: without waiting it would be over long before the board is back."""
    with bench(tmp_path) as boards:
        acts = Acts({20: lambda: boards["b"].signal(signal.SIGSTOP)}, until=lambda: False)
        _, result = powered_run(boards, tmp_path / "run", acts, frames=200)
    assert result.metrics["isolated"] == 0 and result.frames == 200
    (last,) = rows(tmp_path / "run", "SELECT after FROM transitions ORDER BY id DESC LIMIT 1")
    assert last["after"] == "voting", "it had frames enough to be reintegrated"


def test_a_board_that_falls_silent_in_the_last_frame_is_waited_for(tmp_path: Path) -> None:
    with bench(tmp_path) as boards:
        acts = Acts({49: lambda: boards["b"].signal(signal.SIGSTOP)}, until=lambda: False)
        _, result = powered_run(boards, tmp_path / "run", acts, frames=50)
    assert result.metrics["isolated"] == 0 and not result.lost
    (repair,) = rows(tmp_path / "run", "SELECT action, ok FROM repairs")
    assert (repair["action"], repair["ok"]) == ("power_cycle", 1)


def test_a_board_that_never_returns_is_waited_for_only_as_long_as_a_boot_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die() -> None:
        boards["b"].kill()
        monkeypatch.setattr(boards["b"], "start", lambda: None)  # it has lost its SD card

    with bench(tmp_path) as boards:
        acts = Acts({20: die}, until=lambda: False)
        _, result = powered_run(boards, tmp_path / "run", acts, frames=200, boot_s=1.5)
    assert [board.node for board in result.lost] == ["b"]
    (repair,) = rows(tmp_path / "run", "SELECT action, cause, ok, detail FROM repairs")
    assert (repair["action"], repair["cause"], repair["ok"]) == ("power_cycle", "silent", 0)
    assert repair["detail"] == "its power was cycled, and its agent has not answered since"


@pytest.mark.slow
def test_an_unpaced_run_whose_boards_are_all_away_waits_and_goes_on_from_the_hosts_copy(
    tmp_path: Path,
) -> None:
    """It loses the frames in which they fell silent, not thousands until one is back. In the 150 ms
    that the host may read, this line transfers 1.7 of the 4 KB of the state."""

    def all_dark() -> None:
        for board in boards.values():
            board.kill()
        for name in "ac":  # the power of b is cycled
            threading.Timer(1.0, boards[name].start).start()

    with bench(tmp_path) as boards:
        acts = Acts({2500: all_dark}, until=lambda: False)
        _, result = powered_run(boards, tmp_path / "run", acts, frames=3000)
    assert result.metrics["isolated"] == 0 and result.metrics["sdc_frames"] == 0
    assert result.metrics["unresolved"] <= 3, "one frame for each board at most"
    details = [row["detail"] for row in rows(tmp_path / "run", "SELECT detail FROM repairs")]
    starts = [int(d.rpartition("from frame ")[2]) for d in details if "from frame" in d]
    assert starts and min(starts) > 1000, "not from the beginning"


@pytest.mark.slow
def test_power_that_returns_is_not_switched_off_again_first(tmp_path: Path) -> None:
    """The board was off for longer than a power cycle takes: it only has to be switched on."""
    cut = {"target": "board", "action": "power_loss", "returns_after_frames": 40}
    with bench(tmp_path) as boards:
        acts = Acts({100: lambda: None})
        upsets = {"events": [{"frame": 20, "node": "b", **cut}], "allow_missed": 1}
        slow = SupplyConfig.model_validate({"kind": "mock", "off_s": 2.0})
        powered_run(
            boards,
            tmp_path / "run",
            acts,
            socket=Socket(boards["b"], slow),
            upsets=upsets,
            pace="realtime",
            frame_ms=50,
        )
    (repair,) = rows(tmp_path / "run", "SELECT * FROM repairs WHERE action = 'power_cycle'")
    assert repair["ok"] == 1 and repair["cause"] == "power is back"
    assert repair["duration_wall_us"] < 1e6, "it was off for 2 s when its power returned"


# --- supplies that are slow, fail, or disagree ------------------------------------------------


class SlowToSwitch(Socket):
    """A plug that takes its time, as one in a cloud does."""

    def off(self) -> None:
        threading.Event().wait(1.5)
        super().off()


class Refusing(Socket):
    """A plug that does not switch, and says so."""

    def off(self) -> None:
        raise self.failed("it is locked", "unlock it")


class Contradicting(Socket):
    """Its board falls silent when it is switched off, but it goes on giving power: something else
    happened to the board."""

    def off(self) -> None:
        super().off()
        self.is_on = True


CUT = {"frame": 20, "node": "b", "target": "board", "action": "power_loss"}


def promptly(boards: dict[str, Board], out: Path, **data: Any) -> RunResult:
    """Run in real time, and check that no frame was a second late."""
    acts = Acts({}, until=lambda: False)
    _, result = powered_run(boards, out, acts, pace="realtime", frame_ms=50, **data)
    (slip,) = rows(out, "SELECT coalesce(max(late_wall_us), 0) AS worst FROM slips")
    assert slip["worst"] < 1_000_000, "the run did not wait"
    return result


@pytest.mark.slow
@pytest.mark.parametrize("kind", [SlowToSwitch, Refusing])
def test_no_frame_waits_for_a_supply_that_switches(tmp_path: Path, kind: type[Socket]) -> None:
    with bench(tmp_path) as boards:
        socket = kind(boards["b"], SupplyConfig(kind=SupplyKind.MOCK))
        upsets = {"events": [CUT], "allow_missed": 1}
        result = promptly(boards, tmp_path / "run", socket=socket, upsets=upsets, frames=80)
    (upset,) = rows(tmp_path / "run", "SELECT state, detail FROM upsets")
    if kind is Refusing:
        assert (upset["state"], "it is locked" in upset["detail"]) == ("refused", True)
        assert result.metrics["isolated"] == 0 and socket.is_on
    else:
        assert upset["state"] == "injected" and not socket.is_on


def test_a_silent_board_whose_supply_still_gives_power_lost_none(tmp_path: Path) -> None:
    """Its silence counts as the cut at first, and is an anomaly once its supply has answered."""
    with bench(tmp_path) as boards:
        socket = Contradicting(boards["b"], SupplyConfig(kind=SupplyKind.MOCK))
        upsets = {"events": [CUT], "allow_missed": 1}
        acts = Acts({}, until=lambda: False)
        _, result = powered_run(
            boards, tmp_path / "run", acts, socket=socket, upsets=upsets, frames=80, boot_s=1
        )
    (upset,) = rows(tmp_path / "run", "SELECT state, detail, effect FROM upsets")
    assert (upset["state"], upset["effect"]) == ("failed", "")
    assert "its supply still gives power" in upset["detail"]
    assert result.metrics["unexplained"] == 1 and result.upsets.injected == 0
    (anomaly,) = rows(tmp_path / "run", "SELECT node, effect, reason FROM anomalies")
    assert (anomaly["node"], anomaly["effect"]) == ("b", "hang")


@pytest.mark.slow
def test_no_frame_waits_for_a_silent_board_that_upsets_are_aimed_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has not been silent for so long that it counts as lost."""
    targets = ("state", "check-bits")
    hits = [
        {"frame": at, "node": "b", "target": targets[at % 2], "bit": 3} for at in range(30, 60, 3)
    ]
    asked: list[str] = []

    def spy() -> None:
        assert acts.loop is not None
        rig = acts.loop.controls.rig
        ask = rig.health

        def health(nodes: Any, *more: Any) -> Any:
            asked.extend(node.name for node in nodes)
            return ask(nodes, *more)

        monkeypatch.setattr(rig, "health", health)

    with bench(tmp_path) as boards:
        acts = Acts(
            {20: lambda: boards["b"].signal(signal.SIGSTOP), 29: spy, 69: monkeypatch.undo},
            until=lambda: False,
        )
        powered_run(
            boards,
            tmp_path / "run",
            acts,
            pace="realtime",
            frame_ms=50,
            frames=70,
            timeouts={"lost_after_ms": 4000, "retry_ms": 60, "boot_s": 2},
            upsets={"events": hits, "allow_missed": 10},
        )
    (slip,) = rows(tmp_path / "run", "SELECT coalesce(max(late_wall_us), 0) AS worst FROM slips")
    assert slip["worst"] < 2_000_000, "each upset cost four seconds"
    upsets = rows(tmp_path / "run", "SELECT state, detail FROM upsets")
    assert {upset["state"] for upset in upsets} == {"refused"}
    assert all("the board has not answered for" in upset["detail"] for upset in upsets)
    assert set(asked) == {"a", "c"}, "nor is it asked for its health"


# --- how a run leaves the power -------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Socket, SlowToSwitch])
def test_power_that_is_due_at_the_end_is_back_before_the_run_ends(
    tmp_path: Path, kind: type[Socket]
) -> None:
    """It was cut so late that its board has not been silent for long when the last frame is over;
    or is on still, as its supply is slow."""
    with bench(tmp_path) as boards:
        socket = kind(boards["b"], SupplyConfig.model_validate({"kind": "mock", "off_s": 0.1}))
        upsets = {"events": [{**CUT, "frame": 45, "returns_after_frames": 3}], "allow_missed": 1}
        acts = Acts({}, until=lambda: False)
        _, result = powered_run(
            boards, tmp_path / "run", acts, socket=socket, upsets=upsets, frames=50
        )
    assert socket.is_on and socket.offs and not result.lost
    (upset,) = rows(tmp_path / "run", "SELECT state FROM upsets")
    assert upset["state"] == "injected"
    (repair,) = rows(tmp_path / "run", "SELECT action, cause, ok FROM repairs")
    assert (repair["action"], repair["cause"], repair["ok"]) == ("power_cycle", "power is back", 1)


def test_a_power_cycle_that_has_begun_when_the_run_is_ended_is_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconnect, "_CLOSING_S", 0.01)

    class SlowOn(Socket):
        def on(self) -> None:
            threading.Event().wait(0.5)
            super().on()

    class EndsInCycle(Acts):
        def __call__(self) -> bool:
            super().__call__()
            return sockets[0].offs > 0

    with bench(tmp_path) as boards:
        sockets = [SlowOn(boards["b"], SupplyConfig.model_validate({"kind": "mock", "off_s": 60}))]
        acts = EndsInCycle({5: lambda: boards["b"].signal(signal.SIGSTOP)})
        powered_run(boards, tmp_path / "run", acts, socket=sockets[0])
        assert sockets[0].is_on


PLANT = {
    "orbit": {
        "epoch_utc": "2026-03-20T00:00:00Z",
        "altitude_km": 550.0,
        "inclination_deg": 51.64,
    },
    "latch_up": {"current_factor": 2.5, "trip_factor": 1.5, "off_s": 2.0},
}


@pytest.mark.parametrize("kind", mostly_slow([SlowToSwitch, Refusing], keep=0))
def test_no_frame_waits_for_a_supply_that_the_plant_switches(
    tmp_path: Path, kind: type[Socket]
) -> None:
    """A board whose power cannot be switched off is suspended instead, as soon as that is known."""
    with bench(tmp_path) as boards:
        socket = kind(boards["b"], SupplyConfig(kind=SupplyKind.MOCK))
        upsets = {"events": [{**CUT, "action": "latch_up"}], "allow_missed": 1}
        flight = {"plant": PLANT, "profile": "raspberry-pi-4b", "frames": 140}
        result = promptly(boards, tmp_path / "run", socket=socket, upsets=upsets, **flight)
    ordered = rows(tmp_path / "run", "SELECT cause, applied FROM limits WHERE node = 'b'")
    (cut,) = [row["applied"] for row in ordered if row["cause"].startswith("over-current")]
    assert ("it is locked" in cut and "suspend" in cut) if kind is Refusing else '"off"' in cut
    assert result.metrics["isolated"] == 0 and result.metrics["plant.latch_ups"] == 1
