/* A made-up elevator controller, in two builds: the part that both share. SPDX-License-Identifier: Apache-2.0
 *
 * A step commands the elevator of an aircraft, in four phases:
 *   sense     check the messages of three sensor sets, take the middle value of each quantity
 *   restore   copy the state into the working block
 *   control   rate command with scheduled gains, slew and deflection limits, load protection
 *   commit    write the working block into all three copies of the state, and the output
 * Integers only; every quantity is limited before it is used, so that any bytes give a result.
 *
 * State: three copies of a block of 25 words (u32, little-endian): frames, integral, filtered rate,
 *   last command, limits, and the gain schedule, which is written once, at power-up, and then kept.
 * Input: three sets of pitch rate [mdeg/s], load [mg], stick [-1000, 1000], speed [0.1 kt], CRC-32.
 * Output: command [mdeg], filtered rate, frames. */
#ifndef ELEVATOR_H
#define ELEVATOR_H

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
  /* words of a block */
  FRAMES,
  INTEGRAL,
  RATE,
  COMMAND,
  LIMIT_UP,
  LIMIT_DOWN,
  SLEW,
  SCHEDULE, /* rows of speed, two gains */
  SCHEDULE_ROWS = 6,
  ROW_WORDS = 3,
  WORDS = SCHEDULE + SCHEDULE_ROWS * ROW_WORDS,

  BLOCK = 4 * WORDS,
  COPIES = 3,
  STATE_LEN = COPIES * BLOCK,

  /* words of a sensor set */
  SENSED_RATE = 0,
  SENSED_LOAD,
  SENSED_STICK,
  SENSED_SPEED,
  QUANTITIES,
  SET_LEN = 4 * QUANTITIES + 4,
  SETS = 3,
  INPUT_LEN = SETS * SET_LEN,
  OUTPUT_LEN = 12,

  /* in scratch: the working block, then the sensed values */
  SENSED_AT = BLOCK,
  SCRATCH_LEN = SENSED_AT + 4 * QUANTITIES,

  TICKS = 4 /* each phase */
};
#define STREAM UINT64_C(0x656c657661746f72) /* "elevator" */
#define SENSE_LIMIT 100000 /* of a sensed value */
#define RATE_LIMIT 1000000
#define INTEGRAL_LIMIT 4000000
#define LOAD_LIMIT 2500 /* [mg] from where on the nose is pushed down */

/* Vocabulary */

