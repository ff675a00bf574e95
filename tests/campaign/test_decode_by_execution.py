"""What the decoder says that instructions touch, against the processor itself: each is executed
with one byte of a register or of memory different (instruction_probe.c)."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from hil.campaign.decode_x86 import X86Decoder
from hil.campaign.disassembler import disassembler
from hil.campaign.instruction import Instruction, RegisterBytes, UnsupportedInstruction
from hil.rig.backends.process import find_agent

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="runs x86-64 code")

HERE = Path(__file__).parent
NATIVE = (0, 3, 1, 2, 6, 7, 5, 4, *range(8, 16))  # the processor's number of each, as hil counts
GENERAL, VECTOR, NEAR = 128, 256, 128
JUMPS = (
    "j",
    "call",
    "ret",
    "syscall",
    "hlt",
    "ud",
    "int",
    "loop",
    "bnd",
    "notrack",
    "endbr",
    "std",
)

SOURCE = """
.macro alu name
  \\name %ecx, %edx
  \\name %rcx, %rdx
  \\name %cl, %dl
  \\name %cl, %dh
  \\name %cx, %dx
  \\name $0x12, %r8d
  \\name 8(%rsi), %r9d
  \\name %r9, -16(%rsi, %rdi, 4)
.endm
.macro shift name
  \\name $3, %eax
  \\name $3, %rax
  \\name $3, %al
  \\name $3, %ax
  \\name %cl, %ebx
  \\name %cl, %ecx
  \\name %cl, %r10
  \\name $1, (%rsi)
  \\name %cl, 4(%rsi)
.endm
.macro one name
  \\name %eax
  \\name %rax
  \\name %al
  \\name %r11d
  \\name\\()l (%rsi)
.endm
.irp name, add, sub, and, or, xor, adc, sbb, cmp, mov
  alu \\name
.endr
.irp name, shl, shr, sar, rol, ror, rcl, rcr
  shift \\name
.endr
.irp name, not, neg, inc, dec, mul, imul, div, idiv
  one \\name
.endr
  neg %ah
  mul %ah
.irp name, cmove, cmovb, cmovg, cmovs
  \\name %ecx, %edx
  \\name %rcx, %rdx
  \\name (%rsi), %edx
.endr
.irp name, sete, setb, setg
  \\name %al
  \\name %r12b
  \\name %ah
  \\name (%rsi)
.endr
.irp name, bt, bts, btr, btc
  \\name %ecx, %edx
  \\name $5, %rdx
  \\name\\()l $5, (%rsi)
