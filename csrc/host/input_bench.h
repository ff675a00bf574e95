/* One state, many inputs: what a workload makes of each of them. SPDX-License-Identifier: Apache-2.0
 *
 * For a model whose parameters are in the state: its outputs on a data set, with whatever a fault has made of the
 * parameters. Each input meets the same state, as it is given here. */
#ifndef HIL_INPUT_BENCH_H
#define HIL_INPUT_BENCH_H

#include <stddef.h>
#include <stdint.h>

#include "workload.h"

/* cffi:begin */
/* Bytes of memory that input_bench_run needs for |workload|. */
size_t input_bench_memory(const hil_workload_t *workload);

/* Run one step for each of |count| inputs, which lie one after the other in |inputs|, each from a copy of |state|;
 * |outputs| takes their outputs in the same way. |state| has the length of the workload's. |memory| stays the
 * caller's, so that calls with memories of their own may run at the same time.
 * HIL_OK; HIL_ERR_ARG for null pointers, HIL_ERR_EXHAUSTED if |len| is too small; HIL_ERR_STATE if a step does not
 * end (no workload of the kernel). */
int input_bench_run(const hil_workload_t *workload, const uint8_t *state, const uint8_t *inputs, size_t count,
                    uint8_t *outputs, uint8_t *memory, size_t len);
/* cffi:end */

#endif
