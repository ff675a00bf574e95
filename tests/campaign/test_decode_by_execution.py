"""What the decoder says that instructions touch, against the processor itself: each is executed
with one byte of a register or of memory different (instruction_probe.c)."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from hil.board_types.agent_build import build_agent
from hil.board_types.compilers import target_named
from hil.campaign.decode_a64 import A64Decoder
from hil.campaign.decode_x86 import X86Decoder
from hil.campaign.disassembler import disassembler
from hil.campaign.instruction import Instruction, RegisterBytes, UnsupportedInstruction
from hil.rig.backends.process import find_agent

HERE = Path(__file__).parent
NEAR = 128
REACH = 1900
"""So far from a pointer the probe has memory."""


X86_SOURCE = """
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


A64_SOURCE = """
.arch armv8-a
.irp name, add, sub, and, orr, eor, bic, adds, subs, ands, orn, eon
  \\name x1, x2, x3
  \\name w1, w2, w3
  \\name w1, w1, w3
  \\name x1, x2, x3, lsl #3
  \\name w1, w2, w3, lsr #5
.endr
.irp name, lsl, lsr, asr, ror, udiv, sdiv, mul, adc, sbc, mneg
  \\name x1, x2, x3
  \\name w1, w2, w1
.endr
.irp name, rev, clz, rbit, cls, rev16, mvn, neg, sxtb, sxth, mov
  \\name w1, w2
.endr
.irp name, rev, rev32, clz, rbit, mvn, neg, mov
  \\name x1, x2
.endr
  sxtw x1, w2
  uxtb w1, w2
  sxtb x1, w2
  ubfx x1, x2, #3, #7
  sbfx w1, w2, #3, #7
  ubfiz w1, w2, #3, #7
  bfi x1, x2, #3, #7
  bfi w1, w2, #3, #7
  bfxil x1, x2, #3, #7
  bfxil w1, w2, #8, #8
  extr x1, x2, x3, #9
  extr w1, w2, w3, #9
  movz x1, #7
  movz w1, #7, lsl #16
  movk x1, #7, lsl #16
  movk w1, #7
  movn w1, #7
  madd x1, x2, x3, x4
  msub w1, w2, w3, w1
  smull x1, w2, w3
  umull x1, w2, w3
  umulh x1, x2, x3
  smaddl x1, w2, w3, x4
  add x1, x2, w3, sxtw #2
  add x1, sp, #16
  add sp, sp, #16
  sub sp, sp, x1
  mov x1, sp
  csel x1, x2, x3, eq
  csel w1, w1, w3, lt
  csinc w1, w2, w3, ne
  cset w1, hi
  csetm x1, ge
  cinc w1, w2, eq
  cneg x1, x2, mi
  cmp w1, w2
  cmn x1, #3
  tst x1, x2
  tst w1, #1
  ccmp x1, x2, #0, eq
  ccmp w1, #3, #4, lt
  ccmn x1, x2, #2, ne
  ldr x1, [x2]
  ldr w1, [x2, #8]
  ldr x1, [x2, x3]
  ldr x1, [x2, x3, lsl #3]
  ldr w1, [x2, w3, uxtw #2]
  ldr w1, [x2, w3, sxtw]
  ldrb w1, [x2, #3]
  ldrh w1, [x2], #2
  ldrsb w1, [x2, #3]
  ldrsb x1, [x2, #3]
  ldrsh w1, [x2]
  ldrsw x1, [x2, #4]!
  ldr x1, [x2], #16
  ldr x1, [x2, #-16]!
  ldur x1, [x2, #3]
  ldurb w1, [x2, #-3]
  ldp x1, x3, [x2]
  ldp w1, w3, [x2, #8]
  ldp x1, x3, [x2], #16
  ldp x1, x3, [sp, #-32]!
  ldpsw x1, x3, [x2]
  ldnp x1, x3, [x2]
  str x1, [x2]
  str w1, [x2, #8]
  str wzr, [x2, #8]
  str xzr, [x2, x3, lsl #3]
  str x1, [x2, x3]
  str w1, [x2, w3, uxtw #2]
  strb w1, [x2, #3]
  strh w1, [x2, #-2]!
  str x1, [x2], #16
  stur x1, [x2, #5]
  stp x1, x3, [x2]
  stp w1, wzr, [x2, #8]
  stp x1, x3, [sp, #-16]!
  stp x1, x3, [x2], #32
  stnp w1, w3, [x2]
  ldar w1, [x2]
  stlr x1, [x2]
  ldarb w1, [x2]
  ldxr x1, [x2]
  str q1, [x2]
  ldr q1, [x2, #16]
  ldr d1, [x2]
  ldr s1, [x2], #4
  ldr b1, [x2]
  ldr h1, [x2, x3, lsl #1]
  str d1, [x2, #-8]!
  str s1, [x2]
  ldp q1, q3, [x2]
  ldp d1, d3, [x2, #16]
  stp q1, q3, [x2, #-32]!
  stp d1, d3, [x2]
  ldur q1, [x2, #5]
  ld1 {v1.16b}, [x2]
  ld1 {v1.8b, v2.8b}, [x2]
  ld1r {v1.4s}, [x2]
  ld1r {v1.16b}, [x2], #1
  st1 {v1.16b}, [x2]
  st1 {v1.4s, v2.4s}, [x2], #32
.irp name, fadd, fsub, fmul, fdiv, fmax, fmin, fnmul, fmaxnm
  \\name d1, d2, d3
  \\name s1, s1, s3
.endr
.irp name, fneg, fabs, fsqrt, frintm, frintz, fmov
  \\name d1, d2
.endr
  fmadd d1, d2, d3, d4
  fmsub d1, d2, d3, d1
  fcmp d1, d2
  fcmpe d1, #0.0
  fccmp d1, d2, #0, eq
  fcsel d1, d2, d3, eq
  fmov d1, #1.0
  fmov x1, d2
  fmov d1, x2
  fmov w1, s2
  fmov x1, v2.d[1]
  fmov v1.d[1], x2
  scvtf d1, x2
  scvtf d1, w2
  ucvtf s1, w2
  fcvtzs x1, d2
  fcvtzu w1, d2
  fcvt s1, d2
  fcvt d1, s2
  fcvtn v1.2s, v2.2d
  fcvtn2 v1.4s, v2.2d
  fcvtl v1.2d, v2.2s
  fcvtl2 v1.2d, v2.4s
  fcvtxn2 v1.4s, v2.2d
.irp name, add, sub, mul, mla, mls, smax, umin, cmeq, cmgt, cmhi, sshl, ushl, addp, saba
  \\name v1.4s, v2.4s, v3.4s
  \\name v1.8b, v2.8b, v3.8b
.endr
.irp name, orr, eor, and, bic, orn
  \\name v1.16b, v2.16b, v3.16b
  \\name v1.8b, v2.8b, v3.8b
.endr
  bsl v1.16b, v2.16b, v3.16b
  bit v1.16b, v2.16b, v3.16b
  bif v1.16b, v2.16b, v3.16b
  orr v1.4s, #3
  bic v1.4s, #3
  movi v1.4s, #3
  movi v1.2d, #0
  mvni v1.4s, #3
  dup v1.4s, w2
  dup v1.4s, v2.s[1]
  mov v1.s[2], w2
  mov v1.s[2], v3.s[1]
  mov w1, v2.s[1]
  umov w1, v2.b[5]
  smov x1, v2.h[3]
  mov v1.16b, v2.16b
  ext v1.16b, v2.16b, v3.16b, #5
  zip1 v1.4s, v2.4s, v3.4s
  uzp2 v1.16b, v2.16b, v3.16b
  trn1 v1.2d, v2.2d, v3.2d
  rev64 v1.16b, v2.16b
  rev32 v1.8h, v2.8h
  tbl v1.16b, {v2.16b}, v3.16b
  tbx v1.16b, {v2.16b}, v3.16b
  xtn v1.8b, v2.8h
  xtn2 v1.16b, v2.8h
  sqxtn2 v1.8h, v2.4s
  sxtl v1.8h, v2.8b
  uxtl2 v1.8h, v2.16b
  sshll v1.4s, v2.4h, #3
  ushll2 v1.4s, v2.8h, #3
  shl v1.4s, v2.4s, #3
  sshr v1.4s, v2.4s, #3
  usra v1.4s, v2.4s, #3
  sri v1.4s, v2.4s, #3
  sli v1.4s, v2.4s, #3
  shrn v1.4h, v2.4s, #3
  shrn2 v1.8h, v2.4s, #3
  smull v1.4s, v2.4h, v3.4h
  umull2 v1.4s, v2.8h, v3.8h
  smlal v1.4s, v2.4h, v3.4h
  saddw v1.4s, v2.4s, v3.4h
  uaddl v1.4s, v2.4h, v3.4h
  addhn2 v1.8h, v2.4s, v3.4s
  saddlp v1.4s, v2.8h
  uadalp v1.4s, v2.8h
  addv s1, v2.4s
  uaddlv d1, v2.4s
  umaxv b1, v2.16b
  cnt v1.16b, v2.16b
  abs v1.4s, v2.4s
  neg v1.2d, v2.2d
  not v1.16b, v2.16b
  cmeq v1.4s, v2.4s, #0
  fadd v1.2d, v2.2d, v3.2d
  fmla v1.2d, v2.2d, v3.2d
  fmul v1.4s, v2.4s, v3.s[1]
  fmla v1.4s, v2.4s, v3.s[1]
  mul v1.4s, v2.4s, v3.s[1]
  faddp d1, v2.2d
  add d1, d2, d3
  shl d1, d2, #3
  ushr d1, d2, #3
  scvtf v1.4s, v2.4s
  fcmeq v1.2d, v2.2d, v3.2d
  ins v1.b[3], w2
  nop
"""


