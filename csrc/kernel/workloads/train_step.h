/* What the training workloads share: one mini-batch of stochastic gradient descent, in integers.
 * SPDX-License-Identifier: Apache-2.0
 *
 *   pixels 8x8 -> dense, HIDDEN units, ReLU -> dense, 10 logits -> soft-max, cross entropy
 *
 * Data: the images of infer_tables.h, which infer has not seen either. The first TRAIN_IMAGES are trained on, the
 * others (held out) come as inputs. All numbers are fixed point: weights, momentum, gradients, logits and losses
 * have 16 fractional bits (Q16), activations 8 (Q8, below 16.0), pixels 4. Of the sums of BATCH images
 *   momentum <- momentum - momentum / 8 + gradient,   weight <- weight - momentum / 2^RATE_SHIFT
 * Shifts round to the nearest, halves up. Weights and momentum wrap around, as a processor's integers do; logits are
 * clamped to +-256, errors of hidden units to +-64, changes to +-512 where they are squared. So there is no NaN and
 * no infinity that could spread, whatever an upset hits.
 *
 * The order of the data is state: a permutation of the images, shuffled as it is read (Fisher and Yates, one swap
 * for each image), so that each epoch has every image once.
 *
 * State: steps done u64 | generator u64 | place in the epoch u32 | held-out images recognised u32 | order u8[256] |
 * weights i32 | momentum i32, both [pixel][unit], [unit], [unit][class], [class]; then what a variant adds.
 * Input: 64 pixels 0..16 | label u32.
 * Output: mean loss of the mini-batch u32 | its images recognised u32 | of the input, before the update: loss u32,
 * class u32, logits i32[10] | sum of the squared changes of the weights u64 | digest of weights and momentum u64 |
 * steps done u64 | two counters of the variant u32.
 *
 * Whoever includes this has defined TRAIN_CODE, which puts a function into the section of the workload. */
#ifndef HIL_TRAIN_STEP_H
#define HIL_TRAIN_STEP_H

#include <stdbool.h>
#include <string.h>

#include "bytes.h"
#include "infer_tables.h"
#include "philox.h"
#include "workload.h"

enum {
  PIXELS = 64,
  HIDDEN = 16,
  CLASSES = 10,
  BATCH = 16,
  TRAIN_IMAGES = 256, /* as many as a byte counts: no index is wrong */
  BATCHES = TRAIN_IMAGES / BATCH,

  WEIGHTS1 = 0, /* the first of each kind of parameter */
  BIASES1 = WEIGHTS1 + PIXELS * HIDDEN,
  WEIGHTS2 = BIASES1 + HIDDEN,
  BIASES2 = WEIGHTS2 + HIDDEN * CLASSES,
  PARAMETERS = BIASES2 + CLASSES,

  STEPS_AT = 0,
  GENERATOR_AT = STEPS_AT + 8,
  PLACE_AT = GENERATOR_AT + 8,
  RECOGNISED_AT = PLACE_AT + 4,
  ORDER_AT = RECOGNISED_AT + 4,
  WEIGHTS_AT = ORDER_AT + TRAIN_IMAGES,
  MOMENTUM_AT = WEIGHTS_AT + 4 * PARAMETERS,
  TRAIN_LEN = MOMENTUM_AT + 4 * PARAMETERS, /* [byte] of the state that all variants have */

  GRADIENT_AT =
      0, /* in scratch; that of the first layer is 16 times as large: its pixels are whole numbers */
  PICKS_AT = GRADIENT_AT + 4 * PARAMETERS,
  LOSS_AT = PICKS_AT + BATCH,
  RIGHT_AT = LOSS_AT + 4,
  SCRATCH_LEN = RIGHT_AT + 4,

  LABEL_AT = PIXELS,
  INPUT_LEN = LABEL_AT + 4,

  OUT_LOSS = 0,
  OUT_RIGHT = 4,
  OUT_HELD_OUT = 8, /* loss, class, logits */
  OUT_NORM = OUT_HELD_OUT + 8 + 4 * CLASSES,
  OUT_DIGEST = OUT_NORM + 8,
  OUT_STEPS = OUT_DIGEST + 8,
  OUT_COUNTERS = OUT_STEPS + 8,
  OUTPUT_LEN = OUT_COUNTERS + 8,

