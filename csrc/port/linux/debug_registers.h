/* Debug registers of a worker that stands still. SPDX-License-Identifier: Apache-2.0 */
#ifndef HIL_DEBUG_REGISTERS_H
#define HIL_DEBUG_REGISTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { DEBUG_PLACES_MAX = 32 };

/* A place that is watched: some bytes of memory, or the instruction at an address. */
typedef struct {
  uint64_t address;
  uint8_t len;  /* [byte] 1, 2, 4 or 8, naturally aligned; of an instruction 0 */
  bool fired;   /* it was reached, as debug_fired has found it */
  bool written; /* data: by an instruction that wrote it (on x86-64 only) */
} hil_debug_place_t;

typedef struct {
  int data, code; /* places that can be watched at once; 0: none */
  bool is_shared; /* both use the same registers: |data| and |code| are what one kind alone may have */
} hil_debug_capacity_t;

/* What this worker's processor and system offer. */
hil_debug_capacity_t debug_capacity(pid_t pid);
/* Watch these places, and no others. HIL_OK; HIL_ERR_EXHAUSTED: more than there is room for; HIL_ERR_NOSYS;
 * HIL_ERR_IO: the system refuses. */
int debug_watch(pid_t pid, const hil_debug_place_t *places, size_t count);
/* After a SIGTRAP: set |fired| and |written| of the places that caused it. |out_executed|: whether an instruction was
 * executed. Returns whether any has. */
bool debug_fired(pid_t pid, hil_debug_place_t *places, size_t count, bool *out_executed);

#endif
