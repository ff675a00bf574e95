/* What the worker port must know about the processor. SPDX-License-Identifier: Apache-2.0
 *
 * Traps are the worker's only way to talk to the agent: it makes no system call at all. There are two
 * trap sites, distinguished by the program counter. */
#ifndef HIL_WORKER_ARCH_H
#define HIL_WORKER_ARCH_H

#include <elf.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/user.h>

/* Trap "at rest": the worker waits there for its next step. */
void worker_trap_rest(void);
/* Trap "tick": the progress hook's stop(); returns 0. */
int worker_trap_tick(void *context, uint32_t tick);

#if defined(__x86_64__)

#define ARCH_NAME "x86_64"
#define ARCH_TRAPS                                                 \
  ".pushsection .text\n"                                           \
  ".globl worker_trap_rest\n.type worker_trap_rest,@function\n"    \
  "worker_trap_rest:\n  int3\n  ret\n"                             \
  ".globl worker_trap_tick\n.type worker_trap_tick,@function\n"    \
  "worker_trap_tick:\n  int3\n  xorl %eax,%eax\n  ret\n"           \
  ".popsection\n"

enum {
  ARCH_TRAP_REPORTED_AT = 1, /* [byte] program counter at the stop, relative to the trap */
  ARCH_TRAP_SKIP = 0,        /* [byte] to add before it continues */
  ARCH_GPR_COUNT = 17,
  ARCH_GPR_BYTES = 8,        /* [byte] of each */
  ARCH_VECTOR_BYTES = 256,
  ARCH_VECTOR_SET = NT_PRFPREG,
  ARCH_COUNTS_STEPS = 1,     /* Linux can stop after every instruction there */
  ARCH_PATCH_LEN = 2
};

typedef struct user_regs_struct hil_arch_regs_t;
typedef struct user_fpregs_struct hil_arch_fpregs_t;

#define ARCH_PC(regs) ((regs).rip)
#define ARCH_SP(regs) ((regs).rsp)
#define ARCH_IN_OWN_MODE(regs) ((regs).cs == 0x33u) /* not of 32 bits */
#define ARCH_VECTOR(fpregs) ((uint8_t *)(fpregs).xmm_space)

/* Offsets of the registers that TARGET_GPR spans, program counter last. */
#define ARCH_REG(field) offsetof(struct user_regs_struct, field)
#define ARCH_GPR_OFFSETS                                                                       \
  {                                                                                            \
    ARCH_REG(rax), ARCH_REG(rbx), ARCH_REG(rcx), ARCH_REG(rdx), ARCH_REG(rsi), ARCH_REG(rdi),  \
    ARCH_REG(rbp), ARCH_REG(rsp), ARCH_REG(r8), ARCH_REG(r9), ARCH_REG(r10), ARCH_REG(r11),    \
    ARCH_REG(r12), ARCH_REG(r13), ARCH_REG(r14), ARCH_REG(r15), ARCH_REG(rip)                  \
  }

/* What the worker at rest goes on with: what a function leaves as it was (the processor's ABI), and the link
 * register where there is one. And all that a processor has beside TARGET_GPR. */
#define ARCH_PRESERVED_OFFSETS                                                                 \
  {                                                                                            \
    ARCH_REG(rbx), ARCH_REG(rbp), ARCH_REG(rsp), ARCH_REG(r12), ARCH_REG(r13), ARCH_REG(r14),  \
    ARCH_REG(r15)                                                                              \
  }
#define ARCH_FLAGS(regs) ((regs).eflags & 0x40400u) /* of those that a function leaves as they were: DF, AC */
#define ARCH_CLEAR_FLAGS(regs) ((regs).eflags = 0x202u | ARCH_FLAGS(regs)) /* all others */
#define ARCH_EXTENDED_SETS {0x202 /* NT_X86_XSTATE */, NT_PRFPREG}

/* From a clean start: the function |at| with the stack that ends at |top|, as if called from nowhere;
 * flags as at the start of a process. */
#define ARCH_ENTER(regs, at, top)                                       \
  do {                                                                  \
    (regs).rip = (at);                                                  \
    (regs).rsp = (top)-8u; /* where the return address would be: 0 */   \
    (regs).eflags = 0x202;                                              \
  } while (0)
