/* What the language models share: layout, arithmetic, and the parts of a step. SPDX-License-Identifier: Apache-2.0
 *
 * lm.c says what is computed. Whoever includes this has defined LM_CODE, which puts a function into the section of
 * the workload. */
#ifndef HIL_LM_STEP_H
#define HIL_LM_STEP_H

#include <stdbool.h>
#include <string.h>

#include "bytes.h"
#include "lm_tables.h"
#include "workload.h"

enum {
  WIDTH = 64,
  LAYERS = 2,
  HEADS = 4,
  HEAD = WIDTH / HEADS,
  WINDOW = 64, /* [character] */
  HIDDEN = 256,
  PASSAGE = 256, /* [step] */
  NO_PROMPT = 255,

  /* Multipliers */
  EMBED = 0,
  LOGIT,
  LAYER_MULTIPLIERS, /* from here on, for each layer: */
  Q = 0,
  K,
  V,
  SCORE,
  MIX,
  OUT,
  UP,
  DOWN,
  EACH_LAYER,
  MULTIPLIERS = LAYER_MULTIPLIERS + LAYERS * EACH_LAYER,

  /* In state */
  STEPS_AT = 0,
  PLACE_AT = 4,
  LAST_AT = 8,
  MULTIPLIERS_AT = 16,
  EMBED_AT = MULTIPLIERS_AT + 4 * MULTIPLIERS, /* i8 [character][WIDTH] */
  QKV_AT = EMBED_AT + LM_CHARACTERS * WIDTH, /* i8 [layer][WIDTH][3 WIDTH], and so on */
  OUT_AT = QKV_AT + LAYERS * WIDTH * 3 * WIDTH,
  UP_AT = OUT_AT + LAYERS * WIDTH * WIDTH,
  DOWN_AT = UP_AT + LAYERS * WIDTH * HIDDEN,
  BIAS_AT = DOWN_AT + LAYERS * HIDDEN * WIDTH, /* i8 [layer][head][distance], in 1/8 bit */
  CACHE_AT = BIAS_AT + LAYERS * HEADS * WINDOW,
  CACHE_LEN = WINDOW * WIDTH, /* [byte] of the k or v of a layer */
  LM_LEN = CACHE_AT + 2 * LAYERS * CACHE_LEN, /* [byte] of the state that all variants have */

  /* In scratch */
  PLACE_IN_SCRATCH = 0,
  H_AT = 8, /* i32 [WIDTH] */
  Q_AT = H_AT + 4 * WIDTH, /* i8 [WIDTH] */
  MIX_AT = Q_AT + WIDTH, /* i8 [WIDTH] */
  HIDDEN_AT = MIX_AT + WIDTH, /* u8 [HIDDEN] */
  SCORES_AT = HIDDEN_AT + HIDDEN, /* i32 [LM_CHARACTERS] */
  LM_SCRATCH_LEN = SCORES_AT + 4 * LM_CHARACTERS,

  INPUT_LEN = 8,
  OUTPUT_LEN = 16,
  EACH_LAYER_TICKS = 5,
  PHASES = 1 + LAYERS * EACH_LAYER_TICKS + 2,

  /* Fixed point; train_lm.py knows the same numbers. */
  SCALE_SHIFT = 24,
  WIDE_SHIFT = 16, /* of the multipliers embed, logit and score */
  SCORE_SHIFT = 15, /* 1 bit of a score */
  BIAS_SHIFT = 12, /* 1/8 bit of a bias, in a score */
  POWER_SHIFT = 14, /* 1.0 of a power of two */
  H_LIMIT = 1 << 23, /* 2048 */
  SCORE_LIMIT = 1 << 26 /* 2048 bits */
};

/* ---- Arithmetic ---- */

LM_CODE static inline int32_t clamped(int64_t x, int32_t low, int32_t high) {
  return x > high ? high : x < low ? low : (int32_t)x;
}

/* x / 2^by, rounded to the nearest, halves up: what an arithmetic shift does, which C leaves open. */
LM_CODE static inline int64_t shifted(int64_t x, unsigned by) {
  const int64_t y = x + (int64_t)(UINT64_C(1) << (by - 1u));
  return y >= 0 ? y >> by : ~(~y >> by);
}

