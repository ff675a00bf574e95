"""The decoder of aarch64: what an instruction touches, by capstone's tables where they are certain.

On this processor nearly every instruction overwrites its destination wholly: one of 32 bits clears
the upper half of its register, a scalar the rest of its vector register. Those that keep a part are
named here, or have their destination among what they read. What capstone leaves out (the link
register that `ret` reads; operands whose access it does not know) counts as read.

Raises `UnsupportedInstruction` for instructions whose memory accesses cannot be computed from
general registers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from hil.campaign.disassembler import disassembler
from hil.campaign.instruction import (
    Extension,
    Instruction,
    MemoryAccess,
    RegisterBytes,
    UnsupportedInstruction,
)

if TYPE_CHECKING:
    import capstone

__all__ = ["A64Decoder"]

_SP: Final = 31
_PC: Final = 32
_NAMED: Final = {"sp": _SP, "wsp": _SP, "fp": 29, "lr": 30, "ip0": 16, "ip1": 17}
_VECTOR_BYTES: Final = 16
_WIDTH: Final = {"b": 1, "h": 2, "s": 4, "d": 8, "q": 16, "w": 4, "x": 8}
_SUFFIX: Final = {"sb": 1, "b": 1, "sh": 2, "h": 2, "sw": 4}

_REGISTER: Final = 1  # ARM64_OP_REG
_IMMEDIATE: Final = 2  # ARM64_OP_IMM
_MEMORY: Final = 3  # ARM64_OP_MEM
_UXTW: Final = 3  # ARM64_EXT_UXTW
_SXTW: Final = 7
_NO_LANE: Final = -1

_NO_ACCESS: Final = ("prfm", "prfum", "hint", "nop", "bti", "pac", "aut", "dmb", "dsb", "isb")
_SINGLE: Final = re.compile(r"^(ld|st)(a|l|u|t|ap|lu|apu|x|ax|lx)?r(?P<suffix>s?[bhw])?$")
_PAIR: Final = re.compile(r"^(ld|st)(np|p|xp|axp|lxp)(?P<suffix>sw)?$")
_STRUCTURE: Final = re.compile(r"^(ld|st)[1-4]$")
_CONDITIONAL: Final = ("stx", "stlx")
"""Stores that may not happen."""
_COMPARE: Final = ("cmp", "cmn", "tst", "ccmp", "ccmn", "cbz", "cbnz", "tbz", "tbnz")
"""Capstone lists the first operand of some of them as written."""
_VECTOR_KILLS: Final = re.compile(
    r"^(ldr|ldur|ldp|ldnp|fmov|fadd|fsub|fmul|fdiv|fneg|fabs|fsqrt|fnmul|fmadd|fmsub|fnmadd|fnmsub"
    r"|scvtf|ucvtf|fcvt(?!x?n2)\w*|frint\w|movi|mvni|dup|ext|add|sub|mul|neg|and|orr|eor|bic|not|mov|zip[12]"
    r"|uzp[12]|trn[12]|[su]shll|[su]shl|[su]shr|shl|sxtl|uxtl|[su]mull|[su]addw|[su]addl|[su]addlp"
    r"|addp|addv|[su]addlv|xtn|cm\w\w|fcm\w\w|rev\d\d|[su]max|[su]min)$"
)
"""They overwrite their vector register wholly, if they do not name a lane of it."""
_KEEP: Final = ("orr", "bic")
"""With a number in place of a second vector they change the one they write."""


class A64Decoder:
    """Decodes single instructions. Not thread-safe. Raises: SetupError without capstone."""

    def __init__(self) -> None:
        self._engine = disassembler("aarch64")

    def decode(self, code: bytes, address: int) -> Instruction:
        """Return what the instruction touches with which `code` begins, at `address`.

        Raises: UnsupportedInstruction."""
        insn = next(self._engine.disasm(code, address, 1), None)
        if insn is None:
            raise UnsupportedInstruction(f"no known instruction at {address:#x}: {code.hex()}")
        text = f"{insn.mnemonic} {insn.op_str}".strip()
        memory = () if insn.mnemonic.startswith(_NO_ACCESS) else tuple(_memory(insn, text))
        reads, kills = _registers(insn)
        return Instruction(
            text,
            memory,
            *(tuple(filter(None, map(_general, reads))), tuple(filter(None, map(_general, kills)))),
            *(tuple(filter(None, map(_vector, reads))), tuple(filter(None, map(_vector, kills)))),
        )


def _number(name: str) -> int | None:
    """Return the number of a general register; None for any other, and for the zero register."""
    if name in _NAMED:
        return _NAMED[name]
    return int(name[1:]) if re.fullmatch(r"[wx]\d+", name) else None


def _general(name: str) -> RegisterBytes | None:
    number = _number(name)
    if number is None:
        return None
    return RegisterBytes(8 * number, 4 if name[0] == "w" else 8)


def _vector(name: str) -> RegisterBytes | None:
    if not re.fullmatch(r"[bhsdqv]\d+", name):
        return None
    return RegisterBytes(_VECTOR_BYTES * int(name[1:]), _VECTOR_BYTES)


def _registers(insn: capstone.CsInsn) -> tuple[list[str], list[str]]:
    """Return the names of the registers that are read and killed, killed ones as the whole
    register."""
    read_ids, write_ids = insn.regs_access()
    reads = [insn.reg_name(r) for r in read_ids]
    if insn.mnemonic == "ret":
        reads.append("lr")
    lanes = set()
    for operand in insn.operands:
        if operand.type == _REGISTER and not operand.access:
            reads.append(insn.reg_name(operand.reg))
        if operand.type == _REGISTER and operand.vector_index != _NO_LANE:
            lanes.add(insn.reg_name(operand.reg))
    kills: list[str] = []
    for register in (insn.reg_name(r) for r in write_ids):
        general = _number(register) is not None
        sure = general and insn.mnemonic not in _COMPARE
        sure = sure or (bool(_VECTOR_KILLS.match(insn.mnemonic)) and register not in lanes)
        sure = sure and not (insn.mnemonic in _KEEP and insn.operands[1].type == _IMMEDIATE)
        if not sure:
            reads.append(register)
        elif register not in reads or register[0] == "w":
            kills.append(f"x{register[1:]}" if re.fullmatch(r"w\d+", register) else register)
    return reads, kills


def _memory(insn: capstone.CsInsn, text: str) -> list[MemoryAccess]:
    operands = [operand for operand in insn.operands if operand.type == _MEMORY]
    if not operands:
        if insn.mnemonic in ("dc", "st2", "st3", "st4", "ld2", "ld3", "ld4"):
            raise UnsupportedInstruction(f"an exact campaign does not know what `{text}` accesses")
        return []  # of memory beside the program counter too: that is no target
    mem, name = operands[0].mem, insn.mnemonic
    base = None if not mem.base else _number(insn.reg_name(mem.base))
    index = None if not mem.index else _number(insn.reg_name(mem.index))
    if base is None or (mem.index and index is None):
        raise UnsupportedInstruction(f"an exact campaign cannot compute the address of `{text}`")
    extension = {_UXTW: Extension.UNSIGNED_32, _SXTW: Extension.SIGNED_32}.get(
        operands[0].ext, Extension.NONE
    )
    scale = 1 << operands[0].shift.value
    size = _size(insn, name, text)
    stores = name.startswith("st")
    kills = stores and not name.startswith(_CONDITIONAL)
    access = MemoryAccess(base, index, scale, mem.disp, size, not kills, kills, None, extension)
    return [access]


def _size(insn: capstone.CsInsn, name: str, text: str) -> int:
    """Return how many bytes a load or store accesses. Raises: UnsupportedInstruction."""
    registers = [insn.reg_name(o.reg) for o in insn.operands if o.type == _REGISTER]
    registers = ["x" if r in _NAMED else r for r in registers]
    exclusive = name.startswith(_CONDITIONAL)  # its first register is the result
    data = registers[1 if exclusive else 0] if registers else ""
    single, pair = _SINGLE.match(name), _PAIR.match(name)
    if single is not None:
        return _SUFFIX[single["suffix"]] if single["suffix"] else _WIDTH[data[0]]
    if pair is not None:
        return 2 * (4 if pair["suffix"] else _WIDTH[data[0]])
    lanes = any(o.type == _REGISTER and o.vector_index != _NO_LANE for o in insn.operands)
    whole = re.findall(r"v\d+\.(\d+)([bhsd])", text)
    if name == "ld1r" and whole:  # one element, for all of the register
        return _WIDTH[whole[0][1]]
    if _STRUCTURE.match(name) and not lanes and whole:
        return sum(int(count) * _WIDTH[kind] for count, kind in whole)
    raise UnsupportedInstruction(f"an exact campaign does not know what `{text}` accesses")
