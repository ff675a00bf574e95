/* Whether a machine instruction always does the same. SPDX-License-Identifier: Apache-2.0 */
#ifndef HIL_LINUX_REPEATABLE_H
#define HIL_LINUX_REPEATABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether what the instruction that |code| begins with does is given by the registers and the memory of a worker
 * alone, also when it is stepped through: no clock, no random number, no number of the core, no reservation of memory,
 * nothing that hides the step after it. False where that is not known. */
bool insn_is_repeatable(const uint8_t *code, size_t len);

#endif
