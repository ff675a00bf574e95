"""Limits on the hil-agent program: time really given up, cores, and the knobs of a fake machine."""

from __future__ import annotations

import errno
import os
import signal
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from hil.kernel import Golden
from hil.rig.agent_setup import Budget
from hil.rig.node import DONE, HUNG
from hil.rig.rig import Rig
from hil.wire import decoding
from hil.wire.messages import Arm, Limits

from .contract import SEED, is_golden, one, report_of
from .test_process_board import (
    DEADLINE_S,
    Pipes,
    agent_pid,
    begin_hung_step,
    children,
    make_rig,
    outcome,
    piped,
    run_agent,
    state_of,
    tree,
    until,
    worker_pid,
)

__all__ = ["make_rig", "piped"]  # fixtures

MakeRig = Callable[..., Rig]
MakePiped = Callable[..., tuple[Rig, Pipes]]


def cpu_us_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) // 1000


# --- duty ---------------------------------------------------------------------------------------


def test_a_long_step_really_gives_up_its_time(make_rig: MakeRig) -> None:
    rig = make_rig("sha256", cpu_us=60_000_000)
    node = rig.nodes[0]
    limited = rig.limit(node, Limits(duty_permille=200))
    assert {"hold", "slice"} <= limited.means
    call, worker = begin_hung_step(rig, Golden("sha256", SEED))
    began_us, used_us = rig.health([node])["n0"].uptime_us, cpu_us_of(worker)
    until(lambda: cpu_us_of(worker) > used_us + 100_000, "100 ms of work")
    passed_us = rig.health([node])["n0"].uptime_us - began_us
    assert passed_us > 400_000
    assert rig.limit(node, Limits()).means.isdisjoint({"hold", "slice"})  # also while it runs
    until(lambda: state_of(worker) == "R", "the worker to run")
    assert call.result is None


def test_pauses_make_no_hang_and_hide_none(make_rig: MakeRig) -> None:
    rig = make_rig("sha256", cpu_us=50_000)
    rig.limit(rig.nodes[0], Limits(duty_permille=250))
    call, _ = begin_hung_step(rig, Golden("sha256", SEED))
    reply = outcome(rig, call)
    assert reply.status == HUNG
    assert reply.cpu_us >= 50_000
    assert reply.step_us >= 3 * reply.cpu_us


def test_a_step_under_way_can_be_suspended_and_goes_on(make_rig: MakeRig) -> None:
    rig = make_rig("sha256", cpu_us=300_000)
    node = rig.nodes[0]
    call, worker = begin_hung_step(rig, Golden("sha256", SEED))
    assert rig.limit(node, Limits(suspend=True)).suspend
    assert state_of(worker) == "t"
    used_us = cpu_us_of(worker)
    began_us = rig.health([node])["n0"].uptime_us
    until(lambda: rig.health([node])["n0"].uptime_us > began_us + 400_000, "the time of a hang")
    assert cpu_us_of(worker) == used_us
    assert call.result is None
    rig.limit(node, Limits())
    reply = outcome(rig, call)
    assert reply.status == HUNG and reply.step_us > 400_000 + 300_000


@pytest.mark.slow
def test_upsets_strike_the_same_positions_under_any_duty(make_rig: MakeRig) -> None:
    """Counting instructions takes long, so that slices end between the positions."""
    rig = make_rig("sha256", cpu_us=60_000_000)
    node = rig.nodes[0]
    golden = Golden("sha256", SEED)
    arms = [
        Arm(1, 0, "heap", "bit", tick=2, steps=3_000, bit=11),
        Arm(2, 0, "gpr", "bit", tick=5, steps=77, bit=64 * 7 + 63),
        Arm(3, 0, "heap", "bit", tick=9, bit=5),
        Arm(4, 0, "state", "bit", tick=12, steps=3_000, bit=2000),
        Arm(5, 0, "output", "bit", tick=15, bit=3),
    ]

    def once(duty_permille: int) -> list[tuple[object, ...]]:
        rig.load(node)
        rig.limit(node, Limits(duty_permille=duty_permille))
        for arm in arms:
            assert rig.arm(node, arm) is None
        result = one(rig, 0, golden.input_of(0))
        told: list[tuple[object, ...]] = []
        for arm in arms:
            r = report_of(rig, node, arm.id)
            told.append((r.tick, r.steps, r.pc_offset, r.before, r.after, r.state, r.persisted))
        return [*told, (result.status, result.output_digest, result.state_digest)]

    first = once(1000)
    for duty_permille in (1000, 500, 60, 500, 60):
        assert once(duty_permille) == first


