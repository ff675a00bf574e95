/* Workload: spectrum of a signal, by a fixed-point FFT of 256 points. SPDX-License-Identifier: Apache-2.0
 *
 * Each step takes 128 new samples (Q15), transforms them with the 128 before (blocks that overlap by half), and
 * folds the power of each bin into a running mean. Radix 2, decimation in time, in place: samples in
 * bit-reversed order, then eight stages of 128 butterflies
 *   (a, b) -> ((a + W b) / 2, (a - W b) / 2),
 * so that the result is the transform divided by 256, and no stage can overflow: from real samples no value
 * is ever longer than the longest sample. Products and halves are rounded to the nearest integer, halves up.
 * After an upset a value may be longer than any sample: it is clamped, so that every value is one of Q15.
 *
 * State: last samples 128 i16 | mean power of bins 0 to 127 u32 | steps done u64.
 * Output: sum of the power of four bins each, 32 u32.
 * Scratch: 256 complex values, real and imaginary i16. */
#include <string.h>

#include "bytes.h"
#include "philox.h"
#include "workload.h"

enum {
  STAGES = 8,
  POINTS = 1 << STAGES,
  NEW = POINTS / 2, /* samples, and bins */
  BANDS = 32,

  SAMPLES_LEN = 2 * NEW, /* [byte] */
  MEANS_AT = SAMPLES_LEN,
  STEPS_AT = MEANS_AT + 4 * NEW,
  STATE_LEN = STEPS_AT + 8,
  OUTPUT_LEN = 4 * BANDS,
  SCRATCH_LEN = 4 * POINTS,

  MEAN_SHIFT = 3, /* a new block counts for 1/8 */

  TICKS = 1 + STAGES + 1 + 1 /* samples in order, each stage, power, the result */
};
#define STREAM UINT64_C(0x776c2e6666742e31) /* "wl.fft.1" */

/* 32767 sin(2 pi k / 256), rounded: a quarter of a turn. */
static const int16_t quarter[POINTS / 4 + 1] = {
    0,     804,   1608,  2410,  3212,  4011,  4808,  5602,  6393,  7179,  7962,  8739,  9512,
    10278, 11039, 11793, 12539, 13279, 14010, 14732, 15446, 16151, 16846, 17530, 18204, 18868,
    19519, 20159, 20787, 21403, 22005, 22594, 23170, 23731, 24279, 24811, 25329, 25832, 26319,
    26790, 27245, 27683, 28105, 28510, 28898, 29268, 29621, 29956, 30273, 30571, 30852, 31113,
    31356, 31580, 31785, 31971, 32137, 32285, 32412, 32521, 32609, 32678, 32728, 32757, 32767};

WORKLOAD_TEXT_BOUNDS(fft);

/* A complex value in registers. */
typedef struct {
  int32_t re, im;
} hil_fft_value_t;

/* Sine of |angle| / 256 of a turn. */
WORKLOAD_TEXT(fft) static int32_t sine(uint32_t angle) {
  const uint32_t a = angle % POINTS, half = a % (POINTS / 2);
  const int32_t s = quarter[half <= POINTS / 4 ? half : POINTS / 2 - half];
  return a < POINTS / 2 ? s : -s;
}

/* x / 2^by, rounded to the nearest, halves up: what an arithmetic shift does, which C leaves open. */
WORKLOAD_TEXT(fft) static int32_t shifted(int32_t x, unsigned by) {
  const int32_t y = x + (int32_t)(1u << (by - 1u));
  return y >= 0 ? y >> by : ~(~y >> by);
}

WORKLOAD_TEXT(fft) static int32_t clamped(int32_t x) { return x > 32767 ? 32767 : x < -32768 ? -32768 : x; }

WORKLOAD_TEXT(fft) static int32_t load_i16(const uint8_t *p) {
  const int32_t v = load_u16le(p);
  return v < 32768 ? v : v - 65536;
}

WORKLOAD_TEXT(fft) static hil_fft_value_t load_value(const uint8_t *p) {
  return (hil_fft_value_t){load_i16(p), load_i16(p + 2)};
}

WORKLOAD_TEXT(fft) static void store_value(uint8_t *p, int32_t re, int32_t im) {
  store_u16le(p, (uint16_t)clamped(re));
  store_u16le(p + 2, (uint16_t)clamped(im));
}

/* The samples of the block, in bit-reversed order; the new ones are kept for the next. */
WORKLOAD_TEXT(fft)
static __attribute__((noinline)) void order(uint8_t *values, uint8_t *samples, const uint8_t *in) {
  for (uint32_t i = 0; i < POINTS; i++) {
    uint32_t at = 0;
    for (uint32_t bit = 0; bit < STAGES; bit++) {
      at = at << 1 | (i >> bit & 1u);
    }
    store_value(values + 4u * at, load_i16(i < NEW ? samples + 2u * i : in + 2u * (i - NEW)), 0);
  }
  memcpy(samples, in, SAMPLES_LEN);
}