#define ARCH_KEEPS_GPR(offset) 0
/* The x87 control word and MXCSR as Linux gives them to a new process. */
#define ARCH_RESET_VECTOR_CONTROL(fpregs) ((fpregs).cwd = 0x37f, (fpregs).mxcsr = 0x1f80)
#define ARCH_XSTATE_HEADER 512 /* [byte] of the XSAVE area: zero here puts all components as at power-on */

/* A branch to itself, and an instruction that no processor executes, for the state it is in. */
#define ARCH_HANG_BYTES(regs) {0xeb, 0xfe}
#define ARCH_CRASH_BYTES(regs) {0x0f, 0x0b}

#elif defined(__aarch64__)

#define ARCH_NAME "aarch64"
#define ARCH_TRAPS                                                 \
  ".pushsection .text\n.balign 4\n"                                \
  ".globl worker_trap_rest\n.type worker_trap_rest,%function\n"    \
  "worker_trap_rest:\n  brk #0\n  ret\n"                           \
  ".globl worker_trap_tick\n.type worker_trap_tick,%function\n"    \
  "worker_trap_tick:\n  brk #1\n  mov w0, #0\n  ret\n"             \
  ".popsection\n"

enum {
  ARCH_TRAP_REPORTED_AT = 0,
  ARCH_TRAP_SKIP = 4,
  ARCH_GPR_COUNT = 33, /* x0..x30, sp, pc */
  ARCH_GPR_BYTES = 8,
  ARCH_VECTOR_BYTES = 512,
  ARCH_VECTOR_SET = NT_PRFPREG,
  ARCH_COUNTS_STEPS = 1,
  ARCH_PATCH_LEN = 4
};

typedef struct user_regs_struct hil_arch_regs_t;
typedef struct user_fpsimd_struct hil_arch_fpregs_t;

#define ARCH_PC(r) ((r).pc)
#define ARCH_SP(r) ((r).sp)
#define ARCH_VECTOR(fpregs) ((uint8_t *)(fpregs).vregs)

#define ARCH_X(n) (offsetof(struct user_regs_struct, regs) + 8u * (n))
#define ARCH_GPR_OFFSETS                                                                       \
  {                                                                                            \
    ARCH_X(0), ARCH_X(1), ARCH_X(2), ARCH_X(3), ARCH_X(4), ARCH_X(5), ARCH_X(6), ARCH_X(7),    \
    ARCH_X(8), ARCH_X(9), ARCH_X(10), ARCH_X(11), ARCH_X(12), ARCH_X(13), ARCH_X(14),          \
    ARCH_X(15), ARCH_X(16), ARCH_X(17), ARCH_X(18), ARCH_X(19), ARCH_X(20), ARCH_X(21),        \
    ARCH_X(22), ARCH_X(23), ARCH_X(24), ARCH_X(25), ARCH_X(26), ARCH_X(27), ARCH_X(28),        \
    ARCH_X(29), ARCH_X(30), offsetof(struct user_regs_struct, sp),                             \
    offsetof(struct user_regs_struct, pc)                                                      \
  }

#define ARCH_PRESERVED_OFFSETS                                                                 \
  {                                                                                            \
    ARCH_X(19), ARCH_X(20), ARCH_X(21), ARCH_X(22), ARCH_X(23), ARCH_X(24), ARCH_X(25),        \
    ARCH_X(26), ARCH_X(27), ARCH_X(28), ARCH_X(29), ARCH_X(30),                                \
    offsetof(struct user_regs_struct, sp)                                                      \
  }
#define ARCH_FLAGS(regs) ((void)(regs), 0u)
#define ARCH_CLEAR_FLAGS(regs) ((regs).pstate &= ~(uint64_t)0xf0000000u) /* N Z C V */
#define ARCH_EXTENDED_SETS {ARCH_SVE_SET, NT_PRFPREG}

/* The set of SVE: a header (vl: [byte] of a vector, at 8; flags, at 12), at 16 either as in NT_PRFPREG or, with
 * flag 0, vectors of that length, whose first 16 bytes are the registers of NT_PRFPREG. */