# --- cores --------------------------------------------------------------------------------------


def test_cores_are_those_of_this_worker_and_the_next(make_rig: MakeRig) -> None:
    rig = make_rig("sha256")
    node = rig.nodes[0]
    golden = Golden("sha256", SEED)
    mine = os.sched_getaffinity(agent_pid(rig))
    limited = rig.limit(node, Limits(cores=1))
    assert (limited.cores, limited.refused) == (1, frozenset())
    assert "affinity" in limited.means
    for _ in range(2):
        assert len(os.sched_getaffinity(worker_pid(rig))) == 1
        assert os.sched_getaffinity(agent_pid(rig)) == mine
        rig.restart(node)
    golden.step()
    assert is_golden(one(rig, 0, golden.input), golden)
    limited = rig.limit(node, Limits())
    assert (limited.cores, "affinity" in limited.means) == (len(mine), False)
    assert os.sched_getaffinity(worker_pid(rig)) == mine
    assert rig.limit(node, Limits(cores=255)).refused == frozenset()


# --- a machine's clock and power mode -----------------------------------------------------------

CPUFREQ = "sys/devices/system/cpu/cpufreq"
NVPMODEL = """#!/bin/sh
base=$(dirname "$0")/../..
echo "$*" >> $base/calls
case "$1" in
  -q) echo "NV Fan Mode:quiet"; echo "NV Power Mode: $(cat $base/mode)"; echo 9 ;;
  -m) case "$2" in
        7) echo MAXN > $base/mode ;;
        3) echo 15W > $base/mode; echo 1100000 > $base/{policy}/scaling_max_freq ;;
        4) read answer && echo REBOOT > $base/mode; exit 0 ;;
        5) echo half > $base/mode; exit 3 ;;
      esac ;;
esac
"""
CONF = """\
# comment
< PARAM TYPE=FILE NAME=CPU_ONLINE >
CORE_0 /sys/devices/system/cpu/cpu0/online
< POWER_MODEL ID=7 NAME=MAXN >
CPU_ONLINE CORE_0 1
< POWER_MODEL ID=3 NAME=15W >
<POWER_MODEL ID=4 NAME=MODE_15W_DESKTOP>
< POWER_MODEL ID=5 NAME=BROKEN >
< PM_CONFIG DEFAULT=7 >
"""


def frequencies(root: Path) -> list[str]:
    return [(root / CPUFREQ / p / "scaling_max_freq").read_text().strip() for p in POLICIES]


POLICIES = ("policy0", "policy4")
FREE = ["1510400", "2000000"]


def machine(root: Path, *, jetson: bool = False) -> str:
    files = {}
    for policy, highest, lowest in zip(POLICIES, FREE, ("115200", "600000"), strict=True):
        files[f"{CPUFREQ}/{policy}/scaling_max_freq"] = f"{highest}\n"
        files[f"{CPUFREQ}/{policy}/cpuinfo_min_freq"] = f"{lowest}\n"
        files[f"{CPUFREQ}/{policy}/cpuinfo_max_freq"] = "2400000\n"
    if jetson:
        files["etc/nvpmodel.conf"] = CONF
        files["mode"] = "MAXN\n"
        files["usr/sbin/nvpmodel"] = NVPMODEL.replace("{policy}", f"{CPUFREQ}/policy0")
    tree(root, files)
    if jetson:
        (root / "usr/sbin/nvpmodel").chmod(0o755)
    return str(root)


def test_a_clock_is_capped_and_given_back(tmp_path: Path, piped: MakePiped) -> None:
    rig, _ = piped("--sys-root", machine(tmp_path), "--knobs", "system")
    node = rig.nodes[0]
    limited = rig.limit(node, Limits(clock_khz=1_000_000))
    assert (limited.clock_khz, limited.refused) == (1_000_000, frozenset())
    assert "cpufreq" in limited.means
    assert frequencies(tmp_path) == ["1000000", "1000000"]
    limited = rig.limit(node, Limits(clock_khz=1_800_000))  # never above what was found
    assert (limited.clock_khz, limited.refused) == (1_800_000, frozenset())
    assert frequencies(tmp_path) == ["1510400", "1800000"]
    limited = rig.limit(node, Limits())
    assert (limited.clock_khz, "cpufreq" in limited.means) == (2_000_000, False)
    assert frequencies(tmp_path) == FREE