  PIXEL_SHIFT = 4,
  ACTIVATION_SHIFT = 8, /* from Q16 to Q8 */
  ACTIVATION_MAX = 4095,
  MOMENTUM_SHIFT = 3,
  RATE_SHIFT = 8,
  LOGIT_MAX = 256 << 16,
  ERROR_MAX = 64 << 16,
  CHANGE_MAX = 512 << 16,

  LN_2 = 45426,   /* Q16 */
  LOG2_E = 94548, /* Q16 */

  TRAIN_TICKS =
      1 + 1 + BATCH /* the held-out image, the batch is drawn, each of its images; then the variant's */
};
#define TRAIN_STREAM UINT64_C(0x776c2e747261696e) /* "wl.train" */

/* The number that has these bits in two's complement. */
TRAIN_CODE static inline int32_t signed_of(uint32_t bits) {
  return bits <= INT32_MAX ? (int32_t)bits : (int32_t)(bits - 0x80000000u) - INT32_MAX - 1;
}

TRAIN_CODE static inline int32_t load_i32(const uint8_t *p) { return signed_of(load_u32le(p)); }

TRAIN_CODE static inline void store_i32(uint8_t *p, int32_t v) { store_u32le(p, (uint32_t)v); }

/* x / 2^by, rounded to the nearest, halves up. |x| is below 2^62. */
TRAIN_CODE static inline int64_t shifted(int64_t x, unsigned by) {
  const int64_t y = x + (INT64_C(1) << (by - 1u));
  return y >= 0 ? y >> by : ~(~y >> by);
}

TRAIN_CODE static inline int32_t clamped(int64_t x, int32_t limit) {
  return x > limit ? limit : x < -limit ? -limit : (int32_t)x;
}

TRAIN_CODE static inline const uint8_t *parameter(const uint8_t *state, uint32_t number) {
  return state + WEIGHTS_AT + (size_t)4 * number;
}

/* e^-x as Q15, of x as Q16: a power of two, and a polynomial between two of them (an error of 1e-4). */
TRAIN_CODE static inline uint32_t exponential(uint32_t x) {
  const uint64_t power = (uint64_t)x * LOG2_E >> 16;
  const uint32_t whole = (uint32_t)(power >> 16), part = (uint32_t)power & 0xffffu;
  uint32_t sum = 3657u - (571u * part >> 16);
  sum = 15744u - (sum * part >> 16);
  sum = 45426u - (sum * part >> 16);
  sum = 65536u - (sum * part >> 16);
  return whole < 16 ? sum >> (whole + 1u) : 0;
}

/* The natural logarithm as Q16 of a Q15 number from 1 up to 2^16, bit by bit. */
TRAIN_CODE static inline uint32_t logarithm(uint32_t x) {
  uint32_t whole = 15, bits = 0;
  while (whole < 31 && x >> (whole + 1u)) {
    whole++;
  }
  uint64_t square = (uint64_t)x << (31u - whole);
  for (uint32_t bit = 1u << 15; bit; bit >>= 1) {
    square = square * square >> 31;
    if (square >> 32) {
      square >>= 1;
      bits |= bit;
    }
  }
  return (uint32_t)((uint64_t)((whole - 15u) << 16 | bits) * LN_2 >> 16);
}

/* The activations of the hidden units for an image, as Q8. */
TRAIN_CODE
static __attribute__((noinline)) void activate(int32_t *hidden, const uint8_t *state, const uint8_t *image) {
  uint32_t sums[HIDDEN];
  for (uint32_t j = 0; j < HIDDEN; j++) {
    sums[j] = load_u32le(parameter(state, BIASES1 + j)) << PIXEL_SHIFT;
  }
  for (uint32_t i = 0; i < PIXELS; i++) {
    const uint8_t *row = parameter(state, WEIGHTS1 + i * HIDDEN);
    const uint32_t pixel = image[i];
    if (!pixel) {
      continue;
    }
    for (uint32_t j = 0; j < HIDDEN; j++) {
      sums[j] += pixel * load_u32le(row + 4u * j); /* wraps after an upset */
    }
  }
  for (uint32_t j = 0; j < HIDDEN; j++) {
    const int64_t sum = shifted(signed_of(sums[j]), PIXEL_SHIFT + ACTIVATION_SHIFT);
    hidden[j] = sum < 0 ? 0 : clamped(sum, ACTIVATION_MAX);
  }
}