/* The butterflies between values that are |span| apart. */
WORKLOAD_TEXT(fft) static __attribute__((noinline)) void transform(uint8_t *values, uint32_t span) {
  for (uint32_t i = 0; i < POINTS / 2; i++) {
    const uint32_t k = i % span, angle = k * (POINTS / 2 / span);
    uint8_t *low = values + (size_t)4 * (2u * (i - k) + k), *high = low + (size_t)4 * span;
    const int32_t c = sine(angle + POINTS / 4), s = sine(angle);
    const hil_fft_value_t a = load_value(low), b = load_value(high);
    /* W = c - j s. The sum of two products is at most 2 * 2^15 * 32767: it fits. */
    const int32_t re = shifted(b.re * c + b.im * s, 15), im = shifted(b.im * c - b.re * s, 15);
    store_value(low, shifted(a.re + re, 1), shifted(a.im + im, 1));
    store_value(high, shifted(a.re - re, 1), shifted(a.im - im, 1));
  }
}

/* The power of each bin, folded into its mean. */
WORKLOAD_TEXT(fft) static __attribute__((noinline)) void average(uint8_t *means, const uint8_t *values) {
  for (uint32_t i = 0; i < NEW; i++) {
    const hil_fft_value_t v = load_value(values + 4u * i);
    const uint32_t power = (uint32_t)(v.re * v.re) + (uint32_t)(v.im * v.im);
    const uint32_t mean = load_u32le(means + 4u * i);
    store_u32le(means + 4u * i, mean - (mean >> MEAN_SHIFT) + (power >> MEAN_SHIFT));
  }
}

WORKLOAD_TEXT(fft) static __attribute__((noinline)) void sum_bands(uint8_t *out, const uint8_t *means) {
  for (uint32_t band = 0; band < BANDS; band++) {
    uint32_t sum = 0;
    for (uint32_t i = 0; i < NEW / BANDS; i++) {
      sum += load_u32le(means + 4u * (band * (NEW / BANDS) + i));
    }
    store_u32le(out + 4u * band, sum);
  }
}

WORKLOAD_TEXT(fft) static int step(const hil_workload_io_t *io, hil_progress_t *progress) {
  order(io->scratch, io->state, io->input);
  if (progress_tick(progress)) {
    return HIL_ERR_STATE;
  }
  for (uint32_t span = 1; span < POINTS; span *= 2) {
    transform(io->scratch, span);
    if (progress_tick(progress)) {
      return HIL_ERR_STATE;
    }
  }
  average(io->state + MEANS_AT, io->scratch);
  if (progress_tick(progress)) {
    return HIL_ERR_STATE;
  }
  sum_bands(io->output, io->state + MEANS_AT);
  store_u64le(io->state + STEPS_AT, load_u64le(io->state + STEPS_AT) + 1u);
  return progress_tick(progress) ? HIL_ERR_STATE : HIL_OK;
}

static void init(uint8_t *state, uint64_t seed) {
  (void)seed; /* silence before the first block */
  memset(state, 0, STATE_LEN);
}

/* Two tones, whose frequencies the seed chooses, and noise. */
static void input(uint8_t *in, uint64_t seed, uint64_t frame) {
  const uint64_t key[2] = {seed, STREAM}, run[4] = {0, 0, 0, 1};
  uint64_t constant[4];
  philox_block(run, key, constant);
  for (uint32_t i = 0; i < NEW; i += 4) {
    const uint64_t counter[4] = {frame, i, 0, 0};
    uint64_t random[4];
    philox_block(counter, key, random);
    for (uint32_t w = 0; w < 4; w++) {
      const uint64_t at = frame * NEW + i + w;
      const uint32_t first = (uint32_t)(constant[0] * at >> 56), second = (uint32_t)(constant[1] * at >> 56);
      const int32_t noise = (int32_t)(random[w] & 1023u) - 512;
      const int32_t sample = shifted(sine(first), 1) + shifted(sine(second), 2) + noise;
      store_u16le(in + 2u * (i + w), (uint16_t)sample);
    }
  }
}

extern const hil_workload_t workload_fft;
const hil_workload_t workload_fft = {
    .name = "fft",
    .state_len = STATE_LEN,
    .input_len = SAMPLES_LEN,
    .output_len = OUTPUT_LEN,
    .scratch_len = SCRATCH_LEN,
    .ticks = TICKS,
    .init = init,
    .input = input,
    .step = step,
    .text_begin = WORKLOAD_TEXT_BEGIN(fft),
    .text_end = WORKLOAD_TEXT_END(fft),
};
