"""`workload: exec`: programs as workers of real agents, well-behaved and hostile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hil.engine.loop import Loop
from hil.errors import NodeError, SetupError
from hil.kernel import Golden
from hil.record.run_result import RunResult
from hil.rig.backends.process import ProcessBoard
from hil.rig.calibration import calibrate
from hil.rig.calls import Timing
from hil.rig.node import ABSENT, CRASHED, DONE, HUNG
from hil.rig.program import golden_run
from hil.rig.resync import delta_resync, read_state, write_state
from hil.rig.rig import Rig
from hil.scenario import Scenario
from hil.wire.messages import Arm, Limits, Sync

from .contract import HIL_OK, SEED, is_golden, one, report_of
from .exec_rig import BUDGET_US, HOSTILE, SDK, MakeRig, program_pid, python
from .test_process_board import agent_pid, children, gone, run_agent, state_of, until

pytestmark = pytest.mark.ptrace

# --- programs that behave -----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["c", "py"])
def test_every_frame_of_an_example_is_golden(make_rig: MakeRig, name: str) -> None:
    rig = make_rig(name, nodes=2)
    golden = golden_run("exec:c", SEED)  # whatever it is written in
    for frame in range(60):
        golden.step()
        results = rig.step(rig.nodes, frame, golden.input)
        assert all(is_golden(r, golden) for r in results.values()), frame
        assert {r.ticks for r in results.values()} == {1}
    for node in rig.nodes:
        assert read_state(rig, node, golden.workload.state_len) == golden.state
    assert len(golden.output) == 16 and golden.output != bytes(16)


def test_calibration_works_as_with_any_workload(make_rig: MakeRig) -> None:
    rig = make_rig("c", nodes=2)
    assert calibrate(rig, 10, 50.0, 20_000).budget.cpu_us >= 20_000
    golden = golden_run("exec:c", SEED)
    golden.step()
    assert all(is_golden(r, golden) for r in rig.step(rig.nodes, 0, golden.input).values())


def test_a_program_that_computes_something_else_each_time_is_said_to(
    make_rig: MakeRig, tmp_path: Path
) -> None:
    """It is the program that is wrong, not the agent or the board's memory."""
    program = tmp_path / "own_number.py"
    program.write_text(
        f"import os, sys\nsys.path.insert(0, {str(SDK)!r})\nimport hil_worker\n"
        "worker = hil_worker.Worker(input_len=0, output_len=4)\n"
        "worker.run(lambda frame, state, data: (state, os.getpid().to_bytes(4, 'little')))\n"
    )
    rig = make_rig("own", own=python(program))
    with pytest.raises(SetupError, match="computes frame 0 of exec:own differently") as error:
        calibrate(rig, 2, 50.0, 20_000)
    assert "EXEC.md, rules 1 and 3" in (error.value.remedy or "")


def test_a_node_is_healed_with_the_others_state(make_rig: MakeRig) -> None:
    rig = make_rig("c", nodes=3)
    golden = golden_run("exec:c", SEED)
    for frame in range(5):
        golden.step()
        rig.step(rig.nodes, frame, golden.input)
    hurt = rig.nodes[1]
    write_state(rig, hurt, golden.state, b"\xff" * 8 + golden.state[8:])
    others = [rig.nodes[0], rig.nodes[2]]
    delta_resync(rig, hurt, others, 4, golden.state_digest, golden.workload.state_len)
    golden.step()
    assert all(is_golden(r, golden) for r in rig.step(rig.nodes, 5, golden.input).values())


def test_a_restart_keeps_the_state_and_a_rollback_works(make_rig: MakeRig) -> None:
    rig = make_rig("py")
    node = rig.nodes[0]
    golden = golden_run("exec:py", SEED)
    golden.step()
    assert is_golden(one(rig, 0, golden.input), golden)
    kept = Sync(0, golden.state_digest)
    assert rig.checkpoint([node], kept) == [(node, HIL_OK)]
    first = program_pid(rig)
    rig.restart(node)
    assert program_pid(rig) != first
    golden.step()
    assert is_golden(one(rig, 1, golden.input), golden)
    rig.restore(node, kept)
    assert is_golden(one(rig, 1, golden.input), golden)


