/* The golden run: the fault-free result, computed on the host by the same code. SPDX-License-Identifier: Apache-2.0 */
#ifndef HIL_GOLDEN_H
#define HIL_GOLDEN_H

#include <stddef.h>
#include <stdint.h>

#include "status.h"
#include "workload.h"

/* cffi:begin */
typedef struct {
  const hil_workload_t *workload;
  uint64_t seed;
  uint64_t next_frame;
  uint8_t *state, *input, *output, *scratch; /* caller's memory, see golden_memory */
  uint64_t output_digest; /* of the last step */
  uint64_t state_digest;
} hil_golden_t;

/* Bytes of memory that golden_init needs for |workload|. */
size_t golden_memory(const hil_workload_t *workload);

/* Bind to |memory| (golden_memory bytes, 64-byte alignment is made inside) and write the initial state.
 * HIL_OK; HIL_ERR_ARG for null pointers, HIL_ERR_EXHAUSTED if |len| is too small. */
int golden_init(hil_golden_t *g, const hil_workload_t *workload, uint64_t seed, uint8_t *memory, size_t len);

/* Make the input of the next frame, in g->input, and compute the frame. HIL_OK; HIL_ERR_STATE if the step
 * was abandoned (no digest is changed). */
int golden_step(hil_golden_t *g);
/* cffi:end */

#endif