LM_CODE static inline int32_t load_i32(const uint8_t *p) {
  const uint32_t v = load_u32le(p);
  return v < 0x80000000u ? (int32_t)v : -(int32_t)~v - 1;
}

LM_CODE static inline uint32_t of_layer(uint32_t layer, uint32_t number) {
  return LAYER_MULTIPLIERS + layer * EACH_LAYER + number;
}

/* 2^bits / divisor, rounded down; bits <= 38. */
LM_CODE static __attribute__((noinline)) uint64_t reciprocal(uint32_t divisor, unsigned bits) {
  uint64_t rest = 1, quotient = 0;
  for (unsigned i = 0; i <= bits; i++) {
    const bool fits = rest >= divisor;
    rest = (rest - (fits ? divisor : 0u)) << 1;
    quotient = quotient << 1 | (fits ? 1u : 0u);
  }
  return quotient;
}

/* The square root of a number below 2^54, rounded down. */
LM_CODE static __attribute__((noinline)) uint32_t square_root(uint64_t x) {
  uint64_t root = 0;
  for (uint64_t bit = UINT64_C(1) << 52; bit; bit >>= 2) {
    const uint64_t trial = root + bit;
    root >>= 1;
    if (x >= trial) {
      x -= trial;
      root += bit;
    }
  }
  return (uint32_t)root;
}

/* 2^-x of a number x >= 0 with SCORE_SHIFT bits of fraction, with POWER_SHIFT bits of fraction. Between whole
 * exponents a parabola: 1 - 0.6716 f + 0.1716 f^2. */
LM_CODE static inline uint32_t power(uint32_t x) {
  const uint32_t whole = x >> SCORE_SHIFT, f = x & ((1u << SCORE_SHIFT) - 1u);
  const uint32_t y =
      (1u << POWER_SHIFT) - (11003u * f >> SCORE_SHIFT) + (2811u * (f * f >> SCORE_SHIFT) >> SCORE_SHIFT);
  return whole <= POWER_SHIFT ? y >> whole : 0;
}

/* log2 of a number from 2^POWER_SHIFT to 2^31 that has POWER_SHIFT bits of fraction, with SCORE_SHIFT bits of
 * fraction: one bit for each square. */
LM_CODE static __attribute__((noinline)) uint32_t log2_of(uint32_t x) {
  uint32_t whole = 31u - POWER_SHIFT;
  for (unsigned i = 0; i < 31u - POWER_SHIFT && !(x >> 31); i++) {
    x <<= 1;
    whole--;
  }
  uint32_t out = whole;
  for (unsigned i = 0; i < SCORE_SHIFT; i++) {
    const uint64_t square = (uint64_t)x * x;
    const uint32_t bit = (uint32_t)(square >> 63);
    x = (uint32_t)(square >> (31u + bit));
    out = out << 1 | bit;
  }
  return out;
}

/* Add the products of values and weights, [row][column], to sums. They never overflow: at most 256 products below
 * 2^15. */
#define MULTIPLY(sums, columns, rows, values, type, weights)                                       \
  for (uint32_t r_ = 0; r_ < (rows); r_ += 2) {                                                    \
    const type v0_ = (type)(values)[r_], v1_ = (type)(values)[r_ + 1];                             \
    const uint8_t *w_ = (weights) + r_ * (columns);                                                \
    for (uint32_t c_ = 0; c_ < (columns); c_++) {                                                  \
      (sums)[c_] += (int16_t)(v0_ * (int8_t)w_[c_]) + (int16_t)(v1_ * (int8_t)w_[c_ + (columns)]); \
    }                                                                                              \
  }

