"""What instructions of x86-64 touch, by the manuals of the processor."""

from __future__ import annotations

import pytest

from hil.campaign.decode_x86 import X86Decoder
from hil.campaign.instruction import RegisterBytes, UnsupportedInstruction

AX, BX, CX, DX, SI, DI, BP, SP = range(8)


def bytes_of(parts: tuple[RegisterBytes, ...]) -> set[int]:
    return {b for part in parts for b in range(part.first, part.first + part.length)}


def whole(*numbers: int) -> set[int]:
    return {b for n in numbers for b in range(8 * n, 8 * n + 8)}


def low(number: int, count: int) -> set[int]:
    return set(range(8 * number, 8 * number + count))


GENERAL = [  # code, what it may read, what it surely overwrites without reading it
    ("mov rax, rbx", "4889d8", whole(BX), whole(AX)),
    ("mov eax, ebx: the upper half is cleared", "89d8", low(BX, 4), whole(AX)),
    ("mov al, bl: the rest stays", "88d8", low(BX, 1), low(AX, 1)),
    ("add eax, ebx", "01d8", low(AX, 4) | low(BX, 4), whole(AX) - low(AX, 4)),
    ("cmove eax, ebx keeps eax", "0f44c3", whole(AX) | low(BX, 4), set()),
    ("bsf eax, ebx may keep eax", "0fbcc3", whole(AX) | low(BX, 4), set()),
    ("sete al", "0f94c0", set(), low(AX, 1)),
    ("lea rax, [rcx + rdx]", "488d0411", whole(CX, DX), whole(AX)),
    ("push rbx", "53", whole(BX, SP), set()),
    ("pop rbx", "5b", whole(SP), whole(BX)),
    ("mul rcx", "48f7e1", whole(AX, CX, DX), set()),
    ("xchg cl, al", "86c1", low(CX, 1) | low(AX, 1), set()),
    ("rep stosq", "f348ab", whole(AX, CX, DI), set()),
]


@pytest.mark.parametrize(("what", "code", "reads", "kills"), GENERAL, ids=[g[0] for g in GENERAL])
def test_general_registers(what: str, code: str, reads: set[int], kills: set[int]) -> None:
    found = X86Decoder().decode(bytes.fromhex(code), 0x1000)
    assert bytes_of(found.general_reads) >= reads, what
    assert bytes_of(found.general_kills) - bytes_of(found.general_reads) == kills


VECTOR = [
    ("movaps xmm1, xmm0", "0f28c8", {0}, {1}),
    ("movsd xmm0, [rax] clears the rest", "f20f1000", set(), {0}),
    ("movsd xmm0, xmm1 keeps the rest", "f20f10c1", {0, 1}, set()),
    ("cvtsi2sd xmm0, eax keeps the rest", "f20f2ac0", {0}, set()),
    ("addsd xmm0, [rcx]", "f20f5801", {0}, set()),
    ("movq xmm0, rax", "66480f6ec0", set(), {0}),
]


@pytest.mark.parametrize(("what", "code", "reads", "kills"), VECTOR, ids=[v[0] for v in VECTOR])
def test_vector_registers(what: str, code: str, reads: set[int], kills: set[int]) -> None:
    found = X86Decoder().decode(bytes.fromhex(code), 0x1000)
    assert {b // 16 for b in bytes_of(found.vector_reads)} == reads, what
    assert {b // 16 for b in bytes_of(found.vector_kills)} == kills


MEMORY = [  # code, base, index, scale, offset, size, reads, kills
    ("mov [rcx], al", "8801", (CX, None, 1, 0, 1, False, True)),
    ("mov eax, [rbx + rcx*4 + 16]", "8b448b10", (BX, CX, 4, 16, 4, True, False)),
    ("add [rcx], eax", "0101", (CX, None, 1, 0, 4, True, False)),
    ("movups [rdx], xmm5", "0f112a", (DX, None, 1, 0, 16, False, True)),
    ("cmpxchg [rcx], eax may keep it", "0fb101", (CX, None, 1, 0, 4, True, False)),
    ("push rbx", "53", (SP, None, 1, -8, 8, False, True)),
    ("ret", "c3", (SP, None, 1, 0, 8, True, False)),
    ("leave", "c9", (BP, None, 1, 0, 8, True, False)),
    ("movdqa xmm0, [rip + 0xaa]", "660f6f05aa000000", (16, None, 1, 0xAA + 8, 16, True, False)),
]


@pytest.mark.parametrize(("what", "code", "access"), MEMORY, ids=[m[0] for m in MEMORY])
def test_memory(what: str, code: str, access: tuple[object, ...]) -> None:
    (found,) = X86Decoder().decode(bytes.fromhex(code), 0x1000).memory
    parts = (found.base, found.index, found.scale, found.offset)
    assert (*parts, found.size, found.reads, found.kills) == access, what


@pytest.mark.parametrize("code", ["488d0411", "0f1f440000", "0f1800", "f30f1efa"])
def test_operands_that_are_not_accessed(code: str) -> None:
    assert X86Decoder().decode(bytes.fromhex(code), 0x1000).memory == ()


def test_a_repeated_instruction_counts_down() -> None:
    store, load = X86Decoder().decode(bytes.fromhex("f3a4"), 0x1000).memory  # rep movsb
    assert (store.base, store.kills, store.counter) == (DI, True, CX)
    assert (load.base, load.reads, load.counter) == (SI, True, CX)


@pytest.mark.parametrize("code", ["660ff7c1", "c4e27d920408", "ffff"])
def test_what_cannot_be_known_is_refused(code: str) -> None:
    with pytest.raises(UnsupportedInstruction):
        X86Decoder().decode(bytes.fromhex(code), 0x1000)
