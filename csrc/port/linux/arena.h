/* The memory of the one worker: slots at fixed addresses, all shared with the agent. SPDX-License-Identifier: Apache-2.0 */
#ifndef HIL_LINUX_ARENA_H
#define HIL_LINUX_ARENA_H

#include "port_linux.h"

/* What agent and worker share beside the regions: the first slot. */
typedef struct {
  hil_progress_t progress;
  hil_workload_io_t io;
  /* As hil_workload_t has it: HIL_OK, or HIL_ERR_STATE. */
  int (*step)(const hil_workload_io_t *io, hil_progress_t *progress);
} hil_control_t;

#if defined(HIL_SANITIZED) && UINTPTR_MAX > UINT32_MAX
#define ARENA_BASE ((uint8_t *)0x200000000000) /* the sanitizer's shadow memory is at the usual place */
#elif UINTPTR_MAX > UINT32_MAX
#define ARENA_BASE ((uint8_t *)0x1000000000) /* free on every 38-bit-or-wider address space */
#else
#define ARENA_BASE ((uint8_t *)0x30000000) /* between program and libraries, also of a 2 GiB one */
#endif
enum { ARENA_LEN = 64 << 20 };

/* Provide zeroed memory for |workload|. False, and errno, if the system refuses. */
bool arena_place(hil_worker_t *w, const hil_workload_t *workload);
/* The control block as a worker begins with it. */
hil_control_t arena_control(const hil_worker_t *w);

#endif