#define ARCH_SVE_SET 0x405 /* NT_ARM_SVE */
#define ARCH_EXTENDED_VECTOR_AT(set, extended, index)                                          \
  ((set) == ARCH_SVE_SET && ((extended)[12] & 1u)                                              \
       ? 16u + (index) / 16u * ((extended)[8] + 256u * (extended)[9]) + (index) % 16u          \
       : 0u)

#define ARCH_ENTER(regs, at, top)                        \
  do {                                                   \
    (regs).pc = (at);                                    \
    (regs).sp = (top);                                   \
    (regs).pstate &= ~(uint64_t)0xf0000000u; /* N Z C V */ \
  } while (0)
#define ARCH_KEEPS_GPR(offset) 0
#define ARCH_RESET_VECTOR_CONTROL(fpregs) ((void)(fpregs)) /* FPSR and FPCR are zero in a new process */

#define ARCH_HANG_BYTES(regs) {0x00, 0x00, 0x00, 0x14}
#define ARCH_CRASH_BYTES(regs) {0x00, 0x00, 0x00, 0x00}

#elif defined(__arm__)

/* Linux counts no single steps on 32-bit ARM. The traps are ARM code, whatever the rest is: the number
 * is Linux's own breakpoint. */
#define ARCH_NAME "armv7"
#define ARCH_TRAPS                                                 \
  ".pushsection .text\n.arm\n.balign 4\n"                         \
  ".globl worker_trap_rest\n.type worker_trap_rest,%function\n"    \
  "worker_trap_rest:\n  .inst 0xe7f001f0\n  bx lr\n"              \
  ".globl worker_trap_tick\n.type worker_trap_tick,%function\n"    \
  "worker_trap_tick:\n  .inst 0xe7f001f0\n  mov r0, #0\n  bx lr\n" \
  ARCH_TRAPS_END                                                   \
  ".popsection\n"
#if defined(__thumb__) /* what follows is of the kind that the compiler makes */
#define ARCH_TRAPS_END ".thumb\n"
#else
#define ARCH_TRAPS_END ""
#endif

enum {
  ARCH_TRAP_REPORTED_AT = 0,
  ARCH_TRAP_SKIP = 4,
  ARCH_GPR_COUNT = 16, /* r0..r12, sp, lr, pc */
  ARCH_GPR_BYTES = 4,
  ARCH_VECTOR_BYTES = 256, /* d0..d31 */
  ARCH_VECTOR_SET = NT_ARM_VFP,
  ARCH_COUNTS_STEPS = 0,
  ARCH_PATCH_LEN = 4
};

/* As ptrace has them: r0..r15, cpsr, the first r0; and d0..d31, fpscr. */
typedef struct {
  uint32_t r[18];
} hil_arch_regs_t;
typedef struct {
  uint64_t d[32];
  uint32_t fpscr;
} hil_arch_fpregs_t;

#define ARCH_PC(regs) ((regs).r[15])
#define ARCH_SP(regs) ((regs).r[13])
#define ARCH_VECTOR(fpregs) ((uint8_t *)(fpregs).d)

#define ARCH_GPR_OFFSETS {0, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44, 48, 52, 56, 60}

#define ARCH_PRESERVED_OFFSETS {16, 20, 24, 28, 32, 36, 40, 44, 52, 56} /* r4..r11, sp, lr */
#define ARCH_FLAGS(regs) ((void)(regs), 0u)
#define ARCH_CLEAR_FLAGS(regs) ((regs).r[16] &= ~0xf80f0000u) /* N Z C V Q GE */
#define ARCH_EXTENDED_SETS {NT_ARM_VFP}

/* Bit 0 of a function's address is its kind. Condition flags, Q and GE cleared, no IT block. */
#define ARCH_ENTER(regs, at, top)                                                       \
  do {                                                                                  \
    (regs).r[15] = (uint32_t)(at) & ~1u;                                                \
    (regs).r[13] = (uint32_t)(top);                                                     \
    (regs).r[16] = ((regs).r[16] & ~0xfe0ffc20u) | (((uint32_t)(at)&1u) ? 0x20u : 0u);  \
  } while (0)