def test_a_clock_below_the_lowest_is_refused_with_the_lowest(
    tmp_path: Path, piped: MakePiped
) -> None:
    rig, _ = piped("--sys-root", machine(tmp_path), "--knobs", "system")
    limited = rig.limit(rig.nodes[0], Limits(clock_khz=200_000))
    assert (limited.clock_khz, limited.refused) == (600_000, frozenset({"clock"}))
    assert limited.errno == errno.ERANGE
    assert frequencies(tmp_path) == ["200000", "600000"]


def test_a_clock_that_cannot_be_written_is_refused(tmp_path: Path, piped: MakePiped) -> None:
    root = machine(tmp_path)
    knob = tmp_path / CPUFREQ / "policy4" / "scaling_max_freq"
    knob.unlink()
    knob.symlink_to("/dev/full")
    rig, _ = piped("--sys-root", root, "--knobs", "system")
    limited = rig.limit(rig.nodes[0], Limits(clock_khz=1_000_000))
    assert (limited.refused, limited.errno) == (frozenset({"clock"}), errno.ENOSPC)


@pytest.mark.parametrize("end", ["lift", "reset", "eof", "SIGTERM", "SIGINT", "SIGHUP"])
def test_what_was_found_is_given_back(tmp_path: Path, piped: MakePiped, end: str) -> None:
    rig, pipes = piped("--sys-root", machine(tmp_path, jetson=True), "--knobs", "system")
    node = rig.nodes[0]
    limited = rig.limit(node, Limits(clock_khz=900_000, mode="15W"))
    assert (limited.refused, limited.mode, limited.clock_khz) == (frozenset(), "15W", 900_000)
    assert frequencies(tmp_path) == ["900000", "900000"]
    if end == "lift":
        assert rig.limit(node, Limits()).mode == "MAXN"
    elif end == "reset":
        rig.reset(node)
        assert rig.limit(node, Limits()).means == frozenset()
    elif end == "eof":
        pipes.stdin.close()
        assert pipes.process.wait(DEADLINE_S) == 0
    else:
        (worker,) = children(pipes.process.pid)
        os.kill(pipes.process.pid, signal.Signals[end])
        assert pipes.process.wait(DEADLINE_S) == -signal.Signals[end]
        assert state_of(worker) == ""
    assert (tmp_path / "mode").read_text() == "MAXN\n"
    assert frequencies(tmp_path)[1] == FREE[1]


def test_a_mode_brings_its_own_clock(tmp_path: Path, piped: MakePiped) -> None:
    """A cap is lifted before the mode changes, and what the new mode set is what is given back."""
    rig, _ = piped("--sys-root", machine(tmp_path, jetson=True), "--knobs", "system")
    node = rig.nodes[0]
    rig.limit(node, Limits(clock_khz=800_000))
    limited = rig.limit(node, Limits(mode="15W"))
    assert (limited.mode, limited.refused) == ("15W", frozenset())
    assert limited.means == {"nvpmodel"}
    assert frequencies(tmp_path) == ["1100000", FREE[1]]
    rig.limit(node, Limits(mode="15W", clock_khz=700_000))
    assert frequencies(tmp_path) == ["700000", "700000"]
    rig.limit(node, Limits(mode="15W"))
    assert frequencies(tmp_path) == ["1100000", FREE[1]]
    calls = (tmp_path / "calls").read_text().splitlines()
    assert [c for c in calls if c != "-q"] == ["-m 3"]  # what holds already is not set again


@pytest.mark.parametrize(
    ("mode", "now", "why"),
    [
        ("no such mode", "MAXN", errno.EINVAL),
        ("7", "MAXN", errno.EINVAL),
        ("MODE_15W_DESKTOP", "MAXN", errno.EIO),  # it asks for a reboot, and nobody says yes
        ("BROKEN", "half", errno.EIO),
    ],
)
def test_a_mode_that_does_not_hold_is_refused(
    tmp_path: Path, piped: MakePiped, mode: str, now: str, why: int
) -> None:
    rig, _ = piped("--sys-root", machine(tmp_path, jetson=True), "--knobs", "system")
    limited = rig.limit(rig.nodes[0], Limits(mode=mode, duty_permille=900))
    assert (limited.refused, limited.errno, limited.mode) == (frozenset({"mode"}), why, now)
    assert limited.duty_permille == 900


