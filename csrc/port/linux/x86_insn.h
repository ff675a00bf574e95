/* One machine instruction of x86-64: how long it is, and what it does to memory. SPDX-License-Identifier: Apache-2.0
 *
 * A debug register of this processor reports a write after it was done, and not which instruction did it, nor whether
 * that one has read the place before. So the instruction must be found, backwards from the program counter, and
 * taken apart. All of it is plain computation, for any machine to test. */
#ifndef HIL_X86_INSN_H
#define HIL_X86_INSN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
  X86_INSN_MAX = 15, /* [byte] */
  X86_NO_REGISTER = 0xff,
  X86_RIP = 0xfe
};

typedef enum { X86_LEGACY, X86_VEX, X86_EVEX, X86_OTHER } hil_x86_encoding_t;

typedef struct {
  uint8_t len; /* [byte] */
  uint8_t encoding; /* hil_x86_encoding_t */
  uint8_t map; /* of opcodes: 0 those of one byte, 1 0F, 2 0F 38, 3 0F 3A, others as EVEX counts them */
  uint8_t opcode;
  uint8_t prefix; /* the last of F2 and F3; else 66; else 0 */
  bool op16; /* there is a 66 */
  bool wide; /* REX.W, or W */
  uint8_t vector; /* 0, 1, 2: of 16, 32 or 64 byte */
  uint8_t mask; /* the mask register of EVEX; 0: none */
  bool addr32, thread_local; /* how an address is computed: prefixes 67, and 64 or 65 */
  bool has_modrm, has_memory;
  uint8_t reg; /* of ModRM, without its extension */
  uint8_t base, index; /* 0..15, X86_RIP, X86_NO_REGISTER */
  uint8_t scale;
  bool is_disp8; /* EVEX counts it in units of the operand */
  int32_t disp;
} hil_x86_insn_t;

/* Take apart the instruction that |code| begins with. Where an opcode that is not in use stands, a length is given
 * as if it were. HIL_OK; HIL_ERR_PAYLOAD: it is none, or longer than |len|. */
int x86_decode(const uint8_t *code, size_t len, hil_x86_insn_t *out);

/* Find the instruction that ends where |code| does. |len| bytes before that place are given; |begins|: one begins
 * with the first of them, otherwise one begins somewhere in the first X86_INSN_MAX. All that lies between must be
 * instructions. HIL_OK; HIL_ERR_PAYLOAD: it cannot be known, since ways to read these bytes end differently. */
int x86_decode_before(const uint8_t *code, size_t len, bool begins, hil_x86_insn_t *out);

/* What an instruction does to the memory that it writes. */
typedef enum {
  X86_WRITES_NOTHING,
  X86_OVERWRITES, /* |size| bytes at the operand, none of them read before */
  X86_PUSHES, /* the same, at the stack pointer that it leaves */
  X86_STORES_STRING, /* stos and movs: the same, behind what rdi is after it */
  X86_MODIFIES, /* it reads the operand first */
  X86_UNSURE /* a part of it, or under a condition, or it is not known here */
} hil_x86_write_t;

hil_x86_write_t x86_write(const hil_x86_insn_t *i, uint8_t *out_size);

/* The registers of a worker that stands still, by their numbers in instructions. */
typedef struct {
  uint64_t reg[16];
  uint64_t pc;
} hil_x86_regs_t;

/* Code of the worker around |pc|. */
typedef struct {
  const uint8_t *bytes; /* |before| of them before the program counter, |after| from it on */
  size_t before, after;
  bool begins; /* as in x86_decode_before */
} hil_x86_code_t;

/* Code that a call has returned to, or would, as a stack has it: the |len| bytes before that address. */
typedef struct {
  uint64_t return_address;
  const uint8_t *bytes;
  size_t len;
} hil_x86_return_t;

typedef enum { X86_READ_FIRST, X86_OVERWRITTEN, X86_NOT_KNOWN, X86_NOT_ACCESSED } hil_x86_verdict_t;

/* The |len| bytes at |address| have just been written: what is certain of it? |top|: what the stack's topmost
 * address says; its |len| is 0 if it points to no code. */
hil_x86_verdict_t x86_judge_write(const hil_x86_code_t *code, const hil_x86_regs_t *regs,
                                  const hil_x86_return_t *top, uint64_t address, size_t len);

/* The instruction at |regs->pc|, which |code| begins with, has failed: it may have read these bytes, as a return to
 * an address that is none does, and no debug register reports what is not completed. */
hil_x86_verdict_t x86_judge_fault(const uint8_t *code, size_t code_len, const hil_x86_regs_t *regs,
                                  uint64_t address, size_t len);

#endif
