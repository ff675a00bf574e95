"""What boards measure of themselves: power, supply and clock (F10 to F13).

Public reports behind these cases: a total above the input rail (rbonghi/jetson_stats 51), flags
since boot taken for flags of now (raspberrypi/linux 2397), under-voltage that nobody hears of
(Pioreactor 104), rails of JetPack 4 (rbonghi/jetson_stats 131)."""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hil.engine.firmware_flags import FirmwareFlags
from hil.record.live import LiveRecord
from hil.record.row_values import RecordedHealth, value_of
from hil.rig.backends.process import find_agent
from hil.views.alarm_limits import Level
from hil.views.screen.model.alarm_feed import AlarmFeed
from hil.views.screen.model.recorded_values import reading_of
from hil.views.screen.model.scene import SceneReader
from hil.views.screen.pages.overview.nodes import nodes_table
from hil.views.screen.pages.style import Marks
from hil.wire.messages import Rail
from hil.wire.rails import board_power_mw
from tests.command_line import Done, Hil
from tests.views.story import Story

HWMON = "sys/class/hwmon/hwmon1"
ORIN_NANO = {
    "proc/device-tree/model": "NVIDIA Jetson Orin Nano",
    f"{HWMON}/name": "ina3221",
    f"{HWMON}/in1_label": "VDD_IN",
    f"{HWMON}/in1_input": "5000",
    f"{HWMON}/curr1_input": "1000",
    f"{HWMON}/in2_label": "VDD_CPU_GPU_CV",
    f"{HWMON}/in2_input": "5000",
    f"{HWMON}/curr2_input": "400",
    f"{HWMON}/in3_label": "VDD_SOC",
    f"{HWMON}/in3_input": "5000",
    f"{HWMON}/curr3_input": "300",
}
IIO = "sys/bus/i2c/drivers/ina3221x/0-0041/iio:device1"
TX2 = {
    "proc/device-tree/model": "NVIDIA Jetson TX2",
    f"{IIO}/rail_name_0": "VDD_IN",
    f"{IIO}/in_voltage0_input": "19072",
    f"{IIO}/in_current0_input": "168",
}
RAILS = (Rail("VDD_IN", 5000, 1000), Rail("VDD_CPU", 5000, 400), Rail("VDD_SOC", 5000, 300))


def pi(throttled: str) -> dict[str, str]:
    return {
        "proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.4",
        "sys/devices/platform/soc/soc:firmware/get_throttled": throttled,
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "1500000",
    }


def run_on(hil: Hil, files: Mapping[str, str]) -> tuple[Done, dict[str, Any], list[str]]:
    """A run on a board with that /sys and /proc: the run, its first row of health, its notes."""
    for name, text in files.items():
        path = hil.cwd / "root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")
    with subprocess.Popen(
        [str(find_agent()), "--port", "pty", "--exit-with-parent", "--sys-root", hil.cwd / "root"],
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    ) as agent:
        assert agent.stdout is not None
        port = agent.stdout.readline().split()[1]
        bench = hil.write("b.yaml", f"schema: 1\nboards:\n  - {{name: x, port: {port}}}\n")
        scenario = hil.write("s.yaml", "workload: sha256\nframes: 20\nrig: {scheme: simplex}\n")
        done = hil("run", scenario, "--bench", bench, "--out", "r", "--no-tui")
        agent.kill()
    assert done.code != 3, done.err
    with closing(sqlite3.connect(hil.cwd / "r" / "run.db")) as db:
        db.row_factory = sqlite3.Row
        row = dict(db.execute("SELECT * FROM health ORDER BY id LIMIT 1").fetchone())
        flags = db.execute("SELECT * FROM throttling ORDER BY id LIMIT 1").fetchone()
        notes = [text for (text,) in db.execute("SELECT text FROM notes")]
    return done, {**row, **(dict(flags) if flags else {})}, notes


@pytest.mark.parametrize(
    ("files", "milliwatts"),
    [pytest.param(ORIN_NANO, 5000, id="F10"), pytest.param(TX2, 3204, id="F13")],
)
def test_the_power_of_a_board_is_its_input_in_record_and_summary(
    hil: Hil, files: dict[str, str], milliwatts: int
) -> None:
    done, row, _ = run_on(hil, files)
    assert done.code == 0, done.out
    assert row["power_mw"] == milliwatts
    assert f"x: draws {milliwatts / 1000:.2f} W, at most {milliwatts / 1000:.2f} W" in done.out


def test_f11_what_was_since_boot_is_kept_apart_from_what_is_now(hil: Hil) -> None:
    done, row, notes = run_on(hil, pi("50000"))
    assert (row["under_voltage"], row["under_voltage_since_boot"]) == (0, 1)
    assert (row["slowed_down"], row["slowed_down_since_boot"]) == (0, 1)
    assert not [note for note in notes if "voltage" in note]
    assert "x: under-voltage, throttled since its boot, in none of its readings" in done.out


def test_f12_under_voltage_has_a_note_and_a_line_of_the_summary(hil: Hil) -> None:
    done, row, notes = run_on(hil, pi("1"))
    assert (row["under_voltage"], row["under_voltage_since_boot"]) == (1, 0)
    text = "node x: its firmware reports under-voltage; check its supply and cable"
    assert text in notes
    assert "x: under-voltage in " in done.out


# --- the screen ---------------------------------------------------------------------------------


def cells(path: Path, frame: int) -> dict[str, str]:
    """The lines of the table of nodes, by node."""
    with closing(LiveRecord(path)) as source:
        source.poll()
        scene = SceneReader(source).scene(frame)
    lines = nodes_table(scene, 140, Marks(ascii_only=True), None)
    return {
        node.name: next(str(text) for text in lines if f" {node.name} " in str(text))
        for node in scene.nodes
    }


