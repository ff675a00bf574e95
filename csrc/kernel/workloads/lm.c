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
#include <string.h>

#include "bytes.h"
#include "lm_tables.h"
#include "philox.h"
#include "workload.h"

#define LM_CODE WORKLOAD_TEXT(lm)
#include "lm_step.h"

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
  memset(state, 0, LM_LEN);
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

WORKLOAD_TEXT(lm) static inline uint32_t multiplier(const uint8_t *state, uint32_t number) {
  return load_u32le(state + MULTIPLIERS_AT + 4u * number);
}

/* ---- The phases of a step ---- */

WORKLOAD_TEXT(lm)
static __attribute__((noinline)) void embed(uint8_t *scratch, const uint8_t *state, const uint8_t *in) {
  const int begins = in[0] & 1;
  const uint32_t last = begins ? 0 : load_u32le(state + LAST_AT);
  const uint32_t character = last < LM_CHARACTERS ? last : 0;
  store_u32le(scratch + PLACE_IN_SCRATCH, begins ? 0 : load_u32le(state + PLACE_AT));
  embed_character(scratch + H_AT, state + EMBED_AT + character * WIDTH, multiplier(state, EMBED));
}

WORKLOAD_TEXT(lm)
static __attribute__((noinline)) void project(uint8_t *scratch, uint8_t *state, uint32_t layer) {
  int8_t n[WIDTH];
  int32_t sums[3 * WIDTH] = {0};
  norm(n, scratch + H_AT);
  MULTIPLY(sums, 3 * WIDTH, WIDTH, n, int8_t, state + QKV_AT + layer * WIDTH * 3 * WIDTH)
  const uint32_t slot = load_u32le(scratch + PLACE_IN_SCRATCH) % WINDOW;
  uint8_t *k = state + CACHE_AT + 2 * layer * CACHE_LEN + slot * WIDTH;
  rescale(scratch + Q_AT, sums, multiplier(state, of_layer(layer, Q)));
  rescale(k, sums + WIDTH, multiplier(state, of_layer(layer, K)));
  rescale(k + CACHE_LEN, sums + 2 * WIDTH, multiplier(state, of_layer(layer, V)));
}

/* One head of the attention. */
WORKLOAD_TEXT(lm)
static __attribute__((noinline)) void attend_head(int32_t mix[HEAD], const uint8_t *q, const uint8_t *k,
                                                  const uint8_t *bias, uint32_t scale, uint32_t place) {
  int32_t values[WINDOW], sums[HEAD] = {0};
  multiply_keys(values, q, k, place);
  const uint32_t total = soft_max(values, bias, scale, in_sight(place));
  multiply_values(sums, values, k + CACHE_LEN, place);
  mean(mix, sums, total);
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
  int32_t sums[WIDTH] = {0};
  MULTIPLY(sums, WIDTH, WIDTH, mix, int8_t, state + OUT_AT + layer * WIDTH * WIDTH)
  add(scratch + H_AT, sums, multiplier(state, of_layer(layer, OUT)));
}

WORKLOAD_TEXT(lm)
static __attribute__((noinline)) void up(uint8_t *scratch, const uint8_t *state, uint32_t layer) {
  int8_t n[WIDTH];
  int32_t sums[HIDDEN] = {0};
  norm(n, scratch + H_AT);
  MULTIPLY(sums, HIDDEN, WIDTH, n, int8_t, state + UP_AT + layer * WIDTH * HIDDEN)
  rectify(scratch + HIDDEN_AT, sums, multiplier(state, of_layer(layer, UP)));
}

WORKLOAD_TEXT(lm)
static __attribute__((noinline)) void down(uint8_t *scratch, const uint8_t *state, uint32_t layer) {
  const uint8_t *hidden = scratch + HIDDEN_AT;
  int32_t sums[WIDTH] = {0};
  MULTIPLY(sums, WIDTH, HIDDEN, hidden, uint8_t, state + DOWN_AT + layer * HIDDEN * WIDTH)
  add(scratch + H_AT, sums, multiplier(state, of_layer(layer, DOWN)));
}

WORKLOAD_TEXT(lm)
static __attribute__((noinline)) void predict(uint8_t *scratch, const uint8_t *state) {
  int8_t n[WIDTH];
  int32_t sums[LM_CHARACTERS];
  norm(n, scratch + H_AT);
  multiply_characters(sums, n, state + EMBED_AT);
  store_scores(scratch + SCORES_AT, sums, multiplier(state, LOGIT));
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
  choose(io, io->scratch + SCORES_AT, load_u32le(io->scratch + PLACE_IN_SCRATCH));
  return progress_tick(progress) ? HIL_ERR_STATE : HIL_OK;
}

extern const hil_workload_t workload_lm;
const hil_workload_t workload_lm = {
    .name = "lm",
    .state_len = LM_LEN,
    .input_len = INPUT_LEN,
    .output_len = OUTPUT_LEN,
    .scratch_len = LM_SCRATCH_LEN,
    .ticks = PHASES,
    .init = init,
    .input = input,
    .step = step,
    .text_begin = WORKLOAD_TEXT_BEGIN(lm),
    .text_end = WORKLOAD_TEXT_END(lm),
};
