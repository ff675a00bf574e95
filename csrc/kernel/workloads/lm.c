/* Workload: a small language model, one character a step. SPDX-License-Identifier: Apache-2.0
 *
 * A transformer of characters (two layers, width 64, four heads, the last 64 characters in sight), in integers:
 *   embed      h <- embedding of the last character
 *   for each layer:
 *     project  n <- norm(h);  q, k, v <- n Wqkv;  k and v go to the cache
 *     attend   mix <- soft-max over the cached characters of (q k / 4 + bias of the distance), times v
 *     out      h <- h + mix Wout
 *     up       m <- relu(norm(h) Wup)
 *     down     h <- h + m Wdown
 *   predict    score of each character <- norm(h) embedding'
 *   choose     the next character: drawn with the random number of the input, or that of the prompt
 *
 * Only + - * and shifts: a quotient is made bit by bit, as is a root; powers of two are a parabola between whole
 * exponents. Weights int8, activations int8 (of relu 0..255), sums int32, rescaled by fixed-point multipliers.
 * h has 12 bits of fraction, norms 4, scores 15 (in bits: the base of the soft-max is 2). What leaves its range
 * after an upset is clamped.
 *
 * The model that runs is the one in state, and so is its memory of the text: an upset there hits a weight or
 * the cache. The text is written in passages of LM_PASSAGE steps. The first step of each forgets all before (so
 * that outputs depend on nothing but seed, weights and passage), and the first characters are a prompt.
 * Weights come from train_lm.py by way of lm_tables.h.
 *
 * Input: first step of a passage u8 | number of the character of the prompt u8, 255: none | zero u16 |
 *   random u32.
 * Output: character (ASCII) u32 | its surprisal -log2 p, in bits / 32768 u32 | place in the passage u32 |
 *   1: of the prompt u32.
 * State: steps u32 | place u32 | number of the last character u32 | zero u32 | multipliers | weights | cache: for
 *   each layer k, then v, of 64 characters each; that of place p at p % 64. */
#include <stdbool.h>
#include <string.h>

#include "bytes.h"
#include "lm_tables.h"
#include "philox.h"
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
  QKV_AT = EMBED_AT + LM_CHARACTERS * WIDTH,   /* i8 [layer][WIDTH][3 WIDTH], and so on */
  OUT_AT = QKV_AT + LAYERS * WIDTH * 3 * WIDTH,
  UP_AT = OUT_AT + LAYERS * WIDTH * WIDTH,
  DOWN_AT = UP_AT + LAYERS * WIDTH * HIDDEN,
  BIAS_AT = DOWN_AT + LAYERS * HIDDEN * WIDTH, /* i8 [layer][head][distance], in 1/8 bit */
  CACHE_AT = BIAS_AT + LAYERS * HEADS * WINDOW,
  CACHE_LEN = WINDOW * WIDTH, /* [byte] of the k or v of a layer */
  STATE_LEN = CACHE_AT + 2 * LAYERS * CACHE_LEN,

  /* In scratch */
  PLACE_IN_SCRATCH = 0,
  H_AT = 8,                       /* i32 [WIDTH] */
  Q_AT = H_AT + 4 * WIDTH,        /* i8 [WIDTH] */
  MIX_AT = Q_AT + WIDTH,          /* i8 [WIDTH] */
  HIDDEN_AT = MIX_AT + WIDTH,     /* u8 [HIDDEN] */
  SCORES_AT = HIDDEN_AT + HIDDEN, /* i32 [LM_CHARACTERS] */
  SCRATCH_LEN = SCORES_AT + 4 * LM_CHARACTERS,

  INPUT_LEN = 8,
  OUTPUT_LEN = 16,
  EACH_LAYER_TICKS = 5,
  TICKS = 1 + LAYERS * EACH_LAYER_TICKS + 2,

  /* Fixed point; train_lm.py knows the same numbers. */
  SCALE_SHIFT = 24,
  WIDE_SHIFT = 16,      /* of the multipliers embed, logit and score */
  SCORE_SHIFT = 15,     /* 1 bit of a score */
  BIAS_SHIFT = 12,      /* 1/8 bit of a bias, in a score */
  POWER_SHIFT = 14,     /* 1.0 of a power of two */
  H_LIMIT = 1 << 23,    /* 2048 */
  SCORE_LIMIT = 1 << 26 /* 2048 bits */
};
#define STREAM UINT64_C(0x776c2e6c6d2e3031) /* "wl.lm.01" */

