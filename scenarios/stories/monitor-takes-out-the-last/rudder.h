/* A made-up flight control computer with a command and a monitor lane, in two builds. SPDX-License-Identifier: Apache-2.0
 *
 * Both lanes compute the rudder order from the pedal, but not at the same moment: the monitor lane sees the pedal some
 * cycles later, by the skew of this computer. It compares its order with that of the command lane. If they differ by
 * more than a limit in CONFIRM consecutive cycles, the monitor trips: the computer gives no order any more, until it
 * is reset on ground. The limit is what the builds do differently.
 *
 * State (u32, little-endian): cycle, skew [cycles], cycles beyond the limit, tripped, last command order, the pedal in
 * the last cycles. Input: pedal [0.1 mm], offset by 32768. Output: order [0.01 deg], whether it is engaged; u32. */
#ifndef RUDDER_H
#define RUDDER_H

#include <string.h>

#include "bytes.h"
#include "philox.h"
#include "workload.h"

#define TEXT_OF(name) WORKLOAD_TEXT(name)
#define TEXT TEXT_OF(BUILD) /* each build defines BUILD */
#define BOUNDS_OF(name) WORKLOAD_TEXT_BOUNDS(name)
#define BEGIN_OF(name) WORKLOAD_TEXT_BEGIN(name)
#define END_OF(name) WORKLOAD_TEXT_END(name)

BOUNDS_OF(BUILD);

enum {
  SEEN = 16, /* cycles for which the pedal is kept */

  /* words of the state */
  CYCLE = 0,
  SKEW,
  BEYOND,
  TRIPPED,
  LAST_ORDER,
  PEDAL,
  WORDS = PEDAL + SEEN,

  NEUTRAL = 32768,
  GAIN = 4, /* order of a pedal of 1 */
  LIMIT = 250, /* of the difference of both orders [0.01 deg] */
  SKEW_ALLOWED = 8, /* [cycles], for the build that allows for it */
  CONFIRM = 3,
  TICKS = 2 /* both lanes, the result */
};
#define STREAM UINT64_C(0x7275646465720000) /* "rudder" */

TEXT static uint32_t word(const uint8_t *block, uint32_t at) { return load_u32le(block + 4u * at); }
TEXT static void set_word(uint8_t *block, uint32_t at, uint32_t value) {
  store_u32le(block + 4u * at, value);
}

TEXT static uint32_t apart(uint32_t a, uint32_t b) { return a > b ? a - b : b - a; }

/* The difference of both orders from which on the monitor counts, when the order changes by |rate| a cycle. */
TEXT static uint32_t limit(uint32_t rate);

TEXT static void monitor(uint8_t *state, uint32_t command, uint32_t monitored) {
  const uint32_t rate = apart(command, word(state, LAST_ORDER));
  const int is_beyond = apart(command, monitored) > limit(rate);
  const uint32_t beyond = is_beyond ? word(state, BEYOND) + 1u : 0u;
  set_word(state, BEYOND, beyond);
  set_word(state, LAST_ORDER, command);
  if (beyond >= CONFIRM) {
    set_word(state, TRIPPED, 1u);
  }
}

TEXT static int step(const hil_workload_io_t *io, hil_progress_t *progress) {
  uint8_t *const state = io->state;
  const uint32_t cycle = word(state, CYCLE), skew = word(state, SKEW) % SEEN;
  set_word(state, PEDAL + cycle % SEEN, load_u32le(io->input));
  const uint32_t command = GAIN * word(state, PEDAL + cycle % SEEN);
  const uint32_t monitored = GAIN * word(state, PEDAL + (cycle - skew) % SEEN);
  if (progress_tick(progress)) return HIL_ERR_STATE;
  monitor(state, command, monitored);
  set_word(state, CYCLE, cycle + 1u);
  const int engaged = word(state, TRIPPED) == 0u;
  store_u32le(io->output, engaged ? command - GAIN * NEUTRAL : 0u);
  store_u32le(io->output + 4, engaged ? 1u : 0u);
  return progress_tick(progress) ? HIL_ERR_STATE : HIL_OK;
}

static void init(uint8_t *state, uint64_t seed) {
  (void)seed;
  memset(state, 0, 4 * WORDS);
  for (uint32_t i = 0; i < SEEN; i++) {
    set_word(state, PEDAL + i, NEUTRAL);
  }
  set_word(state, LAST_ORDER, GAIN * NEUTRAL);
}

/* The pedal: gentle on approach; at touch-down, in cycle 200, fast and ever faster, and back. */
static void input(uint8_t *in, uint64_t seed, uint64_t frame) {
  const uint64_t key[2] = {seed, STREAM}, now[4] = {frame / 20, 0, 0, 0};
  uint64_t noise[4];
  philox_block(now, key, noise);
  const uint32_t gentle = (uint32_t)(noise[0] % 9u);
  const uint32_t since = frame < 200 || frame > 250 ? 0 : (uint32_t)(frame - 200);
  const uint32_t way = since < 25 ? since : 50u - since;
  store_u32le(in, NEUTRAL + (since ? way * way / 2u : gentle));
}

#define RUDDER(build)                \
  {                                  \
      .name = #build,                \
      .state_len = 4 * WORDS,        \
      .input_len = 4,                \
      .output_len = 8,               \
      .scratch_len = 0,              \
      .ticks = TICKS,                \
      .init = init,                  \
      .input = input,                \
      .step = step,                  \
      .text_begin = BEGIN_OF(build), \
      .text_end = END_OF(build),     \
  }

#endif
