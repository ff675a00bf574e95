/* A reaction wheel's speed controller, to show how a flight program is tested. SPDX-License-Identifier: Apache-2.0
 *
 * Proportional and integral control in whole numbers. The integral is limited, and so is the torque: an upset in the
 * state may ask for anything, a motor may not get it. Unsigned arithmetic wraps around, so that any bytes give a
 * defined result.
 *
 * State: integral of the error s64, steps done u64. Input: wanted and measured speed, s64 each.
 * Output: torque s64, |torque| <= TORQUE_MAX. */
#include <string.h>

#include "bytes.h"
#include "philox.h"
#include "workload.h"

enum {
  STEPS_AT = 8,
  STATE_LEN = 16, /* [byte] */
  INPUT_LEN = 16,
  OUTPUT_LEN = 8,
  INTEGRAL_MAX = 1 << 20,
  TORQUE_MAX = 30000,
  TICKS = 2 /* controlled, the result */
};
#define STREAM UINT64_C(0x6f776e2e7768656c) /* "own.whel" */

WORKLOAD_TEXT_BOUNDS(wheel);

static void init(uint8_t *state, uint64_t seed) {
  (void)seed;
  memset(state, 0, STATE_LEN);
}

/* A wanted speed that changes every 100 frames, and a measured one that is near it. */
static void input(uint8_t *in, uint64_t seed, uint64_t frame) {
  const uint64_t key[2] = {seed, STREAM}, counter[4] = {frame, 0, 0, 0};
  uint64_t random[4];
  philox_block(counter, key, random);
  const uint64_t wanted = frame / 100u % 2u * 4000u;
  store_u64le(in, wanted);
  store_u64le(in + 8, wanted + (random[0] & 255u) - 128u);
}

WORKLOAD_TEXT(wheel) static int64_t limited(int64_t value, int64_t most) {
  if (value > most) {
    return most;
  }
  return value < -most ? -most : value;
}

WORKLOAD_TEXT(wheel) static int step(const hil_workload_io_t *io, hil_progress_t *progress) {
  const uint64_t error = load_u64le(io->input) - load_u64le(io->input + 8);
  const int64_t integral = limited((int64_t)(load_u64le(io->state) + error), INTEGRAL_MAX);
  const int64_t torque = limited((int64_t)(error * 8u + (uint64_t)(integral / 16)), TORQUE_MAX);
  if (progress_tick(progress)) {
    return HIL_ERR_STATE;
  }
  store_u64le(io->state, (uint64_t)integral);
  store_u64le(io->state + STEPS_AT, load_u64le(io->state + STEPS_AT) + 1u);
  store_u64le(io->output, (uint64_t)torque);
  return progress_tick(progress) ? HIL_ERR_STATE : HIL_OK;
}

extern const hil_workload_t workload_wheel;
const hil_workload_t workload_wheel = {
    .name = "wheel",
    .state_len = STATE_LEN,
    .input_len = INPUT_LEN,
    .output_len = OUTPUT_LEN,
    .scratch_len = 0,
    .ticks = TICKS,
    .init = init,
    .input = input,
    .step = step,
    .text_begin = WORKLOAD_TEXT_BEGIN(wheel),
    .text_end = WORKLOAD_TEXT_END(wheel),
};