/* The beginnings of passages; all their characters are among lm_characters. */
static const char *const prompts[] = {
    "ROMEO:\nBut, soft! what light ", "JULIET:\nO Romeo, Romeo! ",     "GLOUCESTER:\nNow is the winter ",
    "KING RICHARD II:\nThe stars ",   "MIRANDA:\nO brave new world, ", "HENRY BOLINGBROKE:\nThe moon ",
    "PROSPERO:\nOur little life ",    "First Citizen:\nBefore we ",
};
enum { PROMPTS = sizeof prompts / sizeof prompts[0] };

WORKLOAD_TEXT_BOUNDS(lm);

static void init(uint8_t *state, uint64_t seed) {
  (void)seed; /* the model is the same for every seed */
  memset(state, 0, STATE_LEN);
  for (uint32_t i = 0; i < MULTIPLIERS; i++) {
    store_u32le(state + MULTIPLIERS_AT + 4u * i, lm_multipliers[i]);
  }
  memcpy(state + EMBED_AT, lm_embed, sizeof lm_embed);
  memcpy(state + QKV_AT, lm_qkv, sizeof lm_qkv);
  memcpy(state + OUT_AT, lm_out, sizeof lm_out);
  memcpy(state + UP_AT, lm_up, sizeof lm_up);
  memcpy(state + DOWN_AT, lm_down, sizeof lm_down);
  memcpy(state + BIAS_AT, lm_bias, sizeof lm_bias);
}

_Static_assert(sizeof lm_multipliers == 4 * MULTIPLIERS, "multipliers");
_Static_assert(sizeof lm_embed == QKV_AT - EMBED_AT && sizeof lm_qkv == OUT_AT - QKV_AT, "weights");
_Static_assert(sizeof lm_out == UP_AT - OUT_AT && sizeof lm_up == DOWN_AT - UP_AT, "weights");
_Static_assert(sizeof lm_down == BIAS_AT - DOWN_AT && sizeof lm_bias == CACHE_AT - BIAS_AT, "weights");

static void input(uint8_t *in, uint64_t seed, uint64_t frame) {
  const uint64_t passage = frame / PASSAGE, place = frame % PASSAGE;
  const uint64_t key[2] = {seed, STREAM}, of_passage[4] = {passage, 1, 0, 0}, of_frame[4] = {frame, 0, 0, 0};
  uint64_t random[4];
  philox_block(of_passage, key, random);
  const char *prompt = prompts[(random[0] >> 32) * PROMPTS >> 32];
  const size_t length = strlen(prompt);
  uint8_t forced = NO_PROMPT;
  if (place < length) {
    const char *found = strchr(lm_characters, prompt[place]);
    forced = found ? (uint8_t)(found - lm_characters) : 0;
  }
  philox_block(of_frame, key, random);
  in[0] = place == 0;
  in[1] = forced;
  store_u16le(in + 2, 0);
  store_u32le(in + 4, (uint32_t)(random[0] >> 32));
}

/* Arithmetic */

WORKLOAD_TEXT(lm) static inline int32_t clamped(int64_t x, int32_t low, int32_t high) {
  return x > high ? high : x < low ? low : (int32_t)x;
}

/* x / 2^by, rounded to the nearest, halves up: what an arithmetic shift does, which C leaves open. */
WORKLOAD_TEXT(lm) static inline int64_t shifted(int64_t x, unsigned by) {
  const int64_t y = x + (int64_t)(UINT64_C(1) << (by - 1u));
  return y >= 0 ? y >> by : ~(~y >> by);
}

WORKLOAD_TEXT(lm) static inline int32_t load_i32(const uint8_t *p) {
  const uint32_t v = load_u32le(p);
  return v < 0x80000000u ? (int32_t)v : -(int32_t)~v - 1;
}

WORKLOAD_TEXT(lm) static inline uint32_t multiplier(const uint8_t *state, uint32_t number) {
  return load_u32le(state + MULTIPLIERS_AT + 4u * number);
}

WORKLOAD_TEXT(lm) static inline uint32_t of_layer(uint32_t layer, uint32_t number) {
  return LAYER_MULTIPLIERS + layer * EACH_LAYER + number;
}

