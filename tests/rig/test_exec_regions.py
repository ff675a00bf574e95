"""Programs of protocol version 2: memory that they name is hit, read back, compared and healed."""

from __future__ import annotations

import shutil
import signal
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest

from hil._kernel import lib
from hil.errors import KernelError, NodeError, SetupError
from hil.kernel import NamedRegion, digest64
from hil.rig.node import ABSENT, CRASHED, DONE
from hil.rig.program import golden_run
from hil.rig.program_regions import region_digest
from hil.rig.resync import delta_resync, read_state, write_state
from hil.wire.messages import Arm, UpsetState

from .contract import SEED, is_golden, one, report_of
from .exec_rig import SDK, MakeRig, program_pid, python
from .test_process_board import agent_pid, children, gone, until

pytestmark = pytest.mark.ptrace

HOSTILE = Path(__file__).parent / "hostile_regions.py"
WEIGHTS = 4  # [byte] of the example's state before its weights
SUMS = WEIGHTS + 256


@pytest.fixture(scope="session")
def dense_c(tmp_path_factory: pytest.TempPathFactory) -> str:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("there is no C compiler here, to build the example with")
    made = tmp_path_factory.mktemp("programs") / "dense"
    flags = ["-std=c99", "-O2", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-pedantic"]
    subprocess.run([compiler, *flags, "-o", made, SDK / "dense.c"], check=True)
    return str(made)


@pytest.fixture
def both(dense_c: str) -> dict[str, str]:
    return {"dense": dense_c, "numpy": python(SDK / "dense.py")}


# --- programs that behave -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["dense", pytest.param("numpy", marks=pytest.mark.slow)])
def test_every_frame_of_an_example_is_golden(
    make_rig: MakeRig, both: dict[str, str], name: str
) -> None:
    """The golden run is always that of the C program."""
    rig = make_rig(name, nodes=2, **both)
    golden = golden_run("exec:dense", SEED)
    assert rig.load(rig.nodes[0]) == golden.state_digest
    for frame in range(20):
        golden.step()
        results = rig.step(rig.nodes, frame, golden.input)
        assert all(is_golden(r, golden) for r in results.values()), frame
    assert read_state(rig, rig.nodes[1], len(golden.state)) == golden.state
    assert golden.state[:4] == struct.pack("<I", 20)
    assert golden.state[SUMS:] == golden.output


def test_the_host_knows_the_regions_by_name_type_and_shape(
    make_rig: MakeRig, both: dict[str, str]
) -> None:
    rig = make_rig("dense", **both)
    assert rig.setup.loaded is not None
    assert rig.setup.loaded.regions == (
        NamedRegion("dense.weight", "int8", "weights", False, (16, 16), WEIGHTS, 256),
        NamedRegion("sums", "int32", "activations", False, (16,), SUMS, 64),
    )
    assert rig.setup.loaded.state_len == SUMS + 64
    golden = golden_run("exec:dense", SEED).workload
    assert golden.regions == rig.setup.loaded.regions
    region = golden.region_at(WEIGHTS)
    assert region is not None and region.name == "dense.weight"
    assert golden.region_at(WEIGHTS - 1) is None


def test_the_digest_of_a_region_is_that_of_zlib() -> None:
    """The check values of both published sums are for these bytes."""
    assert region_digest(b"123456789") == 0x091E01DE_CBF43926


@pytest.mark.parametrize(
    ("name", "tick"),
    [
        ("dense", 0),
        pytest.param("dense", 1, marks=pytest.mark.slow),
        pytest.param("numpy", 0, marks=pytest.mark.slow),
        pytest.param("numpy", 1, marks=pytest.mark.slow),
    ],
)
def test_a_flipped_weight_is_read_back_computed_with_and_healed(
    make_rig: MakeRig, both: dict[str, str], name: str, tick: int
) -> None:
    rig = make_rig(name, nodes=3, **both)
    golden = golden_run("exec:dense", SEED)
    hurt, *others = rig.nodes
    bit = (WEIGHTS + 16 * 3) * 8 + 6  # of the first weight of output 3
    assert rig.arm(hurt, Arm(7, 1, "state", "bit", tick=tick, bit=bit, exact=True)) is None
    wrong_from = 1 + tick
    for frame in range(4):
        golden.step()
        results = rig.step(rig.nodes, frame, golden.input)
        assert all(is_golden(results[n.name], golden) for n in others)
        if frame < wrong_from:
            assert results[hurt.name].output == golden.output
            continue
        value = struct.unpack_from("<i", results[hurt.name].output, 12)[0]
        right = struct.unpack_from("<i", golden.output, 12)[0]
        given = struct.unpack_from("b", golden.input)[0]
        weight = struct.unpack_from("b", golden.state, WEIGHTS + 48)[0]
        flipped = struct.unpack("b", bytes([weight & 0xFF ^ 0x40]))[0]
        assert value - right == (flipped - weight) * given
    report = report_of(rig, hurt, 7)
    assert (report.state, report.verified, report.changed) == (UpsetState.INJECTED, True, True)
    assert report.persisted and report.bit == bit
    assert report.before[0] ^ report.after[0] == 0x40
    assert read_state(rig, hurt, len(golden.state))[WEIGHTS + 48] == report.after[0]
    moved = delta_resync(rig, hurt, others, 3, golden.state_digest, len(golden.state))
    assert moved.chunks <= 2  # of 256 bytes: the weight, and the sums
    for frame in range(4, 6):
        golden.step()
        assert all(is_golden(r, golden) for r in rig.step(rig.nodes, frame, golden.input).values())


def test_a_hit_of_what_the_step_overwrites_does_not_last(
    make_rig: MakeRig, both: dict[str, str]
) -> None:
    rig = make_rig("dense", **both)
    golden = golden_run("exec:dense", SEED)
    golden.step()
    clear = next(bit for bit in range(8) if not golden.output[0] >> bit & 1)
    arm = Arm(1, 0, "state", "bit", bit=SUMS * 8 + clear, exact=True)
    assert rig.arm(rig.nodes[0], arm) is None
    assert is_golden(one(rig, 0, golden.input), golden)
    report = report_of(rig, rig.nodes[0], 1)
    assert report.verified and report.changed and not report.persisted


def test_a_hit_across_own_state_and_a_region_is_whole(
    make_rig: MakeRig, both: dict[str, str]
) -> None:
    rig = make_rig("dense", **both)
    golden = golden_run("exec:dense", SEED)
    arm = Arm(1, 0, "state", "adjacent", bit=WEIGHTS * 8 - 2, width=4, exact=True)
    assert rig.arm(rig.nodes[0], arm) is None
    golden.step()
    state = golden_run("exec:dense", SEED).state
    one(rig, 0, golden.input)
    report = report_of(rig, rig.nodes[0], 1)
    assert report.verified and len(report.after) == 2
    assert report.before == state[WEIGHTS - 1 : WEIGHTS + 1]
    assert bytes(a ^ b for a, b in zip(report.before, report.after, strict=True)) == b"\xc0\x03"


def test_a_program_cannot_be_asked_while_it_computes(
    make_rig: MakeRig, both: dict[str, str]
) -> None:
    """A position within the step is refused, and nothing is counted."""
    slow = make_rig("slow", slow=python(HOSTILE, "slow-step", "0"))
    state = read_state(slow, slow.nodes[0], 72)
    arm = Arm(1, 0, "state", "bit", us=20_000, bit=8 * 8, exact=True)
    assert slow.arm(slow.nodes[0], arm) is None
    assert one(slow, 0, bytes(8)).status == DONE
    report = report_of(slow, slow.nodes[0], 1)
    assert (report.state, report.detail) == (UpsetState.FAILED, lib.HIL_ERR_NOSYS)
    after = read_state(slow, slow.nodes[0], 72)
    assert after[9:] == state[9:]  # the step itself changes the byte before


def test_a_stuck_cell_of_a_weight_holds_against_the_resync(
    make_rig: MakeRig, both: dict[str, str]
) -> None:
    rig = make_rig("dense", nodes=3, **both)
    golden = golden_run("exec:dense", SEED)
    hurt, *others = rig.nodes
    bit, value = WEIGHTS * 8, 1 - (golden.state[WEIGHTS] & 1)
    arm = Arm(1, 0, "state", "stuck", bit=bit, width=1, value=value, hold_frames=3, exact=True)
    assert rig.arm(hurt, arm) is None
    golden.step()
    rig.step(rig.nodes, 0, golden.input)
    with pytest.raises(NodeError):
        delta_resync(rig, hurt, others, 0, golden.state_digest, len(golden.state))


def test_a_restart_keeps_what_was_healed_and_a_rollback_what_was_kept(
    make_rig: MakeRig, both: dict[str, str]
) -> None:
    """The program begins with the weights of its file; those of the node are put in."""
    rig = make_rig("dense", **both)
    node = rig.nodes[0]
    golden = golden_run("exec:dense", SEED)
    other = golden.state[:WEIGHTS] + bytes(range(256)) + golden.state[SUMS:]
    write_state(rig, node, golden.state, other)
    rig.restart(node)
    assert read_state(rig, node, len(other)) == other
    golden.resume(0, other)
    assert golden.state == other
    golden.step()
    assert is_golden(one(rig, 0, golden.input), golden)
    assert golden.output != golden_run("exec:dense", SEED).output


def test_a_golden_run_refuses_a_state_of_another_length(
    make_rig: MakeRig, both: dict[str, str]
) -> None:
    make_rig("dense", **both)
    golden = golden_run("exec:dense", SEED)
    with pytest.raises(KernelError):
        golden.resume(0, golden.state + b"x")


# --- programs that do not behave ------------------------------------------------------------------


def _kinds(quick: list[str], slow: list[str]) -> list[Any]:
    return [*quick, *(pytest.param(kind, marks=pytest.mark.slow) for kind in slow)]


WRONG_DECLARATIONS = _kinds(
    ["bad-name", "wraps", "many"],
    [
        "no-name",
        "long-name",
        "hidden-name",
        "twice-named",
        "unknown-element",
        "other-shape",
        "other-size",
        "deep",
        "empty",
        "huge",
        "together-huge",
    ],
)

WRONG_ANSWERS = _kinds(
    ["read-other-place", "read-grows", "read-lies", "more-digests", "read-crashes"],
    [
        "read-other-region",
        "read-short",
        "read-long",
        "read-nothing",
        "read-hangs",
        "read-exits",
        "other-digest",
        "no-digest",
    ],
)
SIGNALS = {"read-crashes": signal.SIGABRT, "read-exits": 0}
"""Of programs that end themselves; the others are killed."""


@pytest.mark.parametrize("kind", WRONG_DECLARATIONS)
def test_wrong_declarations_are_refused_by_agent_and_golden_run(
    make_rig: MakeRig, kind: str
) -> None:
    rig = make_rig("c", bad=python(HOSTILE, kind))
    rig.setup.workload = "exec:bad"
    with pytest.raises(NodeError, match=r"errno 71\)"):
        rig.load(rig.nodes[0])
    assert children(agent_pid(rig)) == []
    with pytest.raises(SetupError, match="region"):
        golden_run("exec:bad", SEED)
    rig.setup.workload = "exec:c"
    rig.load(rig.nodes[0])


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("many", "it declares 257 regions; expected 256 at most"),
        ("too-few", "its first answer is too short for the 4 regions in it"),
    ],
)
def test_a_wrong_number_of_declarations_is_said(make_rig: MakeRig, kind: str, said: str) -> None:
    make_rig("c", bad=python(HOSTILE, kind))
    with pytest.raises(SetupError, match=said):
        golden_run("exec:bad", SEED)