/* The logits; returns the class: the first of the largest. */
TRAIN_CODE
static __attribute__((noinline)) uint32_t classify(int32_t *logits, const uint8_t *state,
                                                   const int32_t *hidden) {
  uint32_t best = 0;
  for (uint32_t c = 0; c < CLASSES; c++) {
    int64_t sum = (int64_t)load_i32(parameter(state, BIASES2 + c)) * (1 << ACTIVATION_SHIFT);
    for (uint32_t j = 0; j < HIDDEN; j++) {
      sum += (int64_t)load_i32(parameter(state, WEIGHTS2 + j * CLASSES + c)) * hidden[j];
    }
    logits[c] = clamped(shifted(sum, ACTIVATION_SHIFT), LOGIT_MAX);
    best = logits[c] > logits[best] ? c : best;
  }
  return best;
}

/* The loss for a label, any number; |errors|: probability less target, Q16. */
TRAIN_CODE static __attribute__((noinline)) uint32_t compare(int32_t *errors, const int32_t *logits,
                                                             uint32_t best, uint32_t label) {
  uint32_t shares[CLASSES], sum = 0;
  for (uint32_t c = 0; c < CLASSES; c++) {
    shares[c] = exponential((uint32_t)(logits[best] - logits[c]));
    sum += shares[c];
  }
  for (uint32_t c = 0; c < CLASSES; c++) {
    const uint32_t probability = ((shares[c] << 16) + sum / 2) / sum;
    errors[c] = (int32_t)probability - (c == label % CLASSES ? 1 << 16 : 0);
  }
  return logarithm(sum) + (uint32_t)(logits[best] - logits[label % CLASSES]);
}

TRAIN_CODE static inline void add(uint8_t *gradient, uint32_t number, uint32_t value) {
  uint8_t *at = gradient + (size_t)4 * number;
  store_u32le(at, load_u32le(at) + value);
}

/* Add the gradients of one image: those of the second layer, then those of the first. */
TRAIN_CODE static __attribute__((noinline)) void propagate(uint8_t *gradient, const uint8_t *state,
                                                           const uint8_t *image, const int32_t *hidden,
                                                           const int32_t *errors) {
  int32_t behind[HIDDEN]; /* the errors of the hidden units */
  for (uint32_t j = 0; j < HIDDEN; j++) {
    int64_t sum = 0;
    for (uint32_t c = 0; c < CLASSES; c++) {
      const uint32_t number = WEIGHTS2 + j * CLASSES + c;
      sum += (int64_t)load_i32(parameter(state, number)) * errors[c];
      add(gradient, number, (uint32_t)shifted((int64_t)hidden[j] * errors[c], ACTIVATION_SHIFT));
    }
    behind[j] = hidden[j] ? clamped(shifted(sum, 16), ERROR_MAX) : 0;
    add(gradient, BIASES1 + j, (uint32_t)behind[j] << PIXEL_SHIFT);
  }
  for (uint32_t c = 0; c < CLASSES; c++) {
    add(gradient, BIASES2 + c, (uint32_t)errors[c]);
  }
  for (uint32_t i = 0; i < PIXELS; i++) {
    uint8_t *row = gradient + (size_t)4 * (WEIGHTS1 + i * HIDDEN);
    const uint32_t pixel = image[i];
    if (!pixel) {
      continue;
    }
    for (uint32_t j = 0; j < HIDDEN; j++) {
      store_u32le(row + 4u * j, load_u32le(row + 4u * j) + pixel * (uint32_t)behind[j]);
    }
  }
}