@dataclass(frozen=True)
class Touched:
    """Bytes as the processor shows them: `matters` for anything else; `gone`: their change was lost
    at least once; `stays`: it was there afterwards at least once. Registers as hil counts them,
    memory by address."""

    matters: frozenset[tuple[str, int]]
    gone: frozenset[tuple[str, int]]
    stays: frozenset[tuple[str, int]]


@dataclass(frozen=True)
class Processor:
    """A processor and the tools for it. `native`: its number of each register, as hil counts;
    `jumps`: mnemonics that cannot be executed alone."""

    arch: str
    source: str
    tools: str
    runner: tuple[str, ...]
    native: tuple[int, ...]
    vectors: int
    jumps: str

    @property
    def decoder(self) -> X86Decoder | A64Decoder:
        return X86Decoder() if self.arch == "x86_64" else A64Decoder()


X86 = Processor(
    "x86_64", X86_SOURCE, "", (), (0, 3, 1, 2, 6, 7, 5, 4, *range(8, 16)), 16,
    r"j|call|ret|syscall|hlt|ud|int|loop|bnd|notrack|endbr|std",
)  # fmt: skip
A64 = Processor(
    "aarch64", A64_SOURCE, "aarch64-linux-gnu-", ("qemu-aarch64",), tuple(range(32)), 32,
    r"(b|b\..*|bl|br|blr|ret|cbn?z|tbn?z|svc|adrp?|mrs|msr)$",
)  # fmt: skip