@pytest.mark.parametrize("kind", WRONG_ANSWERS)
def test_a_wrong_answer_about_a_region_ends_the_program_alone(make_rig: MakeRig, kind: str) -> None:
    rig = make_rig("bad", bad=python(HOSTILE, kind, "1"))
    node, agent = rig.nodes[0], agent_pid(rig)
    assert one(rig, 0, bytes(8)).status == DONE
    before, program = read_state(rig, node, 72), program_pid(rig)
    result = one(rig, 1, bytes(8))
    assert (result.status, result.signal) == (CRASHED, SIGNALS.get(kind, signal.SIGKILL))
    assert result.reason
    until(lambda: gone(program), "the program's end")
    assert agent_pid(rig) == agent
    assert read_state(rig, node, 72)[8:] == before[8:]
    assert one(rig, 2, bytes(8)).status == ABSENT
    rig.restart(node)
    assert program_pid(rig) != program


@pytest.mark.parametrize(
    ("kind", "tick"),
    [
        ("write-other-place", 0),
        ("write-nothing", 1),
        pytest.param("write-long", 0, marks=pytest.mark.slow),
        pytest.param("write-long", 1, marks=pytest.mark.slow),
        pytest.param("write-other-place", 1, marks=pytest.mark.slow),
    ],
)
def test_an_upset_that_a_program_answers_wrongly_is_not_counted(
    make_rig: MakeRig, kind: str, tick: int
) -> None:
    rig = make_rig("bad", bad=python(HOSTILE, kind, "1"))
    node = rig.nodes[0]
    assert all(one(rig, frame, bytes(8)).status == DONE for frame in range(2))
    before = read_state(rig, node, 72)
    assert rig.arm(node, Arm(1, 2, "state", "bit", tick=tick, bit=30 * 8, exact=True)) is None
    result = one(rig, 2, bytes(8))
    assert (result.status, result.signal) == (CRASHED, signal.SIGKILL)
    report = report_of(rig, node, 1)
    assert report.state is not UpsetState.INJECTED and not report.verified
    assert read_state(rig, node, 72)[30] == before[30]