def test_f10_the_screen_shows_the_input_rail(tmp_path: Path) -> None:
    with Story(tmp_path / "run.db", nodes=1) as story:
        story.rails["a"] = RAILS
        story.agree(20)
    shown = cells(tmp_path, 15)["a"]
    assert " 5.00 " in shown and "8.50" not in shown


@pytest.mark.parametrize(
    ("throttled", "marked"),
    [(0x50000, False), (0xF0000, False), (0x50005, True), (1, True), (8, True), (0, False)],
)
def test_f11_only_what_is_now_marks_a_board(tmp_path: Path, throttled: int, marked: bool) -> None:
    with Story(tmp_path / "run.db", nodes=1) as story:
        story.throttled["a"] = throttled
        story.agree(20)
    assert ("1500!" in cells(tmp_path, 15)["a"]) is marked


def alarms(path: Path, frame: int) -> dict[tuple[str, str], tuple[Level, str]]:
    with closing(LiveRecord(path)) as source:
        source.poll()
        watch = AlarmFeed(source)
        found = watch.follow(frame)
        while watch.behind:
            found = watch.follow(frame)
    return {alarm.key: (alarm.level, alarm.text) for alarm in found}


def test_f12_under_voltage_is_an_alarm_until_it_is_over_and_listed_until_acknowledged(
    tmp_path: Path,
) -> None:
    with Story(tmp_path / "run.db") as story:
        story.agree(20)
        story.throttled["b"] = 0x50005
        story.agree(20)
        story.throttled["b"] = 0x50000
        story.agree(20)
    assert alarms(tmp_path, 9) == {}
    assert alarms(tmp_path, 35) == {
        ("under_voltage", "b"): (Level.WARN, "b: under-voltage"),
        ("throttled", "b"): (Level.WARN, "b: throttled"),
    }
    after = alarms(tmp_path, 55)
    assert {key: level for key, (level, _) in after.items()} == {
        ("under_voltage", "b"): Level.GOOD,
        ("throttled", "b"): Level.GOOD,
    }


def test_a_dip_between_two_readings_is_listed_and_one_before_the_run_is_not(tmp_path: Path) -> None:
    with Story(tmp_path / "run.db") as story:
        story.throttled["a"] = 0x10000  # of before the run
        story.agree(20)
        story.throttled["b"] = 0x10000
        story.agree(20)
    assert alarms(tmp_path, 35) == {("under_voltage", "b"): (Level.GOOD, "b: under-voltage")}


def test_a_screen_attached_late_shows_an_earlier_voltage_dip(tmp_path: Path) -> None:
    with Story(tmp_path / "run.db", frames=30_000) as story:
        story.agree(50)
        story.throttled["b"] = 0x10001
        story.agree(10)
        story.throttled["b"] = 0x10000
        story.agree(8_000)
    assert alarms(tmp_path, 8_000) == {("under_voltage", "b"): (Level.GOOD, "b: under-voltage")}


# --- one definition each ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rails", "milliwatts"),
    [
        ([("VDD_IN", 5000, 1000), ("VDD_SOC", 5000, 300)], 5000),
        ([("VDD_SOC", 5000, 300), ("VDD_IN", 5000, 1000)], 5000),
        ([("5V_GPU", 5000, 40), ("5V_IN", 5000, 600)], 3000),
        ([("GPU", 19000, 10), ("CPU", 19000, 20)], 570),
        ([("VDD_IN", None, 1000), ("VDD_SOC", 5000, 300)], 1500),
        ([("VDD_IN", -(2**31), 1000)], None),
        ([("VDD_IN", 5000, 0)], 0),
        ([], None),
    ],
)
def test_power_behind_the_input_rail_is_not_added(
    rails: list[tuple[str, int | None, int | None]], milliwatts: int | None
) -> None:
    assert board_power_mw(rails) == milliwatts


def test_a_record_of_before_power_was_kept_shows_the_same_power() -> None:
    with closing(sqlite3.connect(":memory:")) as db:
        db.row_factory = sqlite3.Row
        row = db.execute(
            """SELECT 0 AS id, 0 AS node, 1 AS frame, 2 AS wall_us, 3 AS steps,
            NULL AS cpu_temp_mc, NULL AS clock_khz, NULL AS throttled,
            '[["VDD_IN", 5000, 1000], ["VDD_SOC", 5000, 300]]' AS rails,
            NULL AS rss_kib, NULL AS free_mib, 0 AS uptime_us, 0 AS crashes, 0 AS hangs,
            0 AS restarts, 0 AS corrected, 0 AS uncorrected, 0 AS rx_errors, 0 AS duplicates"""
        ).fetchone()
    assert reading_of(value_of(RecordedHealth, row)).power_w == 5.0


def test_notes_come_once_and_a_reboot_makes_no_new_history() -> None:
    flags = FirmwareFlags()
    assert flags.notes("a", None, 1) == []
    assert flags.notes("a", 0x80000, 1) == []  # since before the run
    assert flags.notes("a", 0x80008, 2) == ["node a: its firmware reports soft temperature limit"]
    assert flags.notes("a", 0x80008, 3) == []
    assert flags.notes("a", 0x90000, 4) == [
        "node a: under-voltage between two readings; check its supply and cable"
    ]
    assert flags.notes("a", 0x90001, 5) == []  # it has its note
    assert flags.notes("b", 0, 9) == []
    assert flags.notes("b", 0x20000, 1) == []  # it booted: not known when
    assert flags.notes("b", 0x60000, 2) == ["node b: throttled between two readings"]
