/* What the worker port must know about the processor. SPDX-License-Identifier: Apache-2.0
 *
 * Traps are the worker's only way to talk to the agent: it makes no system call at all. There are two
 * trap sites, told apart by the program counter. */
#ifndef HIL_WORKER_ARCH_H
#define HIL_WORKER_ARCH_H

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
  ARCH_TRAP_SKIP = 0,        /* [byte] to add before going on */
  ARCH_GPR_COUNT = 17,
  ARCH_VECTOR_BYTES = 256,
  ARCH_PATCH_LEN = 2
};

typedef struct user_regs_struct arch_regs_t;
typedef struct user_fpregs_struct arch_fpregs_t;

#define ARCH_PC(regs) ((regs).rip)
#define ARCH_SP(regs) ((regs).rsp)
#define ARCH_VECTOR(fpregs) ((uint8_t *)(fpregs).xmm_space)

/* Offsets of the registers that TARGET_GPR spans, program counter last. */
#define ARCH_REG(field) offsetof(struct user_regs_struct, field)
#define ARCH_GPR_OFFSETS                                                                       \
  {                                                                                            \
    ARCH_REG(rax), ARCH_REG(rbx), ARCH_REG(rcx), ARCH_REG(rdx), ARCH_REG(rsi), ARCH_REG(rdi),  \
    ARCH_REG(rbp), ARCH_REG(rsp), ARCH_REG(r8), ARCH_REG(r9), ARCH_REG(r10), ARCH_REG(r11),    \
    ARCH_REG(r12), ARCH_REG(r13), ARCH_REG(r14), ARCH_REG(r15), ARCH_REG(rip)                  \
  }

/* A branch to itself, and an instruction that no processor executes. */
#define ARCH_HANG_BYTES {0xeb, 0xfe}
#define ARCH_CRASH_BYTES {0x0f, 0x0b}

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
  ARCH_VECTOR_BYTES = 512,
  ARCH_PATCH_LEN = 4
};

typedef struct user_regs_struct arch_regs_t;
typedef struct user_fpsimd_struct arch_fpregs_t;

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

#define ARCH_HANG_BYTES {0x00, 0x00, 0x00, 0x14}
#define ARCH_CRASH_BYTES {0x00, 0x00, 0x00, 0x00}

#else
#error "port/linux/worker_arch.h has no entry for this processor yet"
#endif

#endif