def test_the_state_of_a_stateless_program_is_the_next_frame_number(make_rig: MakeRig) -> None:
    rig = make_rig("none", none=python(HOSTILE, "stateless", "0"))
    golden = golden_run("exec:none", SEED)
    for frame in range(3):
        golden.step()
        assert is_golden(one(rig, frame, golden.input), golden)
    assert read_state(rig, rig.nodes[0], 8) == (3).to_bytes(8, "little")


def test_a_node_changes_between_programs_and_kernel_workloads(make_rig: MakeRig) -> None:
    rig = make_rig("c")
    for name in ("sha256", "exec:py", "attitude", "exec:c"):
        rig.setup.workload = name
        rig.load(rig.nodes[0])
        golden = golden_run(name, SEED)
        golden.step()
        assert is_golden(one(rig, 0, golden.input), golden)
        assert len(children(agent_pid(rig))) == 1


# --- what is allowed ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["unknown", "", "/bin/sh", "c=/bin/sh"])
def test_only_what_the_agent_lists_is_run(make_rig: MakeRig, name: str) -> None:
    rig = make_rig("c")
    rig.setup.workload = f"exec:{name}"
    with pytest.raises(NodeError, match="does not allow a program"):
        rig.load(rig.nodes[0])
    assert children(agent_pid(rig)) == []
    rig.setup.workload = "sha256"
    rig.load(rig.nodes[0])


@pytest.mark.parametrize(
    "spec",
    [
        "",
        "x",
        "x=",
        "x=relative",
        "=/bin/true",
        "Upper=/bin/true",
        "elevenchars=/bin/true",
        "x=/" + "a" * 600,
        "x=/bin/true" + ",a" * 15,
    ],
)
def test_an_invalid_program_option_is_bad_usage(spec: str) -> None:
    done = run_agent("--port", "pty", "--exec", spec)
    assert done.returncode == 2
    assert "expected NAME=/path" in done.stderr


def test_a_program_name_twice_or_a_ninth_program_is_bad_usage() -> None:
    twice = run_agent("--port", "pty", "--exec", "x=/a", "--exec", "x=/b")
    nine = run_agent("--port", "pty", *(f"--exec=x{i}=/a" for i in range(9)))
    assert (twice.returncode, nine.returncode) == (2, 2)