/* 2^bits / divisor, rounded down; bits <= 38. */
WORKLOAD_TEXT(lm) static __attribute__((noinline)) uint64_t reciprocal(uint32_t divisor, unsigned bits) {
  uint64_t rest = 1, quotient = 0;
  for (unsigned i = 0; i <= bits; i++) {
    const bool fits = rest >= divisor;
    rest = (rest - (fits ? divisor : 0u)) << 1;
    quotient = quotient << 1 | (fits ? 1u : 0u);
  }
  return quotient;
}

/* The square root of a number below 2^54, rounded down. */
WORKLOAD_TEXT(lm) static __attribute__((noinline)) uint32_t square_root(uint64_t x) {
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
WORKLOAD_TEXT(lm) static inline uint32_t power(uint32_t x) {
  const uint32_t whole = x >> SCORE_SHIFT, f = x & ((1u << SCORE_SHIFT) - 1u);
  const uint32_t y =
      (1u << POWER_SHIFT) - (11003u * f >> SCORE_SHIFT) + (2811u * (f * f >> SCORE_SHIFT) >> SCORE_SHIFT);
  return whole <= POWER_SHIFT ? y >> whole : 0;
}

/* log2 of a number from 2^POWER_SHIFT to 2^31 that has POWER_SHIFT bits of fraction, with SCORE_SHIFT bits of
 * fraction: one bit for each square. */
WORKLOAD_TEXT(lm) static __attribute__((noinline)) uint32_t log2_of(uint32_t x) {
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

/* Sums of products. Never overflow: at most 256 products below 2^15. */
#define SUMS(columns, rows, values, type, weights)                                               \
  int32_t sums[columns] = {0};                                                                   \
  for (uint32_t r_ = 0; r_ < (rows); r_ += 2) {                                                  \
    const type v0_ = (type)(values)[r_], v1_ = (type)(values)[r_ + 1];                           \
    const uint8_t *w_ = (weights) + r_ * (columns);                                              \
    for (uint32_t c_ = 0; c_ < (columns); c_++) {                                                \
      sums[c_] += (int16_t)(v0_ * (int8_t)w_[c_]) + (int16_t)(v1_ * (int8_t)w_[c_ + (columns)]); \
    }                                                                                            \
  }

/* h divided by its root mean square, 16 for 1.0. */
WORKLOAD_TEXT(lm) static __attribute__((noinline)) void norm(int8_t n[WIDTH], const uint8_t *h) {
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
WORKLOAD_TEXT(lm)
static __attribute__((noinline)) void add(uint8_t *h, const int32_t sums[WIDTH], uint32_t scale) {
  for (uint32_t i = 0; i < WIDTH; i++) {
    const int64_t sum = load_i32(h + 4u * i) + shifted((int64_t)sums[i] * scale, SCALE_SHIFT);
    store_u32le(h + 4u * i, (uint32_t)clamped(sum, -H_LIMIT, H_LIMIT));
  }
}

WORKLOAD_TEXT(lm)
static __attribute__((noinline)) void rescale(uint8_t *out, const int32_t sums[WIDTH], uint32_t scale) {
  for (uint32_t i = 0; i < WIDTH; i++) {
    out[i] = (uint8_t)clamped(shifted((int64_t)sums[i] * scale, SCALE_SHIFT), -127, 127);
  }
}

/* The phases of a step */

WORKLOAD_TEXT(lm)
static __attribute__((noinline)) void embed(uint8_t *scratch, const uint8_t *state, const uint8_t *in) {
  const int begins = in[0] & 1;
  const uint32_t last = begins ? 0 : load_u32le(state + LAST_AT), scale = multiplier(state, EMBED);
  const uint32_t character = last < LM_CHARACTERS ? last : 0;
  store_u32le(scratch + PLACE_IN_SCRATCH, begins ? 0 : load_u32le(state + PLACE_AT));
  for (uint32_t i = 0; i < WIDTH; i++) {
    const int8_t weight = (int8_t)state[EMBED_AT + character * WIDTH + i];
    store_u32le(scratch + H_AT + 4u * i,
                (uint32_t)clamped(shifted((int64_t)weight * scale, WIDE_SHIFT), -H_LIMIT, H_LIMIT));
  }
}

WORKLOAD_TEXT(lm)
static __attribute__((noinline)) void project(uint8_t *scratch, uint8_t *state, uint32_t layer) {
  int8_t n[WIDTH];
  norm(n, scratch + H_AT);
  SUMS(3 * WIDTH, WIDTH, n, int8_t, state + QKV_AT + layer * WIDTH * 3 * WIDTH)
  const uint32_t slot = load_u32le(scratch + PLACE_IN_SCRATCH) % WINDOW;
  uint8_t *k = state + CACHE_AT + 2 * layer * CACHE_LEN + slot * WIDTH;
  rescale(scratch + Q_AT, sums, multiplier(state, of_layer(layer, Q)));
  rescale(k, sums + WIDTH, multiplier(state, of_layer(layer, K)));
  rescale(k + CACHE_LEN, sums + 2 * WIDTH, multiplier(state, of_layer(layer, V)));
}

/* One head of the attention: its |mix| in steps of v / 256. */
WORKLOAD_TEXT(lm)
static __attribute__((noinline)) void attend_head(int32_t mix[HEAD], const uint8_t *q, const uint8_t *k,
                                                  const uint8_t *bias, uint32_t scale, uint32_t place) {
  const uint32_t length = place < WINDOW ? place + 1u : WINDOW;
  int32_t scores[WINDOW], largest = -SCORE_LIMIT;
  for (uint32_t d = 0; d < length; d++) {
    const uint8_t *at = k + (place - d) % WINDOW * WIDTH;
    int32_t sum = 0;
    for (uint32_t i = 0; i < HEAD; i++) {
      sum += (int16_t)((int8_t)q[i] * (int8_t)at[i]);
    }
    const int64_t score = shifted((int64_t)sum * scale, WIDE_SHIFT) + (int8_t)bias[d] * (1 << BIAS_SHIFT);
    scores[d] = clamped(score, -SCORE_LIMIT, SCORE_LIMIT);
    largest = scores[d] > largest ? scores[d] : largest;
  }
  int32_t sums[HEAD] = {0};
  uint32_t total = 0;
  for (uint32_t d = 0; d < length; d++) {
    const uint8_t *at = k + CACHE_LEN + (place - d) % WINDOW * WIDTH;
    const uint32_t p = power((uint32_t)(largest - scores[d]));
    const int16_t weight = (int16_t)p; /* at most 2^14 */
    total += p;
    for (uint32_t i = 0; i < HEAD; i++) {
      sums[i] += weight * (int8_t)at[i];
    }
  }
  const int64_t inverse = (int64_t)reciprocal(total, 36);
  for (uint32_t i = 0; i < HEAD; i++) {
    mix[i] = (int32_t)shifted(sums[i] * inverse, 36 - 8);
  }
}

WORKLOAD_TEXT(lm)
static __attribute__((noinline)) void attend(uint8_t *scratch, const uint8_t *state, uint32_t layer) {
  const uint32_t place = load_u32le(scratch + PLACE_IN_SCRATCH);
  const uint32_t scale = multiplier(state, of_layer(layer, SCORE));
  int32_t mix[WIDTH];
  for (uint32_t head = 0; head < HEADS; head++) {
    attend_head(mix + head * HEAD, scratch + Q_AT + head * HEAD,
                state + CACHE_AT + 2 * layer * CACHE_LEN + head * HEAD,
                state + BIAS_AT + (layer * HEADS + head) * WINDOW, scale, place);
  }
  rescale(scratch + MIX_AT, mix, multiplier(state, of_layer(layer, MIX)));
}

WORKLOAD_TEXT(lm)
static __attribute__((noinline)) void out(uint8_t *scratch, const uint8_t *state, uint32_t layer) {
  const uint8_t *mix = scratch + MIX_AT;
  SUMS(WIDTH, WIDTH, mix, int8_t, state + OUT_AT + layer * WIDTH * WIDTH)
  add(scratch + H_AT, sums, multiplier(state, of_layer(layer, OUT)));
}

WORKLOAD_TEXT(lm)
static __attribute__((noinline)) void up(uint8_t *scratch, const uint8_t *state, uint32_t layer) {
  int8_t n[WIDTH];
  norm(n, scratch + H_AT);
  SUMS(HIDDEN, WIDTH, n, int8_t, state + UP_AT + layer * WIDTH * HIDDEN)
  const uint32_t scale = multiplier(state, of_layer(layer, UP));
  for (uint32_t i = 0; i < HIDDEN; i++) {
    scratch[HIDDEN_AT + i] = (uint8_t)clamped(shifted((int64_t)sums[i] * scale, SCALE_SHIFT), 0, 255);
  }
}

WORKLOAD_TEXT(lm)
static __attribute__((noinline)) void down(uint8_t *scratch, const uint8_t *state, uint32_t layer) {
  const uint8_t *hidden = scratch + HIDDEN_AT;
  SUMS(WIDTH, HIDDEN, hidden, uint8_t, state + DOWN_AT + layer * HIDDEN * WIDTH)
  add(scratch + H_AT, sums, multiplier(state, of_layer(layer, DOWN)));
}

WORKLOAD_TEXT(lm)
static __attribute__((noinline)) void predict(uint8_t *scratch, const uint8_t *state) {
  int8_t n[WIDTH];
  norm(n, scratch + H_AT);
  const uint32_t scale = multiplier(state, LOGIT);
  for (uint32_t c = 0; c < LM_CHARACTERS; c++) {
    const uint8_t *weights = state + EMBED_AT + c * WIDTH;
    int32_t sum = 0;
    for (uint32_t i = 0; i < WIDTH; i++) {
      sum += (int16_t)(n[i] * (int8_t)weights[i]);
    }
    store_u32le(scratch + SCORES_AT + 4u * c,
                (uint32_t)clamped(shifted((int64_t)sum * scale, WIDE_SHIFT), -SCORE_LIMIT, SCORE_LIMIT));
  }
}

/* The number of the next character, from the cumulated powers of the scores, sharpened by a temperature of 0.8. */
WORKLOAD_TEXT(lm)
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
WORKLOAD_TEXT(lm) static __attribute__((noinline)) void choose(const hil_workload_io_t *io) {
  uint32_t below[LM_CHARACTERS], total = 0;
  int32_t largest = -SCORE_LIMIT;
  for (uint32_t c = 0; c < LM_CHARACTERS; c++) {
    const int32_t score = load_i32(io->scratch + SCORES_AT + 4u * c);
    largest = score > largest ? score : largest;
  }
  largest = largest < SCORE_LIMIT ? largest : SCORE_LIMIT;
  for (uint32_t c = 0; c < LM_CHARACTERS; c++) {
    const int32_t score = clamped(load_i32(io->scratch + SCORES_AT + 4u * c), -SCORE_LIMIT, SCORE_LIMIT);
    below[c] = (uint32_t)(largest - score);
    total += power(below[c]);
  }
  const uint32_t forced = io->input[1], place = load_u32le(io->scratch + PLACE_IN_SCRATCH);
  const uint32_t next = forced < LM_CHARACTERS ? forced : draw(below, load_u32le(io->input + 4));
  store_u32le(io->output, (uint8_t)lm_characters[next]);
  store_u32le(io->output + 4, below[next] + log2_of(total));
  store_u32le(io->output + 8, place);
  store_u32le(io->output + 12, forced < LM_CHARACTERS);
  store_u32le(io->state + PLACE_AT, place + 1u);
  store_u32le(io->state + LAST_AT, next);
  store_u32le(io->state + STEPS_AT, load_u32le(io->state + STEPS_AT) + 1u);
}

WORKLOAD_TEXT(lm) static int step(const hil_workload_io_t *io, hil_progress_t *progress) {
  embed(io->scratch, io->state, io->input);
  if (progress_tick(progress)) {
    return HIL_ERR_STATE;
  }
  for (uint32_t phase = 0; phase < LAYERS * EACH_LAYER_TICKS; phase++) {
    const uint32_t layer = phase / EACH_LAYER_TICKS;
    switch (phase - layer * EACH_LAYER_TICKS) {
      case 0: project(io->scratch, io->state, layer); break;
      case 1: attend(io->scratch, io->state, layer); break;
      case 2: out(io->scratch, io->state, layer); break;
      case 3: up(io->scratch, io->state, layer); break;
      default: down(io->scratch, io->state, layer); break;
    }
    if (progress_tick(progress)) {
      return HIL_ERR_STATE;
    }
  }
  predict(io->scratch, io->state);
  if (progress_tick(progress)) {
    return HIL_ERR_STATE;
  }
  choose(io);
  return progress_tick(progress) ? HIL_ERR_STATE : HIL_OK;
}

extern const hil_workload_t workload_lm;
const hil_workload_t workload_lm = {
    .name = "lm",
    .state_len = STATE_LEN,
    .input_len = INPUT_LEN,
    .output_len = OUTPUT_LEN,
    .scratch_len = SCRATCH_LEN,
    .ticks = TICKS,
    .init = init,
    .input = input,
    .step = step,
    .text_begin = WORKLOAD_TEXT_BEGIN(lm),
    .text_end = WORKLOAD_TEXT_END(lm),
};