#define ARCH_KEEPS_GPR(offset) 0
#define ARCH_RESET_VECTOR_CONTROL(fpregs) ((void)(fpregs))

#define ARCH_IS_THUMB(regs) (((regs).r[16] >> 5 & 1u) != 0)
/* In Thumb state the first two bytes are an instruction of their own. */
#define ARCH_HANG_BYTES(regs) \
  {0xfe, ARCH_IS_THUMB(regs) ? 0xe7 : 0xff, ARCH_IS_THUMB(regs) ? 0xfe : 0xff, \
   ARCH_IS_THUMB(regs) ? 0xe7 : 0xea}
#define ARCH_CRASH_BYTES(regs) \
  {ARCH_IS_THUMB(regs) ? 0x00 : 0xf0, ARCH_IS_THUMB(regs) ? 0xde : 0x00, \
   ARCH_IS_THUMB(regs) ? 0x00 : 0xf0, ARCH_IS_THUMB(regs) ? 0xde : 0xe7}

#elif defined(__riscv) && __riscv_xlen == 64 && defined(__riscv_flen) && __riscv_flen == 64

/* Nor does Linux on RISC-V. */
#define ARCH_NAME "riscv64"
#define ARCH_TRAPS                                                 \
  ".pushsection .text\n.option push\n.option norvc\n.balign 4\n" \
  ".globl worker_trap_rest\n.type worker_trap_rest,%function\n"    \
  "worker_trap_rest:\n  ebreak\n  ret\n"                          \
  ".globl worker_trap_tick\n.type worker_trap_tick,%function\n"    \
  "worker_trap_tick:\n  ebreak\n  li a0, 0\n  ret\n"             \
  ".option pop\n.popsection\n"

enum {
  ARCH_TRAP_REPORTED_AT = 0,
  ARCH_TRAP_SKIP = 4,
  ARCH_GPR_COUNT = 32, /* x1..x31, pc */
  ARCH_GPR_BYTES = 8,
  ARCH_VECTOR_BYTES = 256, /* f0..f31 */
  ARCH_VECTOR_SET = NT_PRFPREG,
  ARCH_COUNTS_STEPS = 0,
  ARCH_PATCH_LEN = 4
};

/* As ptrace has them: pc, x1..x31; and f0..f31, fcsr. */
typedef struct {
  uint64_t r[32];
} hil_arch_regs_t;
typedef struct {
  uint64_t f[32];
  uint32_t fcsr;
} hil_arch_fpregs_t;

#define ARCH_PC(regs) ((regs).r[0])
#define ARCH_SP(regs) ((regs).r[2])
#define ARCH_VECTOR(fpregs) ((uint8_t *)(fpregs).f)

#define ARCH_GPR_OFFSETS                                                                       \
  {                                                                                            \
    8, 16, 24, 32, 40, 48, 56, 64, 72, 80, 88, 96, 104, 112, 120, 128, 136, 144, 152, 160,     \
    168, 176, 184, 192, 200, 208, 216, 224, 232, 240, 248, 0                                   \
  }

/* ra, sp, s0..s11 */
#define ARCH_PRESERVED_OFFSETS {8, 16, 64, 72, 144, 152, 160, 168, 176, 184, 192, 200, 208, 216}
#define ARCH_FLAGS(regs) ((void)(regs), 0u)
#define ARCH_CLEAR_FLAGS(regs) ((void)(regs))
#define ARCH_EXTENDED_SETS {NT_PRFPREG}

#define ARCH_ENTER(regs, at, top) ((regs).r[0] = (at), (regs).r[2] = (top))
#define ARCH_KEEPS_GPR(offset) ((offset) == 24 || (offset) == 32) /* gp and tp: the program's own */
#define ARCH_RESET_VECTOR_CONTROL(fpregs) ((void)(fpregs))

#define ARCH_HANG_BYTES(regs) {0x6f, 0x00, 0x00, 0x00}
#define ARCH_CRASH_BYTES(regs) {0x00, 0x00, 0x00, 0x00}

#else
#error "port/linux/worker_arch.h has no entry for this processor yet"
#endif

#ifndef ARCH_IN_OWN_MODE
#define ARCH_IN_OWN_MODE(regs) ((void)(regs), 1)
#endif

#endif