@pytest.mark.parametrize("text", ["c", "c=relative", "=/x", "c=/a;c=/b"])
def test_an_invalid_list_of_allowed_programs_is_a_setup_error(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("HIL_EXEC", text)
    with pytest.raises(SetupError, match="HIL_EXEC"):
        ProcessBoard("n0").connect()


@pytest.mark.parametrize(
    ("program", "errno"),
    [
        ("/no/such/program", 8),
        (python(HOSTILE, "gone", "0"), 10),
        (python(HOSTILE, "early", "0"), 71),
        (python(HOSTILE, "large", "0"), 71),
        (python(HOSTILE, "wide", "0"), 71),
        ("/bin/echo,hello", 71),
        ("/usr/bin/yes", 71),
    ],
)
def test_a_program_that_does_not_start_is_refused_with_the_reason(
    make_rig: MakeRig, program: str, errno: int
) -> None:
    rig = make_rig("c", bad=program)
    rig.setup.workload = "exec:bad"
    with pytest.raises(NodeError, match=rf"errno {errno}\)"):
        rig.load(rig.nodes[0])
    assert children(agent_pid(rig)) == []
    rig.setup.workload = "exec:c"
    rig.load(rig.nodes[0])
    golden = golden_run("exec:c", SEED)
    golden.step()
    assert is_golden(one(rig, 0, golden.input), golden)


@pytest.mark.slow
def test_a_program_that_does_not_answer_init_times_out(make_rig: MakeRig) -> None:
    rig = make_rig("c", bad=python(HOSTILE, "silent", "0"))
    rig.setup.workload = "exec:bad"
    with pytest.raises(NodeError, match=r"errno 110\)"):
        rig.load(rig.nodes[0])


# --- programs that do not behave ----------------------------------------------------------------

KILLED = [
    "crc",
    "magic",
    "version",
    "flags",
    "type",
    "short",
    "long",
    "huge",
    "frame",
    "twice",
    "text",
    "close",
    "flood",
]


def misbehaving(make_rig: MakeRig, kind: str, budget_us: int = BUDGET_US) -> tuple[Rig, Golden]:
    """Return a rig whose program misbehaves in its next frame, and the golden run up to it."""
    rig = make_rig("bad", budget_us=budget_us, bad=python(HOSTILE, kind, "2"))
    golden = golden_run("exec:c", SEED)
    for frame in range(2):
        golden.step()
        assert is_golden(one(rig, frame, golden.input), golden)
    golden.step()
    return rig, golden


@pytest.mark.parametrize(
    ("kind", "status", "signal_"),
    [
        *((kind, CRASHED, signal.SIGKILL) for kind in KILLED),
        ("segv", CRASHED, signal.SIGSEGV),
        ("exit0", CRASHED, 0),
        ("exit3", CRASHED, 0),
        ("half", HUNG, 0),
        ("sleep", HUNG, 0),
        ("spin", HUNG, 0),
    ],
)
def test_misbehaviour_of_a_program_is_a_crash_or_a_hang_of_its_node(
    make_rig: MakeRig, kind: str, status: int, signal_: int
) -> None:
    rig, golden = misbehaving(make_rig, kind, 400_000 if status == HUNG else BUDGET_US)
    program, agent = program_pid(rig), agent_pid(rig)
    result = one(rig, 2, golden.input)
    assert (result.status, result.signal) == (status, signal_)
    assert (result.output, result.output_digest, result.state_digest) == (b"", 0, 0)
    assert result.reason
    until(lambda: gone(program), "the program's end")
    assert agent_pid(rig) == agent
    assert one(rig, 3, golden.input).status == ABSENT
    rig.restart(rig.nodes[0])  # with the state that it had
    assert read_state(rig, rig.nodes[0], 24) == golden_at(2)
    rig.setup.workload = "exec:c"
    rig.load(rig.nodes[0])
    again = golden_run("exec:c", SEED)
    again.step()
    assert is_golden(one(rig, 0, again.input), again)


@pytest.fixture
def crowded_core() -> Iterator[int]:
    """A processor on which three processes compute, each in a session of its own: the scheduler
    may share by sessions."""
    core = min(os.sched_getaffinity(0))
    code = f"import os; os.sched_setaffinity(0, {{{core}}}); print(flush=True)\nwhile True: pass"
    busy = [
        subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True
        )
        for _ in range(3)
    ]
    for process in busy:
        assert process.stdout is not None
        process.stdout.readline()
    yield core
    for process in busy:
        process.kill()
        process.communicate()


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="the kernel counts no waits")
@pytest.mark.parametrize(
    ("kind", "status"), [pytest.param("work", DONE, marks=pytest.mark.slow), ("spin", HUNG)]
)
def test_waiting_for_a_processor_does_not_use_up_the_budget_of_a_program(
    make_rig: MakeRig, crowded_core: int, kind: str, status: int
) -> None:
    rig, golden = misbehaving(make_rig, kind, 60_000)  # `work` takes 30 ms, a quarter of the time
    os.sched_setaffinity(program_pid(rig), {crowded_core})
    result = one(rig, 2, golden.input)
    assert result.status == status, result
    if status == DONE:
        assert is_golden(result, golden)
        assert 25_000 <= result.cpu_us < 60_000


def test_a_program_that_writes_unasked_between_two_steps_is_killed(make_rig: MakeRig) -> None:
    """It is noticed at the end of that step or at the beginning of the next, as chance has it."""
    rig = make_rig("bad", bad=python(HOSTILE, "later", "2"))
    golden = golden_run("exec:c", SEED)
    statuses = []
    for frame in range(3):
        golden.step()
        result = one(rig, frame, golden.input)
        assert is_golden(result, golden) or result.status != DONE
        statuses.append((result.status, result.signal))
        if result.status != DONE:
            break
    assert len(statuses) in (2, 3)
    assert statuses[-1] == (CRASHED, signal.SIGKILL)


def golden_at(frames: int) -> bytes:
    golden = golden_run("exec:c", SEED)
    for _ in range(frames):
        golden.step()
    return golden.state


def test_child_processes_of_a_killed_program_are_killed_too(make_rig: MakeRig) -> None:
    rig, golden = misbehaving(make_rig, "child")
    group = program_pid(rig)
    result = one(rig, 2, golden.input)
    assert result.status in (CRASHED, HUNG)
    until(lambda: not members(group), "the end of the group")


def members(group: int) -> list[int]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        stat = process / "stat"
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] not in "ZX":
            found.append(int(stat.parent.name))
    return found


