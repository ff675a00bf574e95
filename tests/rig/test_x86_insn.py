"""The agent's own decoder of x86-64 against capstone: the length of every instruction, and what it
writes. All opcodes with many forms of ModRM, prefixes and vector encodings, and random bytes."""

from __future__ import annotations

import ctypes
import itertools
import random
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

capstone = pytest.importorskip("capstone")

CSRC = Path(__file__).parents[2] / "csrc"
WRAPPER = """
#include "x86_insn.h"
int length_of(const uint8_t *code, size_t len) {
  hil_x86_insn_t i;
  return x86_decode(code, len, &i) == 0 ? i.len : 0;
}
int write_of(const uint8_t *code, size_t len, uint8_t *out_size) {
  hil_x86_insn_t i;
  return x86_decode(code, len, &i) == 0 ? (int)x86_write(&i, out_size) : -1;
}
int length_before(const uint8_t *code, size_t len) {
  hil_x86_insn_t i;
  return x86_decode_before(code, len, false, &i) == 0 ? i.len : 0;
}
"""
NOTHING, OVERWRITES, PUSHES, STRING, MODIFIES, UNSURE = range(6)  # hil_x86_write_t
MODRM = (0x00, 0x05, 0x0C, 0x3C, 0x47, 0x54, 0x6D, 0x84, 0x95, 0xBC, 0xC0, 0xD1, 0xF8)
TAIL = bytes.fromhex("a51122334455667708192a3b")
PREFIXES = (b"", b"\x66", b"\xf2", b"\xf3", b"\x48", b"\x66\x48", b"\xf3\x4c", b"\x41", b"\x67")

STORES = re.compile(
    r"mov|movabs|movbe|movnti|v?mov(nt)?[adhlu]?[pqs]?[dsq]?[auq]?|v?movdq[au](8|16|32|64)?|v?movntdq"
    r"|set\w+|v?pextr[bdqw]|v?extract\w+|fistt?p?|fstp?|fnstcw|fnstsw|fbstp"
)
MODIFIERS = re.compile(
    r"(add|or|adc|sbb|and|sub|xor|inc|dec|neg|not|ro[lr]|rc[lr]|s[ah][lr]|sh[lr]d|bt[crs]"
    r"|xchg|xadd|cmpxchg|cmpxchg8b|cmpxchg16b)"
)
NOT_COMPARED = ("ud0", "ud1", "extrq", "insertq", "vmread")
"""No program has them: capstone leaves out the ModRM of the first two, and the agent takes those of
SSE4a, and what differs from them by a prefix, for no instruction."""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Any:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("there is no C compiler here")
    folder = tmp_path_factory.mktemp("x86")
    (folder / "wrapper.c").write_text(WRAPPER)
    sources = [
        folder / "wrapper.c",
        CSRC / "port/linux/x86_insn.c",
        CSRC / "port/linux/x86_write.c",
    ]
    folders = [f"-I{CSRC / f}" for f in ("kernel", "port/linux")]
    made = folder / "x86.so"
    flags = ["-std=c11", "-O1", "-shared", "-fPIC"]
    subprocess.run([compiler, *flags, *folders, "-o", made, *sources], check=True, timeout=60)
    return ctypes.CDLL(str(made))


@pytest.fixture(scope="module")
def engine() -> Any:
    made = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    made.detail = True
    return made


def legacy() -> Iterator[bytes]:
    for prefix, escape in itertools.product(PREFIXES, (b"", b"\x0f", b"\x0f\x38", b"\x0f\x3a")):
        for opcode, modrm in itertools.product(range(256), MODRM):
            yield prefix + escape + bytes((opcode, modrm)) + TAIL


def vectors() -> Iterator[bytes]:
    """VEX of two and of three bytes, and EVEX."""
    for pp, length, opcode, modrm in itertools.product(range(4), (0, 1), range(256), MODRM[::2]):
        yield bytes((0xC5, 0xF8 | length << 2 | pp, opcode, modrm)) + TAIL
        for table, wide in itertools.product((1, 2, 3), (0, 0x80)):
            yield bytes((0xC4, 0xE0 | table, wide | 0x78 | length << 2 | pp, opcode, modrm)) + TAIL
            p2 = 0x08 | length << 6
            yield bytes((0x62, 0xF0 | table, wide | 0x7C | pp, p2, opcode, modrm)) + TAIL