.endr
  test %eax, %ecx
  test $1, %al
  imul %ecx, %edx
  imul $5, %ecx, %edx
  imul $5, %edx, %edx
  imul %rcx, %rdx
  movzbl %al, %eax
  movzbl %ah, %ecx
  movzwl %ax, %edx
  movsbl %al, %eax
  movsbq %cl, %rdx
  movslq %ecx, %rcx
  movzbl 3(%rsi), %ebx
  cltq
  cwtl
  cltd
  cqto
  lea 4(%rax, %rcx, 8), %rdx
  lea 4(%rax, %rcx, 8), %edx
  lea (%rax), %eax
  bswap %eax
  bswap %r13
  bsf %ecx, %edx
  bsr %rcx, %rdx
  popcnt %ecx, %edx
  tzcnt %ecx, %edx
  lzcnt %ecx, %edx
  xchg %ecx, %edx
  xchg %rcx, %r8
  xchg %cl, %ch
  xchg %ecx, (%rsi)
  xadd %ecx, %edx
  xadd %ecx, (%rsi)
  cmpxchg %ecx, %edx
  cmpxchg %ecx, (%rsi)
  cmpxchg %rcx, %r8
  shld $5, %ecx, %edx
  shrd %cl, %r8d, %edx
  shrd %cl, %r8, (%rsi)
  push %rax
  push $7
  pushq 8(%rsi)
  pushq 16(%rsp)
  pop %rbx
  popq 8(%rsi)
  popq 16(%rsp)
  leave
  movabs $0x1122334455667788, %rax
  movl $0, (%rsi)
  movb $1, 2(%rsi, %rdi)
  movnti %ecx, (%rsi)
  movbe %ecx, (%rsi)
  movbe (%rsi), %ecx
  rep stosq
  rep stosb
  rep movsb
  rep movsq
  movsl
  stosl
  lodsb
  scasb
  cmpsb
  repe cmpsb
  repne scasb
  cpuid
  sahf
  lahf
  nop
  xchg %eax, %eax
  movaps %xmm0, %xmm1
  movss %xmm0, %xmm1
  movss (%rsi), %xmm1
  movss %xmm1, (%rsi)
  movsd %xmm0, %xmm1
  movsd 8(%rsi), %xmm1
  movsd %xmm1, 8(%rsi)
  movd %ecx, %xmm3
  movd %xmm3, %ecx
  movq %rcx, %xmm3
  movq %xmm3, %rcx
  movq %xmm3, %xmm4
  movq (%rsi), %xmm4
  movq %xmm4, (%rsi)
  movd %xmm4, (%rsi)
  movups (%rsi), %xmm5
  movups %xmm5, 1(%rsi)
  movhps (%rsi), %xmm5
  movhps %xmm5, (%rsi)
  movlpd (%rsi), %xmm5
  movlpd %xmm5, (%rsi)
  movhlps %xmm1, %xmm2
  movlhps %xmm1, %xmm2
  movmskpd %xmm1, %ecx
  pmovmskb %xmm1, %ecx
  movddup %xmm1, %xmm2
  addsd %xmm0, %xmm1
  addpd %xmm0, %xmm1
  mulss (%rsi), %xmm1
  divsd %xmm0, %xmm1
  sqrtsd %xmm0, %xmm1
  sqrtpd %xmm0, %xmm1
  cvtsi2sd %ecx, %xmm1
  cvtsi2sd %rcx, %xmm1
  cvttsd2si %xmm1, %ecx
  cvttsd2si %xmm1, %rcx
  cvtss2sd %xmm0, %xmm1
  cvtsd2ss %xmm0, %xmm1
  cvtps2pd %xmm0, %xmm1
  cvtpd2ps %xmm0, %xmm1
  cvtdq2pd %xmm0, %xmm1
  cvtdq2ps %xmm0, %xmm1
  cvttps2dq %xmm0, %xmm1
  cvttpd2dq %xmm0, %xmm1
  ucomisd %xmm0, %xmm1
  pxor %xmm0, %xmm1
  pxor %xmm1, %xmm1
  pand %xmm0, %xmm1
  paddb %xmm0, %xmm1
  paddq (%rsi), %xmm1
  psubd %xmm0, %xmm1
  pmuludq %xmm0, %xmm1
  pmaddwd %xmm0, %xmm1
  psrldq $4, %xmm1
  pslld $4, %xmm1
  psrlq %xmm0, %xmm1
  pshufd $0x1b, %xmm0, %xmm1
  pshuflw $0x1b, %xmm0, %xmm1
  shufps $0x1b, %xmm0, %xmm1
  unpcklpd %xmm0, %xmm1
  punpckldq %xmm0, %xmm1
  packssdw %xmm0, %xmm1
  pcmpeqd %xmm0, %xmm1
  pcmpeqd %xmm1, %xmm1
  pinsrw $2, %ecx, %xmm1
  pextrw $2, %xmm1, %ecx
  andnps %xmm0, %xmm1
  movntps %xmm1, (%rsi)
  movdqa %xmm1, (%rsi)
  movdqu (%rsi), %xmm1
  cmpltsd %xmm0, %xmm1
  maxsd %xmm0, %xmm1