TEXT static int32_t word(const uint8_t *block, uint32_t index) {
  const uint32_t bits = load_u32le(block + 4u * index);
  int32_t value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

TEXT static void set_word(uint8_t *block, uint32_t index, int32_t value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  store_u32le(block + 4u * index, bits);
}

TEXT static int64_t limited(int64_t value, int64_t least, int64_t most) {
  return value < least ? least : value > most ? most : value;
}

TEXT static uint32_t crc32(const uint8_t *data, uint32_t length) {
  uint32_t crc = 0xFFFFFFFFu;
  for (uint32_t i = 0; i < length; i++) {
    crc ^= data[i];
    for (int bit = 0; bit < 8; bit++) {
      crc = crc >> 1 ^ (0xEDB88320u & (0u - (crc & 1u)));
    }
  }
  return ~crc;
}

/* Phases */

TEXT static int32_t middle(int32_t a, int32_t b, int32_t c) {
  const int32_t low = a < b ? a : b, high = a < b ? b : a;
  return c < low ? low : c > high ? high : c;
}

/* The middle of three valid sets; of two, the first; none: all zero. */
TEXT static __attribute__((noinline)) void sense(const hil_workload_io_t *io) {
  const uint8_t *valid[SETS] = {0};
  uint32_t count = 0;
  for (uint32_t i = 0; i < SETS; i++) {
    const uint8_t *set = io->input + i * SET_LEN;
    if (crc32(set, 4 * QUANTITIES) == load_u32le(set + 4 * QUANTITIES)) {
      valid[count++] = set;
    }
  }
  for (uint32_t q = 0; q < QUANTITIES; q++) {
    int32_t value = count ? word(valid[0], q) : 0;
    if (count == SETS) {
      value = middle(value, word(valid[1], q), word(valid[2], q));
    }
    set_word(io->scratch + SENSED_AT, q, (int32_t)limited(value, -SENSE_LIMIT, SENSE_LIMIT));
  }
}

TEXT static void restore(const hil_workload_io_t *io) { memcpy(io->scratch, io->state, BLOCK); }

TEXT static __attribute__((noinline)) void control(uint8_t *work, const uint8_t *sensed) {
  uint32_t row = SCHEDULE; /* the last one whose speed is reached */
  for (uint32_t i = 1; i < SCHEDULE_ROWS; i++) {
    const uint32_t next = SCHEDULE + i * ROW_WORDS;
    row = word(sensed, SENSED_SPEED) >= word(work, next) ? next : row;
  }
  int64_t rate = limited(word(work, RATE), -RATE_LIMIT, RATE_LIMIT);
  rate += (word(sensed, SENSED_RATE) - rate) / 4;
  const int64_t error = 5 * (int64_t)word(sensed, SENSED_STICK) - rate;
  int64_t integral = limited(word(work, INTEGRAL), -INTEGRAL_LIMIT, INTEGRAL_LIMIT);
  integral = limited(integral + error, -INTEGRAL_LIMIT, INTEGRAL_LIMIT);

  int64_t command = (word(work, row + 1) * error + word(work, row + 2) * integral / 16) / 1024;
  const int64_t load = word(sensed, SENSED_LOAD);
  if (load > LOAD_LIMIT) {
    command -= 4 * (load - LOAD_LIMIT);
  }
  const int64_t last = word(work, COMMAND), slew = word(work, SLEW);
  command = limited(command, last - slew, last + slew);
  command = limited(command, word(work, LIMIT_DOWN), word(work, LIMIT_UP));

  set_word(work, RATE, (int32_t)rate);
  set_word(work, INTEGRAL, (int32_t)integral);
  set_word(work, COMMAND, (int32_t)limited(command, INT32_MIN, INT32_MAX));
  store_u32le(work + 4 * FRAMES, load_u32le(work + 4 * FRAMES) + 1u);
}

TEXT static void commit(const hil_workload_io_t *io) {
  store_u32le(io->output, load_u32le(io->scratch + 4 * COMMAND));
  store_u32le(io->output + 4, load_u32le(io->scratch + 4 * RATE));
  store_u32le(io->output + 8, load_u32le(io->scratch + 4 * FRAMES));
  for (uint32_t copy = 0; copy < COPIES; copy++) {
    memcpy(io->state + copy * BLOCK, io->scratch, BLOCK);
  }
}

/* The aircraft, on the host */

static void init(uint8_t *state, uint64_t seed) {
  /* clang-format off */
  static const int32_t block[WORDS] = {
      [LIMIT_UP] = 30000, [LIMIT_DOWN] = -17000, [SLEW] = 900,
      /* speed, gain of the error, gain of its integral */
      [SCHEDULE] =
      0,    900, 60,
      1600, 760, 52,
      2000, 600, 45,
      2400, 470, 36,
      2800, 380, 30,
      3200, 300, 24,
  };
  /* clang-format on */
  (void)seed;
  for (uint32_t i = 0; i < COPIES * WORDS; i++) {
    set_word(state, i, block[i % WORDS]);
  }
}

/* The speed goes up and down through the schedule every 1200 frames; the stick moves now and then. */
static void input(uint8_t *in, uint64_t seed, uint64_t frame) {
  const uint64_t key[2] = {seed, STREAM};
  const uint64_t slow[4] = {frame / 50, 1, 0, 0};
  uint64_t moved[4], noise[4];
  philox_block(slow, key, moved);
  const int32_t phase = (int32_t)(frame % 1200);
  const int32_t speed = 1300 + 4 * (phase < 600 ? phase : 1200 - phase);
  const int32_t stick = (int32_t)(moved[0] % 601) - 300;
  for (uint32_t i = 0; i < SETS; i++) {
    const uint64_t now[4] = {frame, 2 + i, 0, 0};
    philox_block(now, key, noise);
    uint8_t *const set = in + i * SET_LEN;
    set_word(set, SENSED_RATE, 4 * stick + (int32_t)(noise[0] % 201) - 100);
    set_word(set, SENSED_LOAD, 1000 + stick + (int32_t)(noise[1] % 21) - 10);
    set_word(set, SENSED_STICK, stick + (int32_t)(noise[2] % 5) - 2);
    set_word(set, SENSED_SPEED, speed + (int32_t)(noise[3] % 11) - 5);
    store_u32le(set + 4 * QUANTITIES, crc32(set, 4 * QUANTITIES));
  }
}

#define ELEVATOR(build)              \
  {                                  \
      .name = #build,                \
      .state_len = STATE_LEN,        \
      .input_len = INPUT_LEN,        \
      .output_len = OUTPUT_LEN,      \
      .scratch_len = SCRATCH_LEN,    \
      .ticks = TICKS,                \
      .init = init,                  \
      .input = input,                \
      .step = step,                  \
      .text_begin = BEGIN_OF(build), \
      .text_end = END_OF(build),     \
  }

#endif