def test_a_wrong_output_of_a_program_is_a_completed_step(make_rig: MakeRig) -> None:
    rig, golden = misbehaving(make_rig, "lie")
    result = one(rig, 2, golden.input)
    assert (result.status, result.output) == (DONE, bytes(16))
    assert result.state_digest == golden.state_digest
    assert result.output_digest != golden.output_digest


def test_the_agent_answers_while_a_program_computes(make_rig: MakeRig) -> None:
    rig, golden = misbehaving(make_rig, "sleep", 1_000_000)
    node = rig.nodes[0]
    assert one_begins(rig, golden)
    for _ in range(20):
        assert rig.health([node])["n0"].steps == 2
    until(lambda: rig.health([node])["n0"].hangs == 1, "the hang to be found")


def one_begins(rig: Rig, golden: Golden) -> bool:
    """Begin a step and return while it is under way."""
    rig.step(rig.nodes, 2, golden.input, Timing(50_000, 100_000))
    return rig.health(rig.nodes)["n0"].hangs == 0


# --- limits, upsets, ends -----------------------------------------------------------------------


def test_a_suspended_program_stops_without_a_hang_and_continues(make_rig: MakeRig) -> None:
    rig, golden = misbehaving(make_rig, "spin", 700_000)
    node, program = rig.nodes[0], program_pid(rig)
    assert one_begins(rig, golden)
    assert rig.limit(node, Limits(suspend=True)).suspend
    until(lambda: state_of(program) == "T", "the program to stop")
    began_us = rig.health([node])["n0"].uptime_us
    until(lambda: rig.health([node])["n0"].uptime_us > began_us + 900_000, "the time of a hang")
    assert rig.health([node])["n0"].hangs == 0
    rig.limit(node, Limits())
    until(lambda: rig.health([node])["n0"].hangs == 1, "the hang to be found")


def test_a_program_is_limited_to_its_duty_and_cores(make_rig: MakeRig) -> None:
    rig = make_rig("c")
    assert rig.limit(rig.nodes[0], Limits(duty_permille=300, cores=1)).cores == 1
    assert len(os.sched_getaffinity(program_pid(rig))) == 1
    golden = golden_run("exec:c", SEED)
    for frame in range(20):
        golden.step()
        result = one(rig, frame, golden.input)
        assert is_golden(result, golden)
        assert result.step_us >= 3 * result.cpu_us


@pytest.mark.parametrize(
    ("target", "tick", "effect"),
    [
        ("state", 0, "both"),
        ("input", 0, "both"),
        ("output", 1, "output"),
        ("state", 1, "state"),
        ("output", 0, "none"),
        ("input", 1, "none"),
    ],
)
def test_upsets_hit_the_regions_before_and_after_the_step(
    make_rig: MakeRig, target: str, tick: int, effect: str
) -> None:
    rig = make_rig("c")
    node = rig.nodes[0]
    golden = golden_run("exec:c", SEED)
    golden.step()
    assert rig.arm(node, Arm(1, 0, target, "bit", tick=tick, bit=20)) is None
    result = one(rig, 0, golden.input)
    report = report_of(rig, node, 1)
    assert (report.state, report.verified, report.changed, report.tick) == (
        "injected",
        True,
        True,
        tick,
    )
    assert (result.output_digest != golden.output_digest) == (effect in ("both", "output"))
    assert (result.state_digest != golden.state_digest) == (effect in ("both", "state"))


@pytest.mark.parametrize("tick", [0, 1])
@pytest.mark.parametrize(("kind", "status"), [("hang", HUNG), ("crash", CRASHED)])
def test_functional_interrupts_hit_the_program(
    make_rig: MakeRig, kind: str, status: int, tick: int
) -> None:
    rig = make_rig("c", budget_us=300_000)
    node = rig.nodes[0]
    golden = golden_run("exec:c", SEED)
    golden.step()
    program = program_pid(rig)
    assert rig.arm(node, Arm(1, 0, "cpu", kind, tick=tick)) is None
    result = one(rig, 0, golden.input)
    assert result.status == status
    assert result.signal == (signal.SIGILL if kind == "crash" else 0)
    report = report_of(rig, node, 1)
    assert (report.state, report.verified) == ("injected", True)
    assert report.after == {"hang": b"T", "crash": b"Z"}[kind]
    until(lambda: gone(program), "the program's end")
    rig.load(node)
    assert is_golden(one(rig, 0, golden.input), golden)


