"""Experiments that repeat themselves never end; what may go on otherwise is not taken for one."""

from __future__ import annotations

import ctypes
import platform
import shutil
import subprocess
from pathlib import Path

import pytest

from hil.campaign.analysis import analyse
from hil.campaign.bench import held_board
from hil.campaign.exact import effects_of
from hil.record.campaign_rows import EFFECTS
from hil.scenario import UpsetTarget, load_scenario
from hil.upsets.words import NodeEffect
from hil.wire.campaign import Site, Space
from tests.campaign.changed_quarter import ZERO_BYTE, changed_quarter

CSRC = Path(__file__).parents[2] / "csrc"
on_x86 = pytest.mark.skipif(platform.machine() != "x86_64", reason="the loops are in its assembly")

LOOPS = """
  if (io->state[63] & 2u) /* what it has written is as before */
    __asm__ volatile("1: incl -4(%%rsp); decl -4(%%rsp); jmp 1b" ::: "memory");
  if (io->state[63] & 4u) /* an inner loop ends, each time */
    __asm__ volatile("1: movl $200, %%ecx; 2: decl %%ecx; jnz 2b; jmp 1b" ::: "ecx");
  if (io->state[63] & 8u) /* it counts in memory, and ends after some milliseconds */
    __asm__ volatile("movl $6000000, -4(%%rsp); 1: decl -4(%%rsp); jnz 1b" ::: "memory");
"""
RANDOM_LOOP = """
  if (io->state[63] & 2u) /* for milliseconds, and then until a random number comes */
    __asm__ volatile("movl $20000000, %%ecx; 1: decl %%ecx; jnz 1b;"
                     "2: movl $0, %%eax; rdrand %%eax; testl $255, %%eax; movl $0, %%eax; jnz 2b;"
                     ::: "eax", "ecx");
"""


def effects_of_bits(folder: Path, code: str, bits: list[int]) -> list[NodeEffect]:
    with held_board(load_scenario(changed_quarter(folder, code)), 0, 3) as board:
        first = analyse(board, [UpsetTarget.STATE]).plan.regions[0].first
        sites = [Site(0, Space.MEMORY, first + ZERO_BYTE, bit) for bit in bits]
        return [EFFECTS[n] for n in effects_of(board.step.run(sites, severity=True))[0]]


@pytest.mark.ptrace
@on_x86
def test_what_comes_back_to_the_same_state_hangs_and_what_counts_in_memory_does_not(
    tmp_path: Path,
) -> None:
    assert effects_of_bits(tmp_path, LOOPS, [2, 4, 8]) == [
        NodeEffect.HANG,
        NodeEffect.HANG,
        NodeEffect.LATENT,
    ]


@pytest.mark.ptrace
@on_x86
@pytest.mark.skipif(
    not Path("/proc/cpuinfo").is_file() or " rdrand " not in Path("/proc/cpuinfo").read_text(),
    reason="this processor has no random numbers",
)
def test_a_loop_that_waits_for_a_random_number_is_not_said_to_repeat_itself(tmp_path: Path) -> None:
    assert effects_of_bits(tmp_path, RANDOM_LOOP, [2]) == [NodeEffect.LATENT]


WRAPPER = """
#include "bytes.h"
#include "x86_insn.h"
#include "x86_insn.c"
#undef __x86_64__
#undef __aarch64__
#define __{machine}__ 1
#include "repeatable.c"
"""
X86 = {
    True: "90 0f1f00 48ffc1 ffc9 75fe ebfe e800000000 c3 8b0424 890424 f20f59c1 c5f158c2 0fafc1 "
    "0fc8 0fb6c0 f3a4 f30f1efa 660f3817c0 0f38f00424 c7042400000000 ff2424 d9c0",
    False: "0fc7f0 0fc7f8 f30fc7f8 0f31 0f01f9 0fa2 0f01d0 c7f800000000 9c 9d 8ed0 0f05 0f34 cc "
    "cd80 f30faef0 f20faef0 0fae20 0fc72424 cb ff1c24 0f33 ec 0f0b",
}
A64 = {
    True: "d503201f d5033bbf 91000400 54000001 1e610800 b9400000 14000000 f1000400 4e61d400 "
    "9b017c00",
    False: "c85f7c00 c8007c01 d53be040 d53b2400 d53b2420 d4000001 d503205f 9ac11000 "
    "d51bd040 00000000",
}


@pytest.mark.parametrize(("machine", "codes"), [("x86_64", X86), ("aarch64", A64)])
def test_instructions_that_read_clocks_or_random_numbers_are_no_part_of_a_proof(
    machine: str, codes: dict[bool, str], tmp_path: Path
) -> None:
    """The codes are from the manuals of both makers."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler here")
    wrapper, target = tmp_path / "wrapper.c", tmp_path / "repeatable.so"
    wrapper.write_text(WRAPPER.format(machine=machine), encoding="ascii")
    folders = [f"-I{CSRC / name}" for name in ("port/linux", "kernel")]
    command = [compiler, "-std=c11", "-shared", "-fPIC", *folders, str(wrapper), "-o", str(target)]
    subprocess.run(command, check=True)
    judge = ctypes.CDLL(str(target)).insn_is_repeatable
    judge.restype = ctypes.c_bool
    for expected, listed in codes.items():
        for text in listed.split():
            code = bytes.fromhex(text)
            code = code[::-1] if machine == "aarch64" else code.ljust(15, b"\x00")
            assert judge(code, ctypes.c_size_t(len(code))) is expected, text