/* h divided by its root mean square, 16 for 1.0. */
LM_CODE static __attribute__((noinline)) void norm(int8_t n[WIDTH], const uint8_t *h) {
  int32_t v[WIDTH];
  uint64_t squares = 0;
  for (uint32_t i = 0; i < WIDTH; i++) {
    v[i] = clamped(load_i32(h + 4u * i), -H_LIMIT, H_LIMIT);
    squares += (uint64_t)((int64_t)v[i] * v[i]);
  }
  /* 16 sqrt(64) / root = 2^7 / root */
  const uint32_t root = square_root(squares);
  const int64_t inverse = (int64_t)reciprocal(root ? root : 1, 38);
  for (uint32_t i = 0; i < WIDTH; i++) {
    n[i] = (int8_t)clamped(shifted(v[i] * inverse, 31), -127, 127);
  }
}

/* Add sums to h. */
LM_CODE
static __attribute__((noinline)) void add(uint8_t *h, const int32_t sums[WIDTH], uint32_t scale) {
  for (uint32_t i = 0; i < WIDTH; i++) {
    const int64_t sum = load_i32(h + 4u * i) + shifted((int64_t)sums[i] * scale, SCALE_SHIFT);
    store_u32le(h + 4u * i, (uint32_t)clamped(sum, -H_LIMIT, H_LIMIT));
  }
}

LM_CODE
static __attribute__((noinline)) void rescale(uint8_t *out, const int32_t sums[WIDTH], uint32_t scale) {
  for (uint32_t i = 0; i < WIDTH; i++) {
    out[i] = (uint8_t)clamped(shifted((int64_t)sums[i] * scale, SCALE_SHIFT), -127, 127);
  }
}

/* The same for hidden units: 0..255. */
LM_CODE
static __attribute__((noinline)) void rectify(uint8_t *out, const int32_t sums[HIDDEN], uint32_t scale) {
  for (uint32_t i = 0; i < HIDDEN; i++) {
    out[i] = (uint8_t)clamped(shifted((int64_t)sums[i] * scale, SCALE_SHIFT), 0, 255);
  }
}

/* ---- Parts of the phases ---- */

LM_CODE static inline void embed_character(uint8_t *h, const uint8_t *weights, uint32_t scale) {
  for (uint32_t i = 0; i < WIDTH; i++) {
    store_u32le(h + 4u * i, (uint32_t)clamped(shifted((int64_t)(int8_t)weights[i] * scale, WIDE_SHIFT),
                                              -H_LIMIT, H_LIMIT));
  }
}

/* How many characters are in sight. */
LM_CODE static inline uint32_t in_sight(uint32_t place) { return place < WINDOW ? place + 1u : WINDOW; }

/* The products of q of a head with k of each character in sight, by its distance. */
LM_CODE
static inline void multiply_keys(int32_t products[WINDOW], const uint8_t *q, const uint8_t *k,
                                 uint32_t place) {
  const uint32_t length = in_sight(place);
  for (uint32_t d = 0; d < length; d++) {
    const uint8_t *at = k + (place - d) % WINDOW * WIDTH;
    int32_t sum = 0;
    for (uint32_t i = 0; i < HEAD; i++) {
      sum += (int16_t)((int8_t)q[i] * (int8_t)at[i]);
    }
    products[d] = sum;
  }
}

/* The powers of two of the scores, the largest 2^14, in place of the products; returns their sum. */
LM_CODE
static inline uint32_t soft_max(int32_t values[WINDOW], const uint8_t *bias, uint32_t scale,
                                uint32_t length) {
  int32_t largest = -SCORE_LIMIT;
  for (uint32_t d = 0; d < length; d++) {
    const int64_t score =
        shifted((int64_t)values[d] * scale, WIDE_SHIFT) + (int8_t)bias[d] * (1 << BIAS_SHIFT);
    values[d] = clamped(score, -SCORE_LIMIT, SCORE_LIMIT);
    largest = values[d] > largest ? values[d] : largest;
  }
  uint32_t total = 0;
  for (uint32_t d = 0; d < length; d++) {
    const uint32_t p = power((uint32_t)(largest - values[d]));
    values[d] = (int32_t)p;
    total += p;
  }
  return total;
}