def test_a_program_that_does_not_end_is_ended(tmp_path: Path, piped: MakePiped) -> None:
    root = machine(tmp_path, jetson=True)
    program = tmp_path / "usr/sbin/nvpmodel"
    program.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nsleep 1000 & sleep 1000\n")
    rig, pipes = piped("--sys-root", root, "--knobs", "system")
    limited = rig.limit(rig.nodes[0], Limits(mode="15W"))
    assert (limited.refused, limited.errno) == (frozenset({"mode"}), errno.ETIMEDOUT)
    pid = int((tmp_path / "pid").read_text())
    until(lambda: state_of(pid) == "", "the program's end")
    assert len(children(pipes.process.pid)) == 1


def test_a_machine_without_knobs_refuses(tmp_path: Path, piped: MakePiped) -> None:
    rig, _ = piped("--sys-root", str(tmp_path), "--knobs", "system")
    limited = rig.limit(rig.nodes[0], Limits(clock_khz=1_000_000, mode="15W"))
    assert (limited.refused, limited.errno) == (frozenset({"clock", "mode"}), errno.ENOENT)
    assert (limited.clock_khz, limited.mode) == (None, "")


@pytest.mark.parametrize("knobs", [(), ("--knobs", "worker"), ("--knobs", "none")])
def test_without_leave_the_machine_is_not_touched(
    tmp_path: Path, piped: MakePiped, knobs: tuple[str, ...]
) -> None:
    root = machine(tmp_path, jetson=True)
    knob = tmp_path / CPUFREQ / "policy0" / "scaling_max_freq"
    before = os.stat(knob)[stat.ST_MTIME], knob.stat().st_ino
    rig, pipes = piped("--sys-root", root, *knobs)
    limited = rig.limit(rig.nodes[0], Limits(500, 1, False, 1_000_000, "15W"))
    none = "none" in knobs
    assert limited.refused == {"clock", "mode"} | ({"cores"} if none else set())
    assert limited.errno == errno.EPERM
    assert limited.duty_permille == 500
    assert limited.clock_khz == 2_000_000  # read, not written
    (worker,) = children(pipes.process.pid)
    assert none or len(os.sched_getaffinity(worker)) == 1
    assert rig.limit(rig.nodes[0], Limits()).refused == frozenset()
    rig.reset(rig.nodes[0])
    assert frequencies(tmp_path) == FREE
    assert (os.stat(knob)[stat.ST_MTIME], knob.stat().st_ino) == before
    assert not (tmp_path / "calls").exists()


def test_unknown_knobs_are_answered_with_the_usage() -> None:
    done = run_agent("--port", "pty", "--knobs", "all")
    assert done.returncode == 2 and "usage: hil-agent" in done.stderr
    assert "--knobs none|worker|system" in run_agent("--help").stdout


# --- values -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        {"duty_permille": 0},
        {"duty_permille": 1001},
        {"cores": 256},
        {"clock_khz": -1},
        {"clock_khz": 2**32},
        {"mode": "x" * 32},
        {"mode": "15W\0"},
    ],
)
def test_limits_that_no_board_can_apply_are_refused(fields: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"asked for|at most"):
        Limits(**fields)  # type: ignore[arg-type]


def test_every_bit_of_an_answer_has_its_name() -> None:
    payload = bytes.fromhex("e803 04 01 00000000") + b"MAXN".ljust(32, b"\0")
    for bits, names in ((0, 0), (31, 5), (63, 6)):
        said = payload + bytes([min(bits, 31), bits]) + bytes(4)
        limited = decoding.limited(said)
        assert len(limited.means) == names
        assert len(limited.refused) == min(names, 5)
    assert (limited.cores, limited.suspend, limited.clock_khz) == (4, True, None)
    assert limited.mode == "MAXN"


def test_a_budget_is_kept_beside_limits(make_rig: MakeRig) -> None:
    rig = make_rig("matmul", cpu_us=20_000)
    rig.setup.budget = Budget(20_000, 100_000)
    golden = Golden("matmul", SEED)
    rig.limit(rig.nodes[0], Limits(duty_permille=50))
    for frame in range(30):
        golden.step()
        assert one(rig, frame, golden.input).status == DONE
