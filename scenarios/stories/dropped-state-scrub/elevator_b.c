/* The elevator controller, build B: its state is no longer scrubbed. SPDX-License-Identifier: Apache-2.0
 *
 * Someone has removed scrub(): all tests pass without it, and the step is shorter. The two other copies of
 * the state are still written, and read by nobody. */
#define BUILD elevator_b
#include "elevator.h"

TEXT static int step(const hil_workload_io_t *io, hil_progress_t *progress) {
  sense(io);
  if (progress_tick(progress)) return HIL_ERR_STATE;
  restore(io);
  if (progress_tick(progress)) return HIL_ERR_STATE;
  control(io->scratch, io->scratch + SENSED_AT);
  if (progress_tick(progress)) return HIL_ERR_STATE;
  commit(io);
  return progress_tick(progress) ? HIL_ERR_STATE : HIL_OK;
}

extern const hil_workload_t workload_elevator_b;
const hil_workload_t workload_elevator_b = ELEVATOR(elevator_b);
