/* What an instruction of aarch64 that accesses memory does there. SPDX-License-Identifier: Apache-2.0
 *
 * A debug register of this processor stops the worker before the access, so that the instruction is known; it does
 * not say whether that one reads or writes, nor which bytes. */
#ifndef HIL_A64_ACCESS_H
#define HIL_A64_ACCESS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
  uint64_t address;
  uint8_t size; /* [byte] */
  bool writes;  /* it overwrites them and does not read them; otherwise it may read them */
} hil_a64_access_t;

/* |x|: the registers x0 to x30 and the stack pointer, before |instruction|. False: it is none of those that are
 * known here. */
bool a64_access(uint32_t instruction, const uint64_t x[32], hil_a64_access_t *out);

#endif
