"""Campaigns on aarch64: a held step of an emulated board, and the registers of SVE."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hil.board_types.compilers import find_compiler, target_named
from hil.campaign.held_step import HeldStep
from hil.campaign.trace import path_digests, unpack_trace
from hil.kernel import Golden
from hil.rig.agent_setup import Budget
from hil.rig.calls import Timing
from hil.rig.emulated import cpio
from hil.rig.emulated.fetch import boot_files
from hil.rig.emulated.machine import find_qemu
from hil.rig.node import Node
from hil.rig.rig import Rig
from hil.wire.campaign import Site, Space

from ..emulated import Pool, possible

pytestmark = [pytest.mark.slow, pytest.mark.emulated, pytest.mark.usefixtures("possible")]
__all__ = ["possible"]

CSRC = Path(__file__).resolve().parents[2] / "csrc"
PASSED = 2
BOOT_S = 120


@pytest.fixture
def pool() -> Iterator[Pool]:
    pool = Pool()
    yield pool
    pool.close()


def test_a_held_step_of_an_emulated_board_is_golden_and_restored(pool: Pool) -> None:
    node = Node("a", 0, pool.board("a"))
    rig = Rig([node], "attitude", 1, Timing(300_000, 60_000_000))
    rig.open()
    try:
        golden = Golden("attitude", 1)
        rig.setup.budget = Budget(2_000_000, 2 * golden.workload.ticks + 8)
        rig.load(node)
        for frame in range(PASSED):
            golden.step()
            assert rig.step([node], frame, golden.input)["a"].state_digest == golden.state_digest
        golden.step()
        with HeldStep(rig, node, PASSED, golden.input) as held:
            o = held.opened
            assert (o.output_digest, o.state_digest) == (golden.output_digest, golden.state_digest)
            packed = held.trace()
            trace = unpack_trace(packed, o.gpr_count)
            rng = random.Random(6)
            places = [
                (Space.MEMORY, o.state_at, 64),
                (Space.MEMORY, o.heap_at, 64),
                (Space.MEMORY, o.stack_at + o.stack_len - 256, 256),
                (Space.GPR, 0, o.gpr_count * o.gpr_bytes),
                (Space.VECTOR, 0, o.vector_bytes),
            ]
            sites = []
            for i, position in enumerate(sorted(rng.randrange(trace.length) for _ in range(50))):
                space, first, size = places[i % len(places)]
                sites.append(Site(position, space, first + rng.randrange(size)))
            once = held.run(sites, severity=True)
            assert once.path == path_digests(trace.pc)[once.position]
            assert len(set(once.codes)) == 4, "every outcome was seen"
            assert held.run(sites, severity=True) == once
            assert held.trace() == packed
        result = rig.step([node], PASSED, golden.input)["a"]
        assert result.state_digest == golden.state_digest
    finally:
        rig.close()


def test_registers_of_sve_are_kept_and_flipped_whole(tmp_path: Path) -> None:
    """A processor with vectors of more than 128 bits, in a machine of its own."""
    program = tmp_path / "probe"
    compiler = find_compiler(target_named("aarch64"))
    folders = [f"-I{CSRC / f}" for f in ("kernel", "wire", "agent", "port/linux")]
    sources = [Path(__file__).with_name("registers_probe.c")]
    sources += [CSRC / "port/linux" / name for name in ("campaign_registers.c", "registers.c")]
    flags = ["-std=c11", "-O1", "-D_GNU_SOURCE", "-static", *folders]
    command = [*compiler.command, *flags, "-o", str(program), *map(str, sources)]
    subprocess.run(command, check=True, timeout=120)
    files = tmp_path / "files"
    entries = [cpio.directory("dev"), cpio.device("dev/console", 5, 1)]
    files.write_bytes(cpio.archive([*entries, cpio.program("init", program.read_bytes())]))
    machine = ["-M", "virt", "-cpu", "max", "-m", "512", "-no-reboot"]
    devices = ["-nodefaults", "-display", "none", "-serial", "stdio"]
    boot = ["-kernel", str(boot_files().kernel), "-initrd", str(files)]
    done = subprocess.run(
        [find_qemu(), *machine, *devices, *boot, "-append", "console=ttyAMA0 quiet panic=-1"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=BOOT_S,
        check=False,
    )
    lines = [line.split() for line in done.stdout.splitlines() if line.startswith("probe ")]
    found = {name: int(value) for _, name, value in lines}
    assert found.pop("length") > 16, done.stdout
    assert found == {
        "read": 0,
        "set": 0x405,  # NT_ARM_SVE
        "changed": 1,
        "write": 0,
        "left": 0,
        "flip": 0,
        "flipped": 1,
        "bits": 0x10,
        "end": 0,
    }