/* Take image |at| of the mini-batch: its loss, and its part of the gradients. */
TRAIN_CODE static __attribute__((noinline)) void learn(uint8_t *scratch, const uint8_t *state, uint32_t at) {
  const uint32_t pick = scratch[PICKS_AT + at], label = infer_labels[pick];
  const uint8_t *image = infer_images + (size_t)PIXELS * pick;
  int32_t hidden[HIDDEN], logits[CLASSES], errors[CLASSES];
  activate(hidden, state, image);
  const uint32_t best = classify(logits, state, hidden);
  const uint32_t loss = compare(errors, logits, best, label);
  store_u32le(scratch + LOSS_AT, load_u32le(scratch + LOSS_AT) + loss);
  store_u32le(scratch + RIGHT_AT, load_u32le(scratch + RIGHT_AT) + (best == label ? 1u : 0u));
  propagate(scratch + GRADIENT_AT, state, image, hidden, errors);
}

/* Recognise the image of the input, with the weights before the update. */
TRAIN_CODE
static __attribute__((noinline)) void recognise(uint8_t *out, uint8_t *state, const uint8_t *input) {
  const uint32_t label = load_u32le(input + LABEL_AT);
  int32_t hidden[HIDDEN], logits[CLASSES], errors[CLASSES];
  activate(hidden, state, input);
  const uint32_t best = classify(logits, state, hidden);
  store_u32le(out, compare(errors, logits, best, label));
  store_u32le(out + 4, best);
  for (uint32_t c = 0; c < CLASSES; c++) {
    store_i32(out + 8 + 4u * c, logits[c]);
  }
  const uint32_t right = best == label ? 1u : 0u;
  store_u32le(state + RECOGNISED_AT, load_u32le(state + RECOGNISED_AT) + right);
}

/* Forget the gradients and losses of the mini-batch before. */
TRAIN_CODE static void forget(uint8_t *scratch) {
  memset(scratch + GRADIENT_AT, 0, (size_t)4 * PARAMETERS);
  memset(scratch + LOSS_AT, 0, 8);
}

/* Choose the images of the next mini-batch. */
TRAIN_CODE static __attribute__((noinline)) void draw(uint8_t *scratch, uint8_t *state) {
  uint64_t generator = load_u64le(state + GENERATOR_AT);
  uint32_t place = load_u32le(state + PLACE_AT);
  uint8_t *order = state + ORDER_AT;
  for (uint32_t k = 0; k < BATCH; k++) {
    place %= TRAIN_IMAGES;
    generator = generator * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407); /* Knuth's MMIX */
    const uint32_t other = place + (uint32_t)((generator >> 33) * (TRAIN_IMAGES - place) >> 31);
    const uint8_t chosen = order[other];
    order[other] = order[place];
    order[place] = chosen;
    scratch[PICKS_AT + k] = chosen;
    place++;
  }
  store_u64le(state + GENERATOR_AT, generator);
  store_u32le(state + PLACE_AT, place % TRAIN_IMAGES);
}

/* The momentum of a parameter after this mini-batch. */
TRAIN_CODE
static inline int32_t next_momentum(const uint8_t *state, const uint8_t *scratch, uint32_t number) {
  const int32_t momentum = load_i32(state + MOMENTUM_AT + (size_t)4 * number);
  const int32_t sum = load_i32(scratch + GRADIENT_AT + (size_t)4 * number);
  const int64_t gradient = number < WEIGHTS2 ? shifted(sum, PIXEL_SHIFT) : sum;
  return signed_of((uint32_t)((int64_t)momentum - shifted(momentum, MOMENTUM_SHIFT) + gradient));
}

/* The square of the change of a weight whose momentum is |momentum|. */
TRAIN_CODE
static inline uint64_t squared_change(int32_t momentum) {
  const int64_t change = clamped(shifted(momentum, RATE_SHIFT), CHANGE_MAX);
  return (uint64_t)(change * change);
}

