/* A step on a stack as small as a worker's. SPDX-License-Identifier: Apache-2.0
 *
 * What a step needs more than that would be a crash on every board, of which nobody could say why. */
#ifndef HIL_SMALL_STACK_H
#define HIL_SMALL_STACK_H

#include <stddef.h>

#include "workload.h"

/* cffi:begin */
/* Run one step on a stack of |stack_len| bytes (to the next page). |*out_status|: what it returns.
 * HIL_OK; HIL_ERR_ARG for null pointers, or no length; HIL_ERR_EXHAUSTED if it needs more: it was abandoned there;
 * HIL_ERR_IO if the system gives no such stack. One call at a time; while it runs, a crash at another address is
 * what it always is. */
int small_stack_step(const hil_workload_t *workload, const hil_workload_io_t *io, hil_progress_t *progress,
                     size_t stack_len, int *out_status);
/* cffi:end */

#endif