def differs(code: bytes) -> bool:
    """Whether processors of Intel and AMD, and disassemblers, read these bytes otherwise: branches
    with an operand prefix, and a REX that another prefix follows."""
    at = 0
    while code[at] in b"\x66\xf2\xf3\x67" or 0x40 <= code[at] < 0x50:
        at += 1
    prefixes, opcode = code[:at], code[at : at + 2]
    branch = opcode[0] in b"\xe8\xe9\xeb\xc2\xc3\xca\xcb" or 0x70 <= opcode[0] < 0x80
    branch = branch or (opcode[0] == 0x0F and 0x80 <= opcode[1] < 0x90)
    return branch and b"\x66" in prefixes


def compared(library: Any, engine: Any, codes: Iterator[bytes]) -> tuple[int, list[str]]:
    """How many instructions were compared, and those whose length is not that of capstone."""
    count, wrong = 0, []
    for code in codes:
        insn = next(engine.disasm(code, 0x1000, 1), None)
        if insn is None or differs(code) or insn.mnemonic in NOT_COMPARED:
            continue
        count += 1
        length = library.length_of(code, len(code))
        if length != insn.size:
            wrong.append(f"{code.hex()}: {length}, not {insn.size}: {insn.mnemonic} {insn.op_str}")
    return count, wrong


@pytest.mark.parametrize("codes", [legacy, vectors])
def test_every_opcode_has_the_length_that_capstone_says(
    library: Any, engine: Any, codes: Callable[[], Iterator[bytes]]
) -> None:
    count, wrong = compared(library, engine, itertools.islice(codes(), 0, None, 61))
    assert count > 250
    assert not wrong, "\n".join(wrong[:40])


@pytest.mark.slow
@pytest.mark.parametrize("codes", [legacy, vectors])
def test_every_opcode_in_every_form_has_the_length_that_capstone_says(
    library: Any, engine: Any, codes: Callable[[], Iterator[bytes]]
) -> None:
    count, wrong = compared(library, engine, codes())
    assert count > 15_000
    assert not wrong, "\n".join(wrong[:40])


def memory_operand(insn: Any) -> Any:
    operands = [o for o in insn.operands if o.type == capstone.x86.X86_OP_MEM]
    return operands[0] if operands else None


@pytest.mark.parametrize("every", [71, pytest.param(1, marks=pytest.mark.slow)])
def test_what_is_said_to_overwrite_memory_is_a_store(library: Any, engine: Any, every: int) -> None:
    """By its name, as capstone's access flags call many stores loads; the size is compared. Where
    nothing is said to be written, capstone says so, too."""
    kinds: Counter[int] = Counter()
    size = ctypes.c_uint8()
    for code in itertools.islice(itertools.chain(legacy(), vectors()), 0, None, every):
        insn = next(engine.disasm(code, 0x1000, 1), None)
        if insn is None or (operand := memory_operand(insn)) is None:
            continue
        kind = library.write_of(code, len(code), ctypes.byref(size))
        kinds[kind] += 1
        text = f"{code.hex()}: {insn.mnemonic} {insn.op_str}"
        name = insn.mnemonic.split()[-1]  # without a lock
        if kind == OVERWRITES:
            assert STORES.fullmatch(name), text
            assert insn.operands[0].type == capstone.x86.X86_OP_MEM, text
            assert operand.size == size.value or name in ("movbe", "movnti"), text
        if kind == MODIFIES:
            assert MODIFIERS.fullmatch(name), text
        if kind == NOTHING:
            assert not operand.access & capstone.CS_AC_WRITE, text
    assert min(kinds[k] for k in (NOTHING, OVERWRITES, MODIFIES, UNSURE)) > 1000 / every


def test_the_instruction_before_a_place_is_found_or_not_known(library: Any, engine: Any) -> None:
    """Code of a compiler, as this interpreter's own library has it, read backwards."""
    code = bytes.fromhex(
        "4157415641554154555348"  # push r15 .. rbx
        "83ec284889fb48897424 080f1107c5fe7f47204885f67410"
        "660f7f4424 10c70424010000008b042401450cf30f1143084883c428"
        "5b5d415c415d415e415fc3".replace(" ", "")
    )  # fmt: skip
    ends, at = [], 0
    for _, size, _, _ in engine.disasm_lite(code, 0):
        at += size
        ends.append((at, size))
    assert at == len(code)
    rng = random.Random(4)
    known = 0
    for end, size in ends[12:]:
        noise = rng.randbytes(16)  # code before it, of which nothing is known
        for text in (code[:end], noise + code[:end]):
            found = library.length_before(text, len(text))
            assert found in (0, size)
            known += found == size
    assert known > len(ends)
