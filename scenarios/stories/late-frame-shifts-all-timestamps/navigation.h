/* A made-up navigation of a helicopter by camera, in two builds: what both share. SPDX-License-Identifier: Apache-2.0
 *
 * In each frame the speed is integrated, and the camera is triggered. Its image arrives DELAY frames later and says
 * where the helicopter was when it was taken; the estimate of that moment is compared with it, and the difference
 * corrects position and speed. The time of an image is what the builds find in different ways.
 *
 * State (u32, little-endian): frame, images, position, correction of the speed, and the estimates of the last frames.
 * Input: speed [mm/s], whether an image arrived, its position [mm], the number that the camera gave it.
 * Output: position [mm], speed [mm/s]. Unsigned numbers wrap around, so that any bytes give a defined result. */
#ifndef NAVIGATION_H
#define NAVIGATION_H

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
  FRAMES_PER_S = 10,
  DELAY = 4,
  ESTIMATES = 16, /* kept */

  /* words of the state */
  FRAME = 0,
  IMAGES, /* that have arrived */
  POSITION,
  DRIFT, /* correction of the speed [mm/s] */
  ESTIMATE,
  WORDS = ESTIMATE + ESTIMATES,

  /* words of the input */
  SPEED = 0,
  ARRIVED,
  SEEN,
  NUMBER,
  INPUT_WORDS,

  TICKS = 2 /* integrated, the result */
};
#define STREAM UINT64_C(0x6e61766967617465) /* "navigate" */

TEXT static uint32_t word(const uint8_t *block, uint32_t at) { return load_u32le(block + 4u * at); }
TEXT static void set_word(uint8_t *block, uint32_t at, uint32_t value) {
  store_u32le(block + 4u * at, value);
}

/* A quotient of a signed number in two's complement, rounded towards zero. */
TEXT static uint32_t part(uint32_t value, uint32_t divisor) {
  return value >> 31 ? 0u - (0u - value) / divisor : value / divisor;
}

/* The frame in which an image was taken. */
TEXT static uint32_t time_of_image(const uint8_t *state, const uint8_t *input);

TEXT static __attribute__((noinline)) void correct(uint8_t *state, const uint8_t *input) {
  const uint32_t taken = time_of_image(state, input);
  const uint32_t error = word(input, SEEN) - word(state, ESTIMATE + taken % ESTIMATES);
  const uint32_t change = part(error, 4);
  set_word(state, DRIFT, word(state, DRIFT) + part(error, 2));
  set_word(state, POSITION, word(state, POSITION) + change);
  for (uint32_t i = 0; i < ESTIMATES; i++) {
    set_word(state, ESTIMATE + i, word(state, ESTIMATE + i) + change);
  }
  set_word(state, IMAGES, word(state, IMAGES) + 1u);
}

TEXT static int step(const hil_workload_io_t *io, hil_progress_t *progress) {
  uint8_t *const state = io->state;
  const uint32_t frame = word(state, FRAME);
  const uint32_t speed = word(io->input, SPEED) + word(state, DRIFT);
  set_word(state, POSITION, word(state, POSITION) + part(speed, FRAMES_PER_S));
  set_word(state, ESTIMATE + frame % ESTIMATES, word(state, POSITION));
  if (progress_tick(progress)) return HIL_ERR_STATE;
  if (word(io->input, ARRIVED) == 1u) {
    correct(state, io->input);
  }
  set_word(state, FRAME, frame + 1u);
  store_u32le(io->output, word(state, POSITION));
  store_u32le(io->output + 4, speed);
  return progress_tick(progress) ? HIL_ERR_STATE : HIL_OK;
}

static void init(uint8_t *state, uint64_t seed) {
  (void)seed;
  memset(state, 0, 4 * WORDS);
}

/* The flight, on the host: 4 m/s one way and then back, every 20 s a turn. */
static int32_t true_speed(uint64_t frame) {
  const int32_t phase = (int32_t)(frame % 400);
  const int32_t ramp = phase < 200 ? phase : 400 - phase;
  const int32_t speed = 120 * (ramp - 100);
  return speed < -4000 ? -4000 : speed > 4000 ? 4000 : speed;
}

static int32_t true_position(uint64_t frame) {
  int64_t sum = 0;
  for (uint64_t i = 0; i <= frame % 400; i++) {
    sum += true_speed(i) / FRAMES_PER_S; /* of a whole period: 0 */
  }
  return (int32_t)sum;
}

/* Speed by the accelerometers, with a drift and noise; images with noise. */
static void input(uint8_t *in, uint64_t seed, uint64_t frame) {
  const uint64_t key[2] = {seed, STREAM}, now[4] = {frame, 0, 0, 0};
  uint64_t noise[4];
  philox_block(now, key, noise);
  const int32_t measured = true_speed(frame) + 90 + (int32_t)(noise[0] % 41) - 20;
  const int has_image = frame >= DELAY;
  const int32_t seen = has_image ? true_position(frame - DELAY) + (int32_t)(noise[1] % 9) - 4 : 0;
  set_word(in, SPEED, (uint32_t)measured);
  set_word(in, ARRIVED, has_image ? 1u : 0u);
  set_word(in, SEEN, (uint32_t)seen);
  set_word(in, NUMBER, has_image ? (uint32_t)(frame - DELAY) : 0u);
}

#define NAVIGATION(build)            \
  {                                  \
      .name = #build,                \
      .state_len = 4 * WORDS,        \
      .input_len = 4 * INPUT_WORDS,  \
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