def test_a_program_does_not_outlive_its_agent(make_rig: MakeRig) -> None:
    rig = make_rig("py")
    program = program_pid(rig)
    os.kill(agent_pid(rig), signal.SIGKILL)
    until(lambda: gone(program), "the program's end")


def test_nothing_piles_up_over_restarts_and_resets(make_rig: MakeRig) -> None:
    rig = make_rig("c")
    node = rig.nodes[0]
    descriptors = Path(f"/proc/{agent_pid(rig)}/fd")
    before = [len(list(descriptors.iterdir())), len(children(agent_pid(rig)))]
    for _ in range(50):
        rig.restart(node)
    for _ in range(5):
        rig.reset(node)
    assert [len(list(descriptors.iterdir())), len(children(agent_pid(rig)))] == before
    golden = golden_run("exec:c", SEED)
    golden.step()
    assert is_golden(one(rig, 0, golden.input), golden)


# --- the reference, and whole runs --------------------------------------------------------------


@pytest.mark.parametrize("kind", ["gone", "early", "wide"])
def test_a_reference_program_that_does_not_start_is_a_setup_error(
    allow: Callable[..., None], kind: str
) -> None:
    allow(bad=python(HOSTILE, kind, "0"))
    with pytest.raises(SetupError, match="the reference program `bad`"):
        golden_run("exec:bad", SEED)


@pytest.mark.parametrize("kind", ["crc", "frame", "exit0", "long", "text"])
def test_a_reference_program_that_breaks_the_protocol_is_a_setup_error(
    allow: Callable[..., None], kind: str
) -> None:
    allow(bad=python(HOSTILE, kind, "1"))
    golden = golden_run("exec:bad", SEED)
    golden.step()
    with pytest.raises(SetupError, match="the reference program `bad`"):
        golden.step()


def scenario(**more: object) -> Scenario:
    data: dict[str, object] = {
        "name": "program",
        "workload": "exec",
        "exec": {"program": "c"},
        "seed": SEED,
        "frames": 300,
        "rig": {"scheme": "tmr", "board": "process"},
        "upsets": {
            "events": [
                {"frame": 20, "node": "a", "target": "state", "tick": 0},
                {"frame": 60, "node": "b", "target": "output", "tick": 1},
                {"frame": 100, "node": "c", "target": "cpu", "sefi": "crash", "tick": 0},
                {"frame": 140, "node": "a", "target": "input", "tick": 0},
                {"frame": 180, "node": "b", "target": "cpu", "sefi": "reset", "tick": 0},
            ]
        },
        "expect": {"sdc_escaped": 0, "availability": 1, "isolated": 0, "upsets.injected": 5},
    }
    return Scenario.model_validate({**data, **more})


def run(tmp_path: Path, name: str, scenario: Scenario) -> RunResult:
    (tmp_path / name).mkdir()
    return Loop(scenario, tmp_path / name).run()


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_program_is_voted_and_healed_like_any_workload(
    tmp_path: Path, allow: Callable[..., None]
) -> None:
    first = run(tmp_path, "first", scenario())
    assert first.outcome == "pass", first
    second = run(tmp_path, "second", scenario(exec={"program": "py"}))
    assert second.outcome == "pass", second


def test_a_run_without_a_reference_program_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HIL_EXEC", raising=False)
    with pytest.raises(SetupError, match="no reference for the program `c`"):
        run(tmp_path, "none", scenario())


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"exec": None}, "needs to know which program"),
        ({"workload": "sha256"}, "does not run a program"),
        ({"rig": {"scheme": "tmr", "board": "inproc"}}, "cannot run programs"),
        ({"exec": {"program": "/bin/sh"}}, "not a valid program name"),
        (
            {
                "upsets": {
                    "events": [{"frame": 1, "node": "a", "target": "gpr", "tick": 0, "steps": 9}]
                }
            },
            "instructions of a program are not counted",
        ),
        ({"exec": {"program": "c", "init_s": 0.05}}, "init_s"),
        ({"exec": {"program": "c", "init_s": 601}}, "init_s"),
    ],
)
def test_contradictory_program_scenarios_are_refused(change: dict[str, object], what: str) -> None:
    with pytest.raises(ValueError, match=what):
        scenario(**change)
