/* A made-up air data unit: it sends quantities by their labels. SPDX-License-Identifier: Apache-2.0
 *
 * A step converts what the sensors deliver into words of 10 bits, picks the word that belongs to a label, and sends
 * it as an angle of attack, 180 / 512 degrees a bit. The label is written in each step, and read after the conversion:
 * an upset between the two sends another quantity as angle of attack. An altitude of 37 000 ft, of which a bit is
 * 256 ft, becomes 50.625 degrees.
 *
 * State: the label, the words of the quantities, the error of the sensor [bits], steps done; u32 each. Input: angle of attack [bits], altitude [ft],
 * u32 each. Output: angle of attack in degrees, a double. */
#include <string.h>

#include "bytes.h"
#include "philox.h"
#include "workload.h"

enum {
  ANGLE_OF_ATTACK, /* labels */
  ALTITUDE,
  LABELS,

  LABEL_AT = 0,
  QUANTITY_AT = 4,
  ERROR_AT = QUANTITY_AT + 4 * LABELS,
  STEPS_AT = ERROR_AT + 4,
  STATE_LEN = STEPS_AT + 4,
  INPUT_LEN = 4 * LABELS,
  OUTPUT_LEN = 8,
  WORD_MAX = 511,
  FEET_PER_BIT = 256,
  TICKS = 2 /* converted, the result */
};
#define STREAM UINT64_C(0x6169722064617461) /* "air data" */
#define DEGREES_PER_BIT (180.0 / 512.0)

WORKLOAD_TEXT_BOUNDS(air_data);

WORKLOAD_TEXT(air_data) static uint32_t limited(uint32_t bits) { return bits > WORD_MAX ? WORD_MAX : bits; }

WORKLOAD_TEXT(air_data) static int step(const hil_workload_io_t *io, hil_progress_t *progress) {
  uint8_t *const state = io->state;
  store_u32le(state + LABEL_AT, ANGLE_OF_ATTACK);
  const uint32_t angle = load_u32le(io->input) + load_u32le(state + ERROR_AT);
  store_u32le(state + QUANTITY_AT + 4 * ANGLE_OF_ATTACK, limited(angle));
  store_u32le(state + QUANTITY_AT + 4 * ALTITUDE, limited(load_u32le(io->input + 4) / FEET_PER_BIT));
  if (progress_tick(progress)) {
    return HIL_ERR_STATE;
  }
  const uint32_t label = load_u32le(state + LABEL_AT) % LABELS;
  const uint32_t bits = limited(load_u32le(state + QUANTITY_AT + 4 * label));
  const double degrees = (double)bits * DEGREES_PER_BIT;
  uint64_t sent;
  memcpy(&sent, &degrees, sizeof sent);
  store_u64le(io->output, sent);
  store_u32le(state + LABEL_AT, ANGLE_OF_ATTACK);
  store_u32le(state + STEPS_AT, load_u32le(state + STEPS_AT) + 1u);
  return progress_tick(progress) ? HIL_ERR_STATE : HIL_OK;
}

static void init(uint8_t *state, uint64_t seed) {
  (void)seed;
  memset(state, 0, STATE_LEN);
}

/* Cruise at 37 012 ft, with 2.1 degrees; turbulence is a bit up or down. */
static void input(uint8_t *in, uint64_t seed, uint64_t frame) {
  const uint64_t key[2] = {seed, STREAM}, now[4] = {frame / 10, 0, 0, 0};
  uint64_t noise[4];
  philox_block(now, key, noise);
  store_u32le(in, 5u + (uint32_t)(noise[0] % 3u));
  store_u32le(in + 4, 37012u);
}

extern const hil_workload_t workload_air_data;
const hil_workload_t workload_air_data = {
    .name = "air_data",
    .state_len = STATE_LEN,
    .input_len = INPUT_LEN,
    .output_len = OUTPUT_LEN,
    .scratch_len = 0,
    .ticks = TICKS,
    .init = init,
    .input = input,
    .step = step,
    .text_begin = WORKLOAD_TEXT_BEGIN(air_data),
    .text_end = WORKLOAD_TEXT_END(air_data),
};
