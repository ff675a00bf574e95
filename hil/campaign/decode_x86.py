"""The decoder of x86-64: what an instruction touches, by capstone's tables where they are certain.

Capstone lists some destinations as only written that keep their old value under a condition (such
as those of cmov and bsf), and some of which a part is kept. So a location counts as killed only
where the instruction is one of those named here, which overwrite it in every case; otherwise it
counts as read. Flags are no target of upsets and are left out.

Raises `UnsupportedInstruction` for instructions whose memory accesses cannot be computed from
general registers, such as gathers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from hil.campaign.disassembler import disassembler
from hil.campaign.instruction import (
    Instruction,
    MemoryAccess,
    RegisterBytes,
    UnsupportedInstruction,
)

if TYPE_CHECKING:
    import capstone

__all__ = ["X86Decoder"]

_GENERAL: Final = ("ax", "bx", "cx", "dx", "si", "di", "bp", "sp")
_PC: Final = 16
_VECTOR_BYTES: Final = 16
_LOW_BYTE: Final = {"al": 0, "bl": 1, "cl": 2, "dl": 3, "sil": 4, "dil": 5, "bpl": 6, "spl": 7}
_HIGH_BYTE: Final = {"ah": 0, "bh": 1, "ch": 2, "dh": 3}
_NUMBERED: Final = {"": 8, "d": 4, "w": 2, "b": 1}

_NO_ACCESS: Final = ("lea", "nop", "prefetch", "endbr", "clflush", "cldemote")
"""Their memory operands are not accessed."""
_OVERWRITES: Final = frozenset(
    {"mov", "movabs", "movzx", "movsx", "movsxd", "lea", "pop", "movd", "movq", "movaps", "movups"}
    | {"movapd", "movupd", "movdqa", "movdqu", "lddqu", "pshufd", "cvtdq2ps", "cvtps2dq"}
    | {"cvttps2dq", "cvttpd2dq", "cvtdq2pd", "cvtps2pd", "sqrtpd", "sqrtps"}
)
"""They overwrite a destination of their own width wholly."""
_ZERO_EXTEND: Final = frozenset(
    {"add", "sub", "and", "or", "xor", "not", "neg", "imul", "inc", "dec", "adc", "sbb", "bswap"}
    | {"shl", "sal", "shr", "sar", "rol", "ror", "rcl", "rcr", "shld", "shrd", "xadd", "xchg"}
    | {"mul", "div", "idiv", "bts", "btr", "btc"}
)
"""They read a destination of 32 bits, and clear the upper half of its register in every case."""
_STORES: Final = (
    _OVERWRITES
    | {"movss", "movsd", "movntdq", "movnti", "movlpd"}
    | {"movhpd", "movlps", "movhps", "movntps", "movntpd"}
    | {f"{name}{size}" for name in ("stos", "movs") for size in "bwdq"}
)
"""They overwrite a memory operand that is their first, and do not read it. (Capstone lists some of
these as read.)"""
_BIT_TESTS: Final = ("bt", "bts", "btr", "btc")
_UNSUPPORTED: Final = ("enter", "maskmov", "vmaskmov", "vpmaskmov", "vpgather", "vgather")
_UNSUPPORTED_TOO: Final = ("vpscatter", "vscatter", "xsave", "xrstor", "fxsave", "fxrstor", "xlat")


def _register_bytes(name: str) -> RegisterBytes | None:
    """Return the bytes of a general register by its name; None for any other."""
    if name in _LOW_BYTE:
        return RegisterBytes(8 * _LOW_BYTE[name], 1)
    if name in _HIGH_BYTE:
        return RegisterBytes(8 * _HIGH_BYTE[name] + 1, 1)
    if name[1:] in _GENERAL and name[0] in "re":
        return RegisterBytes(8 * _GENERAL.index(name[1:]), 8 if name[0] == "r" else 4)
    if name in _GENERAL:
        return RegisterBytes(8 * _GENERAL.index(name), 2)
    digits = name[1:].rstrip("dwb")
    if name.startswith("r") and digits.isdigit():
        return RegisterBytes(8 * int(digits), _NUMBERED[name[1 + len(digits) :]])
    return None


def _vector_bytes(name: str) -> RegisterBytes | None:
    """Return the bytes of a vector register as far as they are a target; None for any other."""
    if name[:3] in ("xmm", "ymm", "zmm") and int(name[3:]) < _VECTOR_BYTES:
        return RegisterBytes(_VECTOR_BYTES * int(name[3:]), _VECTOR_BYTES)
    return None


class X86Decoder:
    """Decodes single instructions. Not thread-safe. Raises: SetupError without capstone."""

    def __init__(self) -> None:
        self._engine = disassembler("x86_64")

    def decode(self, code: bytes, address: int) -> Instruction:
        """Return what the instruction touches with which `code` begins, at `address`.

        Raises: UnsupportedInstruction."""
        insn = next(self._engine.disasm(code, address, 1), None)
        if insn is None:
            raise UnsupportedInstruction(f"no known instruction at {address:#x}: {code.hex()}")
        name = insn.mnemonic.split()[-1]
        text = f"{insn.mnemonic} {insn.op_str}".strip()
        if name.startswith((*_UNSUPPORTED, *_UNSUPPORTED_TOO)) or _is_far_bit(insn, name):
            raise UnsupportedInstruction(f"an exact campaign does not know what `{text}` accesses")
        reads, kills = _registers(insn, name)
        return Instruction(
            text,
            tuple(_memory(insn, name)),
            *(_of(reads, _register_bytes), _of(kills, _register_bytes)),
            *(_of(reads, _vector_bytes), _of(kills, _vector_bytes)),
        )


def _is_far_bit(insn: capstone.CsInsn, name: str) -> bool:
    """Return whether an instruction accesses a bit of memory that a register counts: it may lie
    anywhere."""
    kinds = [operand.type for operand in insn.operands]
    return name in _BIT_TESTS and kinds == [_MEMORY, _REGISTER]


def _of(names: list[str], as_bytes: Any) -> tuple[RegisterBytes, ...]:
    return tuple(b for b in map(as_bytes, names) if b is not None)


def _registers(insn: capstone.CsInsn, name: str) -> tuple[list[str], list[str]]:
    """Return the names of the registers that are read and killed; of a 32-bit destination the whole
    register, as its upper half is cleared."""
    read_ids, write_ids = insn.regs_access()
    reads = [insn.reg_name(r) for r in read_ids if r]
    kills: list[str] = []
    if name == "cmpxchg":  # capstone does not list that it writes what it compares
        reads.append("rax")
    for register in (insn.reg_name(r) for r in write_ids if r):
        if register in reads:
            if _whole(register) != register:  # its other half does not stay as it is
                (kills if name in _ZERO_EXTEND else reads).append(_whole(register))
            continue
        sure = name in _OVERWRITES or name.startswith("set")
        if name in (
            "movss",
            "movsd",
        ):  # from memory they clear the rest, from a register they keep it
            sure = insn.operands[1].type == _MEMORY
        (kills if sure else reads).append(_whole(register))
    return reads, kills


def _whole(register: str) -> str:
    """Return the name of the register of which a 32-bit one is the lower half; others as they
    are."""
    if register[0] == "e" and register[1:] in _GENERAL:
        return f"r{register[1:]}"
    return register[:-1] if register[0] == "r" and register.endswith("d") else register


_REGISTER: Final = 1  # X86_OP_REG
_MEMORY: Final = 3  # X86_OP_MEM


def _memory(insn: capstone.CsInsn, name: str) -> list[MemoryAccess]:
    """Return the memory operands, those that are not written out included."""
    accesses: list[MemoryAccess] = []
    counter = 2 if insn.mnemonic.startswith("rep") else None
    operands = () if name.startswith(_NO_ACCESS) else insn.operands
    sp, bp = 7, 6
    for number, operand in enumerate(operands):
        if operand.type != _MEMORY or operand.mem.segment in (_FS, _GS):
            continue  # thread-local memory is no target
        kills = number == 0 and (name in _STORES or name.startswith("set"))
        mem = operand.mem
        base, index = _number(insn, mem.base), _number(insn, mem.index)
        offset = mem.disp + (insn.size if base == _PC else 0)
        if name == "pop" and base == sp:  # it counts from where the pointer is afterwards
            offset += operand.size
        accesses.append(
            MemoryAccess(base, index, mem.scale, offset, operand.size, not kills, kills, counter)
        )
    if name in ("push", "call"):
        size = insn.operands[0].size if name == "push" and insn.operands else 8
        size = 2 if size == 2 else 8
        accesses.append(MemoryAccess(sp, None, 1, -size, size, False, True))
    elif name in ("pop", "ret"):
        accesses.append(MemoryAccess(sp, None, 1, 0, 8, True, False))
    elif name == "leave":
        accesses.append(MemoryAccess(bp, None, 1, 0, 8, True, False))
    return accesses


_FS: Final = 32  # X86_REG_FS
_GS: Final = 33


def _number(insn: capstone.CsInsn, register: int) -> int | None:
    """Return the number of a register in an address; None for none. Raises:
    UnsupportedInstruction for one that is no general register of 64 bits."""
    if not register:
        return None
    name = insn.reg_name(register)
    if name == "rip":
        return _PC
    found = _register_bytes(name)
    if found is None or found.length != 8:
        raise UnsupportedInstruction(f"an exact campaign cannot compute addresses with {name}")
    return found.first // 8
