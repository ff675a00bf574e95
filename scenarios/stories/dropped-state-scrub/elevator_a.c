/* The elevator controller, build A: it scrubs its state in each step. SPDX-License-Identifier: Apache-2.0 */
#define BUILD elevator_a
#include "elevator.h"

/* Vote the three copies of the state, bit by bit, into the working block. What an upset has done to one
 * copy since the step before goes no further: commit() overwrites it. */
TEXT static __attribute__((noinline)) void scrub(const hil_workload_io_t *io) {
  for (uint32_t i = 0; i < BLOCK; i += 4) {
    const uint32_t a = load_u32le(io->state + i);
    const uint32_t b = load_u32le(io->state + BLOCK + i);
    const uint32_t c = load_u32le(io->state + 2 * BLOCK + i);
    store_u32le(io->scratch + i, (a & b) | (c & (a | b)));
  }
}

TEXT static int step(const hil_workload_io_t *io, hil_progress_t *progress) {
  sense(io);
  if (progress_tick(progress)) return HIL_ERR_STATE;
  restore(io);
  scrub(io);
  if (progress_tick(progress)) return HIL_ERR_STATE;
  control(io->scratch, io->scratch + SENSED_AT);
  if (progress_tick(progress)) return HIL_ERR_STATE;
  commit(io);
  return progress_tick(progress) ? HIL_ERR_STATE : HIL_OK;
}

extern const hil_workload_t workload_elevator_a;
const hil_workload_t workload_elevator_a = ELEVATOR(elevator_a);
