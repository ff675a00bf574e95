/* Workload: int8 convolutional digit classifier. SPDX-License-Identifier: Apache-2.0
 *
 *   pixels 8x8 -> conv 3x3, C1 channels, ReLU -> conv 3x3 stride 2, C2 channels, ReLU
 *   -> dense, 10 logits
 *
 * Weights int8, activations 0..127, sums int32, rescaled by a fixed-point multiplier:
 *   activation = min(127, (max(0, sum + bias) * multiplier + 2^23) >> 24)
 * The network that runs is the one in state: an upset there can hit a weight. Weights, images and
 * labels come from train_infer.py by way of infer_tables.h.
 *
 * State: see the offsets below. Each step counts itself, tallies the class it chose, and folds the
 * output bytes into an FNV-1a sum.  Output: class u32, ten logits i32, four zero bytes. */
#include <string.h>

#include "bytes.h"
#include "infer_tables.h"
#include "philox.h"
#include "workload.h"

enum {
  C1 = INFER_C1,
  C2 = INFER_C2,
  SIDE1 = 8, /* [pixel] of the image and of the first layer */
  SIDE2 = 4, /* of the second layer */
  CLASSES = 10,
  FEATURES = SIDE2 * SIDE2 * C2,
  RESCALE_SHIFT = 24,

  STEPS_AT = 0,                       /* u64 */
  SUM_AT = STEPS_AT + 8,              /* u64 */
  TALLY_AT = SUM_AT + 8,              /* CLASSES u32 */
  SCALES_AT = TALLY_AT + 4 * CLASSES, /* 2 u32: the multipliers */
  BIASES1_AT = SCALES_AT + 4 * 2,     /* i32 */
  BIASES2_AT = BIASES1_AT + 4 * C1,
  BIASES3_AT = BIASES2_AT + 4 * C2,
  WEIGHTS1_AT = BIASES3_AT + 4 * CLASSES,  /* i8 [ky][kx][C1] */
  WEIGHTS2_AT = WEIGHTS1_AT + 9 * C1,      /* i8 [ky][kx][C1][C2] */
  WEIGHTS3_AT = WEIGHTS2_AT + 9 * C1 * C2, /* i8 [FEATURES][CLASSES] */
  STATE_LEN = WEIGHTS3_AT + FEATURES * CLASSES,

  /* In scratch: activations with a border of one zero pixel where a 3x3 window needs it. */
  PADDED = SIDE1 + 2,
  LAYER0_AT = 0,
  LAYER1_AT = LAYER0_AT + PADDED * PADDED,
  LAYER2_AT = LAYER1_AT + PADDED * PADDED * C1,
  SCRATCH_LEN = LAYER2_AT + FEATURES,

  OUTPUT_LEN = 48,
  TICKS = SIDE1 + SIDE2 + 2 /* each row of a layer, dense layer, class */
};
#define STREAM UINT64_C(0x776c2e696e666572) /* "wl.infer" */

WORKLOAD_TEXT_BOUNDS(infer);

static void store_biases(uint8_t *at, const int32_t *biases, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    store_u32le(at + 4u * i, (uint32_t)biases[i]);
  }
}

static void init(uint8_t *state, uint64_t seed) {
  (void)seed; /* the network is the same for every seed */
  memset(state, 0, SCALES_AT);
  store_u32le(state + SCALES_AT, infer_multipliers[0]);
  store_u32le(state + SCALES_AT + 4, infer_multipliers[1]);
  store_biases(state + BIASES1_AT, infer_conv1_biases, C1);
  store_biases(state + BIASES2_AT, infer_conv2_biases, C2);
  store_biases(state + BIASES3_AT, infer_dense_biases, CLASSES);
  memcpy(state + WEIGHTS1_AT, infer_conv1_weights, sizeof infer_conv1_weights);
  memcpy(state + WEIGHTS2_AT, infer_conv2_weights, sizeof infer_conv2_weights);
  memcpy(state + WEIGHTS3_AT, infer_dense_weights, sizeof infer_dense_weights);
}

static void input(uint8_t *in, uint64_t seed, uint64_t frame) {
  const uint64_t key[2] = {seed, STREAM}, counter[4] = {frame, 0, 0, 0};
  uint64_t random[4];
  philox_block(counter, key, random);
  memcpy(in, infer_images + (random[0] >> 32) * INFER_HELD_OUT / (UINT64_C(1) << 32) * 64, 64);
}

WORKLOAD_TEXT(infer) static uint8_t rescale(int32_t sum, const uint8_t *bias, uint32_t multiplier) {
  const uint32_t biased = (uint32_t)sum + load_u32le(bias); /* wraps if upset */
  if (biased >> 31) {
    return 0;
  }
  const uint64_t scaled =
      ((uint64_t)biased * multiplier + (UINT64_C(1) << (RESCALE_SHIFT - 1))) >> RESCALE_SHIFT;
  return (uint8_t)(scaled < 127 ? scaled : 127);
}

/* Add |value| * each weight to its sum. Never overflows: at most 256 products below 2^15. */
WORKLOAD_TEXT(infer)
static inline void accumulate(int32_t *sums, uint8_t value, const uint8_t *weights, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    sums[i] += (int16_t)(value * (int8_t)weights[i]);
  }
}

/* Copy the image into the padded layer 0 and clear the border of layer 1. */
WORKLOAD_TEXT(infer) static __attribute__((noinline)) void pad(uint8_t *scratch, const uint8_t *image) {
  memset(scratch, 0, LAYER2_AT);
  for (uint32_t y = 0; y < SIDE1; y++) {
    memcpy(scratch + LAYER0_AT + (y + 1) * PADDED + 1, image + y * SIDE1, SIDE1);
  }
}