@dataclass(frozen=True)
class Probe:
    """A probe that runs, for its processor."""

    processor: Processor
    program: Path

    @property
    def command(self) -> list[str]:
        return [*self.processor.runner, str(self.program)]


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(X86, id="x86-64"),
        pytest.param(A64, id="aarch64", marks=pytest.mark.slow),
    ],
)
def probe(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Probe:
    processor: Processor = request.param
    cc = "cc" if not processor.tools else f"{processor.tools}gcc"
    if not processor.runner and platform.machine() != processor.arch:
        pytest.skip(f"this computer has no {processor.arch}")
    for tool in (cc, *processor.runner):
        if shutil.which(tool) is None:
            pytest.skip(f"there is no {tool}")
    made = tmp_path_factory.mktemp("probe") / "probe"
    static = ["-static"] if processor.runner else []
    command = [cc, "-O2", "-w", *static, str(HERE / "instruction_probe.c"), "-o", str(made)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return Probe(processor, made)


def assembled(processor: Processor, folder: Path) -> bytes:
    """Return the machine code of the source."""
    (folder / "s.s").write_text(processor.source)
    tools = (["as", "s.s", "-o", "s.o"], ["objcopy", "-Obinary", "-j.text", "s.o", "s"])
    for tool, *words in tools:
        command = [f"{processor.tools}{tool}", *words]
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=60)
    return (folder / "s").read_bytes()


def of_workloads(processor: Processor, folder: Path) -> Iterator[bytes]:
    """Yield the machine code of each workload of the agent."""
    elf = pytest.importorskip("elftools.elf.elffile")
    agent = find_agent()
    if processor is not X86:
        agent = build_agent(target_named("aarch64"), folder / "agent").path
    with agent.open("rb") as file:
        for section in elf.ELFFile(file).iter_sections():
            if section.name.startswith("wl_"):
                yield section.data()


def instructions(processor: Processor, code: bytes) -> dict[bytes, Instruction]:
    """Return the instructions that can be executed alone, and that hil knows."""
    decoder, found = processor.decoder, {}
    for insn in disassembler(processor.arch).disasm(code, 0):
        if re.match(processor.jumps, insn.mnemonic):
            continue
        if "rip" not in insn.op_str and "s:" not in insn.op_str:
            found[bytes(insn.bytes)] = decoder.decode(bytes(insn.bytes), 0)
    return found


def parts(processor: Processor, first: str, flags: str) -> Iterator[tuple[str, int]]:
    general, vector = 8 * len(processor.native), 16 * processor.vectors
    for i, flag in enumerate(flags):
        if flag == "1":
            if i < general:
                yield "general", 8 * processor.native.index(i // 8) + i % 8
            elif i < general + vector:
                yield "vector", i - general
            else:
                yield "memory", int(first, 16) - NEAR + i - general - vector


def asked(probe: Probe, wanted: dict[bytes, Instruction]) -> dict[bytes, tuple[int, Touched]]:
    """Return, for each instruction, where its pointers point and what it touches."""
    lines, native = [], probe.processor.native
    for code, insn in wanted.items():
        pointers = {a.base for a in insn.memory if a.base is not None}
        ones = {r for a in insn.memory for r in (a.index, a.counter) if r is not None}
        masks = [sum(1 << native[r] for r in rs) for rs in (pointers, ones - pointers)]
        lines.append(f"{code.hex()} {masks[0]:x} {masks[1]:x}\n")
    done = subprocess.run(
        probe.command, input="".join(lines), capture_output=True, text=True, check=True, timeout=300
    )
    answers = {}
    for code, line in zip(wanted, done.stdout.splitlines(), strict=True):
        middle, states, *flags = line.split()
        assert int(states), f"{wanted[code].text}: no state"
        touched = Touched(*(frozenset(parts(probe.processor, middle, f)) for f in flags))
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


def check(probe: Probe, wanted: dict[bytes, Instruction]) -> None:
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


def test_the_decoder_says_what_the_processor_does(probe: Probe, tmp_path: Path) -> None:
    wanted = instructions(probe.processor, assembled(probe.processor, tmp_path))
    assert len(wanted) > 250
    check(probe, wanted)


def distance(insn: Instruction) -> int:
    """How far from a pointer it accesses memory, at most."""
    return max((abs(access.offset) for access in insn.memory), default=0)


@pytest.mark.slow
def test_the_decoder_knows_the_machine_code_of_the_workloads(probe: Probe, tmp_path: Path) -> None:
    kinds: dict[str, tuple[bytes, Instruction]] = {}
    for code in of_workloads(probe.processor, tmp_path):
        for content, insn in instructions(probe.processor, code).items():
            kind = re.sub(r"(0x)?[0-9a-f]*\d[0-9a-f]*", "N", insn.text)
            if kind not in kinds or distance(insn) < distance(kinds[kind][1]):
                kinds[kind] = (content, insn)
    wanted = dict(known for known in kinds.values() if distance(known[1]) < REACH)
    assert len(wanted) > 100
    check(probe, wanted)


@pytest.mark.parametrize("code", ["0fa30e", "0fab0e"])  # bt and bts [rsi], ecx
def test_a_bit_that_may_lie_anywhere_is_refused(code: str) -> None:
    with pytest.raises(UnsupportedInstruction):
        X86Decoder().decode(bytes.fromhex(code), 0)