/* Add the products of the powers with v of each character in sight to sums. */
LM_CODE
static inline void multiply_values(int32_t sums[HEAD], const int32_t powers[WINDOW], const uint8_t *v,
                                   uint32_t place) {
  const uint32_t length = in_sight(place);
  for (uint32_t d = 0; d < length; d++) {
    const uint8_t *at = v + (place - d) % WINDOW * WIDTH;
    const int16_t weight = (int16_t)powers[d];
    for (uint32_t i = 0; i < HEAD; i++) {
      sums[i] += weight * (int8_t)at[i];
    }
  }
}

/* The mean of v in steps of v / 256. */
LM_CODE static inline void mean(int32_t mix[HEAD], const int32_t sums[HEAD], uint32_t total) {
  const int64_t inverse = (int64_t)reciprocal(total, 36);
  for (uint32_t i = 0; i < HEAD; i++) {
    mix[i] = (int32_t)shifted(sums[i] * inverse, 36 - 8);
  }
}

/* The products of a norm with the embedding of each character. */
LM_CODE
static inline void multiply_characters(int32_t sums[LM_CHARACTERS], const int8_t n[WIDTH],
                                       const uint8_t *weights) {
  for (uint32_t c = 0; c < LM_CHARACTERS; c++) {
    int32_t sum = 0;
    for (uint32_t i = 0; i < WIDTH; i++) {
      sum += (int16_t)(n[i] * (int8_t)weights[c * WIDTH + i]);
    }
    sums[c] = sum;
  }
}

LM_CODE
static inline void store_scores(uint8_t *scores, const int32_t sums[LM_CHARACTERS], uint32_t scale) {
  for (uint32_t c = 0; c < LM_CHARACTERS; c++) {
    store_u32le(scores + 4u * c,
                (uint32_t)clamped(shifted((int64_t)sums[c] * scale, WIDE_SHIFT), -SCORE_LIMIT, SCORE_LIMIT));
  }
}

/* The number of the next character, from the cumulated powers of the scores, sharpened by a temperature of 0.8. */
LM_CODE
static __attribute__((noinline)) uint32_t draw(const uint32_t below[LM_CHARACTERS], uint32_t random) {
  uint32_t cumulated[LM_CHARACTERS], total = 0, chosen = 0;
  for (uint32_t c = 0; c < LM_CHARACTERS; c++) {
    total += power(below[c] + (below[c] >> 2));
    cumulated[c] = total;
  }
  const uint32_t point = (uint32_t)((uint64_t)total * random >> 32);
  for (uint32_t c = 0; c < LM_CHARACTERS - 1u; c++) {
    chosen += cumulated[c] <= point;
  }
  return chosen;
}

/* Choose the next character; write state and output. */
LM_CODE
static __attribute__((noinline)) void choose(const hil_workload_io_t *io, const uint8_t *scores,
                                             uint32_t place) {
  uint32_t below[LM_CHARACTERS], total = 0;
  int32_t largest = -SCORE_LIMIT;
  for (uint32_t c = 0; c < LM_CHARACTERS; c++) {
    const int32_t score = load_i32(scores + 4u * c);
    largest = score > largest ? score : largest;
  }
  largest = largest < SCORE_LIMIT ? largest : SCORE_LIMIT;
  for (uint32_t c = 0; c < LM_CHARACTERS; c++) {
    const int32_t score = clamped(load_i32(scores + 4u * c), -SCORE_LIMIT, SCORE_LIMIT);
    below[c] = (uint32_t)(largest - score);
    total += power(below[c]);
  }
  const uint32_t forced = io->input[1];
  const uint32_t next = forced < LM_CHARACTERS ? forced : draw(below, load_u32le(io->input + 4));
  store_u32le(io->output, (uint8_t)lm_characters[next]);
  store_u32le(io->output + 4, below[next] + log2_of(total));
  store_u32le(io->output + 8, place);
  store_u32le(io->output + 12, forced < LM_CHARACTERS);
  store_u32le(io->state + PLACE_AT, place + 1u);
  store_u32le(io->state + LAST_AT, next);
  store_u32le(io->state + STEPS_AT, load_u32le(io->state + STEPS_AT) + 1u);
}

#endif
