/* A step on a small stack: what fits runs, what does not is abandoned. SPDX-License-Identifier: Apache-2.0 */
#include "small_stack.h"

#include <string.h>

#include "unit.h"

enum { STACK_LEN = 256 * 1024, FRAME_LEN = 1024 };

/* The input's first bytes: how many frames deep to go, and whether without an end. */
static int depth_of(const hil_workload_io_t *io) { return io->input[0] | io->input[1] << 8; }

static void fill(uint8_t *frame, size_t len, int value) { memset(frame, value, len); }

/* No compiler knows what it does, so that each frame is all there. */
static void (*volatile use)(uint8_t *, size_t, int) = fill;

static int deeper(int frames) {  // NOLINT(misc-no-recursion)
  uint8_t frame[FRAME_LEN];
  use(frame, sizeof frame, frames);
  const int below = frames > 0 ? deeper(frames - 1) : 0;
  use(frame, sizeof frame, below);
  return frame[0];
}

static int recursive(const hil_workload_io_t *io, hil_progress_t *progress) {
  progress->tick++;
  io->output[0] = (uint8_t)deeper(depth_of(io));
  return 7;
}

static int large_frame(const hil_workload_io_t *io, hil_progress_t *progress) {
  uint8_t large[3 << 20];
  progress->tick++;
  use(large, sizeof large, io->input[0]);
  io->output[0] = large[0];
  return 7;
}

static int run(int (*step)(const hil_workload_io_t *, hil_progress_t *), int depth, int *out_status) {
  uint8_t state[1] = {0}, output[1] = {0}, scratch[1] = {0};
  const uint8_t input[2] = {(uint8_t)depth, (uint8_t)(depth >> 8)};
  const hil_workload_io_t io = {state, input, output, scratch};
  hil_progress_t progress;
  hil_workload_t workload;
  memset(&progress, 0, sizeof progress);
  memset(&workload, 0, sizeof workload);
  workload.step = step;
  return small_stack_step(&workload, &io, &progress, STACK_LEN, out_status);
}

static void what_fits_runs(void) {
  int status = 0;
  CHECK_EQ(run(recursive, 100, &status), HIL_OK);
  CHECK_EQ(status, 7);
}

static void what_does_not_fit_is_abandoned(void) {
  int status = 0;
  CHECK_EQ(run(recursive, 400, &status), HIL_ERR_EXHAUSTED);
  CHECK_EQ(run(recursive, 65535, &status), HIL_ERR_EXHAUSTED);
  CHECK_EQ(run(large_frame, 0, &status), HIL_ERR_EXHAUSTED);
}

static void after_that_all_is_as_before(void) {
  int status = 0;
  CHECK_EQ(run(recursive, 100, &status), HIL_OK);
  CHECK_EQ(status, 7);
}

static void null_pointers_are_refused(void) {
  int status = 0;
  CHECK_EQ(small_stack_step(NULL, NULL, NULL, STACK_LEN, &status), HIL_ERR_ARG);
}

int main(void) {
  RUN(what_fits_runs);
  RUN(what_does_not_fit_is_abandoned);
  RUN(after_that_all_is_as_before);
  RUN(null_pointers_are_refused);
  return UNIT_RESULT();
}