/* Apply the gradients and count the step; the sum of the squared changes and the digest go to the output. */
TRAIN_CODE
static __attribute__((noinline)) void update(uint8_t *out, uint8_t *state, const uint8_t *scratch) {
  uint64_t norm = 0, digest = UINT64_C(0xcbf29ce484222325); /* FNV-1a, a parameter at a time */
  for (uint32_t i = 0; i < PARAMETERS; i++) {
    const int32_t momentum = next_momentum(state, scratch, i);
    uint8_t *at = state + WEIGHTS_AT + (size_t)4 * i;
    const uint32_t weight = load_u32le(at) - (uint32_t)shifted(momentum, RATE_SHIFT);
    store_u32le(at, weight);
    store_i32(state + MOMENTUM_AT + (size_t)4 * i, momentum);
    norm += squared_change(momentum);
    digest = (digest ^ ((uint64_t)(uint32_t)momentum << 32 | weight)) * UINT64_C(0x100000001b3);
  }
  store_u64le(out + OUT_NORM, norm);
  store_u64le(out + OUT_DIGEST, digest);
  store_u64le(state + STEPS_AT, load_u64le(state + STEPS_AT) + 1u);
}

/* The rest of the output. */
TRAIN_CODE static void report(uint8_t *out, const uint8_t *state, const uint8_t *scratch) {
  store_u32le(out + OUT_LOSS, load_u32le(scratch + LOSS_AT) / BATCH);
  store_u32le(out + OUT_RIGHT, load_u32le(scratch + RIGHT_AT));
  memcpy(out + OUT_STEPS, state + STEPS_AT, 8);
}

/* Everything up to the gradients of the mini-batch: TRAIN_TICKS ticks. */
TRAIN_CODE static int take_batch(const hil_workload_io_t *io, hil_progress_t *progress) {
  memset(io->output, 0, OUTPUT_LEN);
  recognise(io->output + OUT_HELD_OUT, io->state, io->input);
  if (progress_tick(progress)) {
    return HIL_ERR_STATE;
  }
  forget(io->scratch);
  draw(io->scratch, io->state);
  if (progress_tick(progress)) {
    return HIL_ERR_STATE;
  }
  for (uint32_t k = 0; k < BATCH; k++) {
    learn(io->scratch, io->state, k);
    if (progress_tick(progress)) {
      return HIL_ERR_STATE;
    }
  }
  return HIL_OK;
}

/* Random weights in +-0.3125, no momentum, the images in their order. */
static void train_init(uint8_t *state, uint64_t seed) {
  const uint64_t key[2] = {seed, TRAIN_STREAM};
  uint64_t random[4];
  memset(state, 0, TRAIN_LEN);
  for (uint32_t i = 0; i < PARAMETERS; i++) {
    if (i % 16 == 0) {
      const uint64_t counter[4] = {i / 16, 0, 0, 1};
      philox_block(counter, key, random);
    }
    const uint32_t bits = (uint32_t)(random[i % 16 / 4] >> (16 * (i % 4))) & 0xffffu;
    const bool bias = (i >= BIASES1 && i < WEIGHTS2) || i >= BIASES2;
    store_i32(state + WEIGHTS_AT + (size_t)4 * i, bias ? 0 : (int32_t)(bits * 5u / 8u) - 20480);
  }
  for (uint32_t i = 0; i < TRAIN_IMAGES; i++) {
    state[ORDER_AT + i] = (uint8_t)i;
  }
  const uint64_t counter[4] = {0, 0, 0, 2};
  philox_block(counter, key, random);
  store_u64le(state + GENERATOR_AT, random[0]);
}

/* An image that is not trained on, and its label. */
static void train_input(uint8_t *in, uint64_t seed, uint64_t frame) {
  const uint64_t key[2] = {seed, TRAIN_STREAM}, counter[4] = {frame, 0, 0, 0};
  uint64_t random[4];
  philox_block(counter, key, random);
  const uint64_t held_out = INFER_HELD_OUT - TRAIN_IMAGES;
  const uint64_t pick = TRAIN_IMAGES + ((random[0] >> 32) * held_out >> 32);
  memcpy(in, infer_images + PIXELS * pick, PIXELS);
  store_u32le(in + LABEL_AT, infer_labels[pick]);
}

#endif
