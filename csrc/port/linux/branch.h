/* Where a machine instruction may lead. SPDX-License-Identifier: Apache-2.0 */
#ifndef HIL_LINUX_BRANCH_H
#define HIL_LINUX_BRANCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BRANCH_CODE_MAX = 15 /* [byte] of an instruction */ };

typedef enum {
  BRANCH_NONE,     /* always to the same place */
  BRANCH_TWO_WAYS, /* to one of two, as the flags, a register or a counter has it */
  BRANCH_ANYWHERE  /* not known here, or it also counts */
} hil_branch_t;

/* Of the instruction at |pc|, which |code| begins with: what it may lead to. |out|: the two places. */
hil_branch_t branch_of(uint64_t pc, const uint8_t *code, size_t len, uint64_t out[2]);

/* Whether the instruction that |code| begins with can be what Linux reports as TRAP_BRKPT. On x86 that is ICEBP
 * alone, for INT3 is reported as SI_KERNEL; elsewhere it may be any. */
bool branch_reports_breakpoint(const uint8_t *code, size_t len);

#endif