"""


@dataclass(frozen=True)
class Touched:
    """Bytes as the processor shows them: `matters` for anything else; `gone`: their change was lost
    at least once; `stays`: it was there afterwards at least once. Registers as hil counts them,
    memory by address."""

    matters: frozenset[tuple[str, int]]
    gone: frozenset[tuple[str, int]]
    stays: frozenset[tuple[str, int]]


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("probe") / "probe"
    command = ["cc", "-O2", "-w", str(HERE / "instruction_probe.c"), "-o", str(made)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return made


def assembled(folder: Path) -> bytes:
    """Return the machine code of SOURCE."""
    (folder / "s.s").write_text(SOURCE)
    for command in (
        ["cc", "-c", "s.s", "-o", "s.o"],
        ["objcopy", "-Obinary", "-j.text", "s.o", "s"],
    ):
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=60)
    return (folder / "s").read_bytes()


def of_workloads() -> Iterator[bytes]:
    """Yield the machine code of each workload of the agent."""
    elf = pytest.importorskip("elftools.elf.elffile")
    with find_agent().open("rb") as file:
        for section in elf.ELFFile(file).iter_sections():
            if section.name.startswith("wl_"):
                yield section.data()


def instructions(code: bytes) -> dict[bytes, Instruction]:
    """Return the instructions that can be executed alone, and that hil knows."""
    decoder, found = X86Decoder(), {}
    for insn in disassembler("x86_64").disasm(code, 0):
        if insn.mnemonic.startswith(JUMPS) or "rip" in insn.op_str or "s:" in insn.op_str:
            continue
        found[bytes(insn.bytes)] = decoder.decode(bytes(insn.bytes), 0)
    return found


def parts(first: str, flags: str) -> Iterator[tuple[str, int]]:
    for i, flag in enumerate(flags):
        if flag == "1":
            if i < GENERAL:
                yield "general", 8 * NATIVE.index(i // 8) + i % 8
            elif i < GENERAL + VECTOR:
                yield "vector", i - GENERAL
            else:
                yield "memory", int(first, 16) - NEAR + i - GENERAL - VECTOR


def asked(probe: Path, wanted: dict[bytes, Instruction]) -> dict[bytes, tuple[int, Touched]]:
    """Return, for each instruction, where its pointers point and what it touches."""
    lines = []
    for code, insn in wanted.items():
        pointers = {a.base for a in insn.memory if a.base is not None}
        ones = {r for a in insn.memory for r in (a.index, a.counter) if r is not None}
        masks = [
            sum(1 << NATIVE[r] for r in registers) for registers in (pointers, ones - pointers)
        ]
        lines.append(f"{code.hex()} {masks[0]:x} {masks[1]:x}\n")
    done = subprocess.run(
        [str(probe)], input="".join(lines), capture_output=True, text=True, check=True, timeout=200
    )
    answers = {}
    for code, line in zip(wanted, done.stdout.splitlines(), strict=True):
        middle, states, *flags = line.split()
        assert int(states), f"{wanted[code].text}: no state"
        touched = Touched(*(frozenset(parts(middle, f)) for f in flags))
        answers[code] = (int(middle, 16), touched)
    return answers


def bytes_of(space: str, registers: tuple[RegisterBytes, ...]) -> set[tuple[str, int]]:
    return {(space, b) for r in registers for b in range(r.first, r.first + r.length)}


def said(insn: Instruction, middle: int) -> tuple[set[tuple[str, int]], set[tuple[str, int]]]:
    """Return what the decoder says: the bytes that may be read, and those surely overwritten."""
    reads = bytes_of("general", insn.general_reads) | bytes_of("vector", insn.vector_reads)
    kills = bytes_of("general", insn.general_kills) | bytes_of("vector", insn.vector_kills)
    for a in insn.memory:
        first = a.offset + (middle if a.base is not None else 0)
        first += a.scale if a.index is not None else 0
        content = {("memory", first + i) for i in range(a.size)}
        if a.reads or not a.kills:
            reads |= content
        else:
            kills |= content
    return reads, kills - reads


def check(probe: Path, wanted: dict[bytes, Instruction]) -> None:
    """Check each instruction: what else depends on, and what keeps its place, is as the decoder
    says. What it calls read may be anything."""
    wrong = []
    for code, (middle, touched) in asked(probe, wanted).items():
        reads, kills = said(wanted[code], middle)
        unread = (touched.matters - reads, "matter")
        kept = (kills & touched.stays, "are not overwritten")
        lost = (touched.gone - reads - kills, "do not stay")
        for bytes_, what in (unread, kept, lost):
            if bytes_:
                wrong.append(f"{wanted[code].text} ({code.hex()}): {sorted(bytes_)[:9]} {what}")
    assert not wrong, "\n".join(wrong)


def test_the_decoder_says_what_the_processor_does(probe: Path, tmp_path: Path) -> None:
    wanted = instructions(assembled(tmp_path))
    assert len(wanted) > 300
    check(probe, wanted)


@pytest.mark.slow
def test_the_decoder_knows_the_machine_code_of_the_workloads(probe: Path) -> None:
    wanted: dict[bytes, Instruction] = {}
    for code in of_workloads():
        wanted.update(instructions(code))
    assert len(wanted) > 500
    check(probe, wanted)


@pytest.mark.parametrize("code", ["0fa30e", "0fab0e"])  # bt and bts [rsi], ecx
def test_a_bit_that_may_lie_anywhere_is_refused(code: str) -> None:
    with pytest.raises(UnsupportedInstruction):
        X86Decoder().decode(bytes.fromhex(code), 0)
