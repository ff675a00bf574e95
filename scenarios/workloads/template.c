/* A workload of your own: copy this file, and change it. SPDX-License-Identifier: Apache-2.0
 *
 *   hil run own-workload                              the scenario that names it
 *   hil campaign own-workload --exact                 every single-bit fault of a step
 *   hil board build --workload workloads/template.c   an agent for a real board
 *
 * NAME.c defines workload_NAME. csrc/kernel/workload.h has the rules; `hil check` tries what can be tried of
 * them: no variables outside of the state, no C library but memcpy and its like, the same result whatever
 * scratch and output held before, and exactly |ticks| ticks. This one is an alpha-beta filter of a position, in
 * whole numbers. Unsigned ones wrap around, so that any bytes in the state give a defined result.
 *
 * State: position, rate, steps done, u64 each. Input: measured position u64. Output: position, rate. */
#include <string.h>

#include "bytes.h"
#include "philox.h"
#include "workload.h"

enum {
  RATE_AT = 8,
  STEPS_AT = 16,
  STATE_LEN = 24, /* [byte] */
  INPUT_LEN = 8,
  OUTPUT_LEN = 16,
  TICKS = 2 /* estimated, the result */
};
#define STREAM UINT64_C(0x6f776e2e74656d70) /* of random numbers: any constant of your own */

WORKLOAD_TEXT_BOUNDS(template);

/* The state before the first frame. */
static void init(uint8_t *state, uint64_t seed) {
  (void)seed;
  memset(state, 0, STATE_LEN);
}

/* What the sensors deliver for |frame|: a position that grows by 1000, and noise. Runs on the host only. */
static void input(uint8_t *in, uint64_t seed, uint64_t frame) {
  const uint64_t key[2] = {seed, STREAM}, counter[4] = {frame, 0, 0, 0};
  uint64_t random[4];
  philox_block(counter, key, random);
  store_u64le(in, frame * 1000u + (random[0] & 127u));
}

/* All that runs within a step is marked, so that upsets of machine code hit it. */
WORKLOAD_TEXT(template) static uint64_t part(uint64_t error, int64_t divisor) {
  return (uint64_t)((int64_t)error / divisor);
}

/* One step. Its last tick comes when state and output are complete. */
WORKLOAD_TEXT(template) static int step(const hil_workload_io_t *io, hil_progress_t *progress) {
  uint64_t position = load_u64le(io->state), rate = load_u64le(io->state + RATE_AT);
  position += rate;
  const uint64_t error = load_u64le(io->input) - position;
  position += part(error, 2);
  rate += part(error, 8);
  if (progress_tick(progress)) {
    return HIL_ERR_STATE;
  }
  store_u64le(io->state, position);
  store_u64le(io->state + RATE_AT, rate);
  store_u64le(io->state + STEPS_AT, load_u64le(io->state + STEPS_AT) + 1u);
  memcpy(io->output, io->state, OUTPUT_LEN);
  return progress_tick(progress) ? HIL_ERR_STATE : HIL_OK;
}

extern const hil_workload_t workload_template;
const hil_workload_t workload_template = {
    .name = "template",
    .state_len = STATE_LEN,
    .input_len = INPUT_LEN,
    .output_len = OUTPUT_LEN,
    .scratch_len = 0,
    .ticks = TICKS,
    .init = init,
    .input = input,
    .step = step,
    .text_begin = WORKLOAD_TEXT_BEGIN(template),
    .text_end = WORKLOAD_TEXT_END(template),
};
