"""The watch of the agent on single instructions: each accesses a byte in a way that is certain, and
is executed by a real traced process under real debug registers."""

from __future__ import annotations

import platform
import shutil
import subprocess
from pathlib import Path

import pytest

from hil.wire.messages import Activation

pytestmark = pytest.mark.ptrace

CSRC = Path(__file__).parents[2] / "csrc"
SOURCES = ("watch.c", "watch_judge.c", "debug_registers.c", "x86_insn.c", "x86_write.c")
MORE_SOURCES = ("a64_access.c", "registers.c", "worker_access.c")
FLAGS = ("-std=c11", "-O1", "-D_GNU_SOURCE", "-fno-stack-protector", "-Wall", "-Wextra")

READ, OVERWRITTEN, NOTHING, UNKNOWN = 1, 2, 3, 0  # hil_first_access_t
FULL, INSTRUCTION = 4, 5  # hil_unwatched_t

EVERYWHERE = {
    "nothing": NOTHING,
    "load_byte": READ,
    "load_word": READ,
    "load_beside": NOTHING,
    "load_vector": READ,
    "store_byte": OVERWRITTEN,
    "store_word": OVERWRITTEN,
    "store_indexed": OVERWRITTEN,
    "store_beside": NOTHING,
    "store_vector": OVERWRITTEN,
    "store_then_load": OVERWRITTEN,
    "load_then_store": READ,
    "prefetch": NOTHING,
    "first_of_two": NOTHING,
    "both_of_two": OVERWRITTEN,
    "both_at_once": OVERWRITTEN,
    "one_each": READ,
    "block_at_once": OVERWRITTEN,
    "read_in_block": READ,
}
X86 = {
    "compare": READ,
    "store_word_16": OVERWRITTEN,
    "store_quad": OVERWRITTEN,
    "store_vector_aligned": OVERWRITTEN,
    "store_vector_around": OVERWRITTEN,
    "store_half_vector": OVERWRITTEN,
    "store_flag": OVERWRITTEN,
    "add_to": READ,
    "add_byte_to": READ,
    "increment": READ,
    "negate": READ,
    "shift": READ,
    "set_bit": READ,
    "exchange": READ,
    "exchange_add": READ,
    "compare_exchange": READ,
    "masked": UNKNOWN,
    "x87": OVERWRITTEN,
    "copy_from": READ,
    "copy_to": OVERWRITTEN,
    "copy_words_to": OVERWRITTEN,
    "copy_onto_itself": READ,
    "clear": OVERWRITTEN,
    "clear_one": OVERWRITTEN,
    "pushed": OVERWRITTEN,
    "pushed_number": OVERWRITTEN,
    "popped": READ,
    "called": OVERWRITTEN,
    "part_of_block": UNKNOWN,
}
A64 = {
    "load_signed": READ,
    "load_pair": READ,
    "load_structure": READ,
    "store_unaligned": OVERWRITTEN,
    "store_scaled": OVERWRITTEN,
    "store_extended": OVERWRITTEN,
    "store_before": OVERWRITTEN,
    "store_after": OVERWRITTEN,
    "store_pair": OVERWRITTEN,
    "store_vector_pair": OVERWRITTEN,
    "store_structure": OVERWRITTEN,
    "store_released": OVERWRITTEN,
    "exclusive": READ,
    "part_of_block": NOTHING,  # four registers: a byte each
}


def probe_command(compiler: list[str], program: Path) -> list[str]:
    """The command that builds the probe."""
    folders = [f"-I{CSRC / f}" for f in ("kernel", "wire", "agent", "port/linux")]
    sources = [str(Path(__file__).with_name("watch_probe.c"))]
    sources += [str(CSRC / "port/linux" / name) for name in (*SOURCES, *MORE_SOURCES)]
    return [*compiler, *FLAGS, *folders, "-o", str(program), *sources]


def results_of(text: str) -> dict[str, tuple[int, int]]:
    """What the probe has printed: first access and reason, by name."""
    lines = [line.split() for line in text.splitlines() if line.startswith("probe ")]
    return {name: (int(first), int(reason)) for _, name, first, reason in lines}


def check(results: dict[str, tuple[int, int]], expected: dict[str, int]) -> None:
    """Each case came out as its instructions say, and code was stopped at once, before it ran."""
    capacity = results.pop("capacity")
    assert capacity[0] >= 2, "this machine has debug registers"
    assert results.pop("code_stops") == (1, 0)
    assert results.pop("code") == (READ, 0)
    first, full = results.pop("many")
    assert (first, full) == (NOTHING, 8 - capacity[0])
    assert {name: first for name, (first, _) in results.items()} == expected
    reasons = {name: reason for name, (_, reason) in results.items() if reason}
    assert reasons == {n: INSTRUCTION for n, first in expected.items() if first == UNKNOWN}


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the cases are those of x86-64")
def test_each_kind_of_instruction_is_told_apart(tmp_path: Path) -> None:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("there is no C compiler here, to build the probe with")
    program = tmp_path / "probe"
    subprocess.run(probe_command([compiler], program), check=True, timeout=60)
    done = subprocess.run([program], capture_output=True, text=True, timeout=30, check=True)
    results = results_of(done.stdout)
    if results["capacity"][0] == 0:
        pytest.skip("this machine offers no debug registers")
    check(results, EVERYWHERE | X86)


def test_the_numbers_of_the_probe_are_those_of_the_wire() -> None:
    words = (Activation.UNKNOWN, Activation.ACTIVATED, Activation.OVERWRITTEN)
    assert tuple(map(list(Activation).index, words)) == (UNKNOWN, READ, OVERWRITTEN)