def test_an_upset_that_a_program_does_not_take_is_seen_not_to_have_changed_anything(
    make_rig: MakeRig,
) -> None:
    """It says that it has written, and has not: it is read back, and that decides."""
    rig = make_rig("deaf", deaf=python(HOSTILE, "deaf"))
    node = rig.nodes[0]
    before = read_state(rig, node, 72)
    assert rig.arm(node, Arm(1, 0, "state", "bit", bit=30 * 8, exact=True)) is None
    assert one(rig, 0, bytes(8)).status == DONE
    report = report_of(rig, node, 1)
    assert not report.verified and not report.changed
    assert report.after == report.before
    assert read_state(rig, node, 72)[8:] == before[8:]


def test_a_repair_that_a_program_does_not_take_shows_in_its_state(make_rig: MakeRig) -> None:
    rig = make_rig("deaf", deaf=python(HOSTILE, "deaf"))
    node = rig.nodes[0]
    state = read_state(rig, node, 72)
    wanted = state[:8] + bytes(64)
    write_state(rig, node, state, wanted)
    result = one(rig, 0, bytes(8))
    assert result.state_digest == digest64(state) != digest64(wanted)


def test_regions_that_have_grown_after_a_restart_are_refused(
    make_rig: MakeRig, tmp_path: Path
) -> None:
    marker = tmp_path / "started"
    rig = make_rig("bad", bad=python(HOSTILE, "another-after-restart", "0", marker))
    with pytest.raises(NodeError, match=r"errno 71\)"):
        rig.restart(rig.nodes[0])


def test_regions_that_have_grown_when_the_workload_is_loaded_again_are_refused(
    make_rig: MakeRig, tmp_path: Path
) -> None:
    """As after the calibration, a reset and a power cycle: there the agent compares nothing."""
    rig = make_rig("bad", bad=python(HOSTILE, "another-after-restart", "0", tmp_path / "started"))
    with pytest.raises(NodeError, match=r"than at its first start \(.*regions\)"):
        rig.load(rig.nodes[0])


def test_what_is_written_unasked_between_two_steps_ends_the_program(make_rig: MakeRig) -> None:
    rig = make_rig("bad", bad=python(HOSTILE, "chatters", "0"))
    results = [one(rig, frame, bytes(8)) for frame in range(2)]
    bad = next(r for r in results if r.status != DONE)
    assert (bad.status, bad.signal) == (CRASHED, signal.SIGKILL)