/* Row |y| of the first layer. */
WORKLOAD_TEXT(infer)
static __attribute__((noinline)) void convolve1(uint8_t *scratch, const uint8_t *state, uint32_t y) {
  const uint32_t multiplier = load_u32le(state + SCALES_AT);
  for (uint32_t x = 0; x < SIDE1; x++) {
    int32_t sums[C1] = {0};
    for (uint32_t k = 0; k < 9; k++) {
      accumulate(sums, scratch[LAYER0_AT + (y + k / 3) * PADDED + x + k % 3], state + WEIGHTS1_AT + k * C1,
                 C1);
    }
    uint8_t *out = scratch + LAYER1_AT + ((y + 1) * PADDED + x + 1) * C1;
    for (uint32_t c = 0; c < C1; c++) {
      out[c] = rescale(sums[c], state + BIASES1_AT + 4u * c, multiplier);
    }
  }
}

/* Row |y| of the second layer. */
WORKLOAD_TEXT(infer)
static __attribute__((noinline)) void convolve2(uint8_t *scratch, const uint8_t *state, uint32_t y) {
  const uint32_t multiplier = load_u32le(state + SCALES_AT + 4);
  for (uint32_t x = 0; x < SIDE2; x++) {
    int32_t sums[C2] = {0};
    for (uint32_t k = 0; k < 9; k++) {
      const uint8_t *pixel = scratch + LAYER1_AT + ((2 * y + k / 3) * PADDED + 2 * x + k % 3) * C1;
      for (uint32_t c = 0; c < C1; c++) {
        accumulate(sums, pixel[c], state + WEIGHTS2_AT + (k * C1 + c) * C2, C2);
      }
    }
    uint8_t *out = scratch + LAYER2_AT + (y * SIDE2 + x) * C2;
    for (uint32_t c = 0; c < C2; c++) {
      out[c] = rescale(sums[c], state + BIASES2_AT + 4u * c, multiplier);
    }
  }
}

/* The logits, to the output. */
WORKLOAD_TEXT(infer)
static __attribute__((noinline)) void classify(uint8_t *logits, const uint8_t *state, const uint8_t *pooled) {
  int32_t sums[CLASSES] = {0};
  for (uint32_t i = 0; i < FEATURES; i++) {
    accumulate(sums, pooled[i], state + WEIGHTS3_AT + i * CLASSES, CLASSES);
  }
  for (uint32_t c = 0; c < CLASSES; c++) {
    store_u32le(logits + 4u * c, (uint32_t)sums[c] + load_u32le(state + BIASES3_AT + 4u * c));
  }
}

/* The first class of the largest logit. */
WORKLOAD_TEXT(infer) static __attribute__((noinline)) uint32_t choose(const uint8_t *logits) {
  uint32_t best = 0, best_key = 0;
  for (uint32_t c = 0; c < CLASSES; c++) {
    const uint32_t key = load_u32le(logits + 4u * c) ^ 0x80000000u; /* orders as signed */
    if (key > best_key) {
      best = c;
      best_key = key;
    }
  }
  return best;
}

/* Count the step and its class, and fold the output into the running sum. */
WORKLOAD_TEXT(infer)
static __attribute__((noinline)) void account(uint8_t *state, const uint8_t *output, uint32_t class) {
  uint8_t *tally = state + TALLY_AT + 4u * class;
  uint64_t sum = load_u64le(state + SUM_AT);
  for (uint32_t i = 0; i < OUTPUT_LEN; i++) {
    sum = (sum ^ output[i]) * UINT64_C(0x100000001b3);
  }
  store_u64le(state + SUM_AT, sum);
  store_u64le(state + STEPS_AT, load_u64le(state + STEPS_AT) + 1u);
  store_u32le(tally, load_u32le(tally) + 1u);
}

WORKLOAD_TEXT(infer) static int step(const hil_workload_io_t *io, hil_progress_t *progress) {
  pad(io->scratch, io->input);
  for (uint32_t y = 0; y < SIDE1; y++) {
    convolve1(io->scratch, io->state, y);
    if (progress_tick(progress)) {
      return HIL_ERR_STATE;
    }
  }
  for (uint32_t y = 0; y < SIDE2; y++) {
    convolve2(io->scratch, io->state, y);
    if (progress_tick(progress)) {
      return HIL_ERR_STATE;
    }
  }
  memset(io->output, 0, OUTPUT_LEN);
  classify(io->output + 4, io->state, io->scratch + LAYER2_AT);
  if (progress_tick(progress)) {
    return HIL_ERR_STATE;
  }
  const uint32_t class = choose(io->output + 4);
  store_u32le(io->output, class);
  account(io->state, io->output, class);
  return progress_tick(progress) ? HIL_ERR_STATE : HIL_OK;
}

extern const hil_workload_t workload_infer;
const hil_workload_t workload_infer = {
    .name = "infer",
    .state_len = STATE_LEN,
    .input_len = SIDE1 * SIDE1,
    .output_len = OUTPUT_LEN,
    .scratch_len = SCRATCH_LEN,
    .ticks = TICKS,
    .init = init,
    .input = input,
    .step = step,
    .text_begin = WORKLOAD_TEXT_BEGIN(infer),
    .text_end = WORKLOAD_TEXT_END(infer),
};
