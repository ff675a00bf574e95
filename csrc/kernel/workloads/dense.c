/* Workloads: one classifier of digits in four number formats, and with protections in software.
 * SPDX-License-Identifier: Apache-2.0
 *
 *   x = (pixels 8x8 - 8) / 8 -> dense, HIDDEN units, ReLU -> dense, 10 logits [nat]
 *
 * dense-fp32   binary32, by the floating point of the processor
 * dense-bf16   bfloat16  } weights and activations; each product is that of binary32, and so are the sums,
 * dense-fp16   binary16  } in integers (soft_float.h)
 * dense-int8   weights int8, activations 0..127, sums int32; logits in units of 2^-16 nat
 * A sum begins with its bias (binary32; int8: int32) and takes its products in the order of the inputs. ReLU makes
 * +0 of what is negative, and leaves NaN. The class is the first with the largest logit; NaN is never chosen.
 * NaN in activations and logits is the one of soft_float.h: its bits are the same on every machine.
 *
 * Protections, each for what it says and nothing else; the output is that of the bare workload:
 * +clip     range restriction: activations and logits stay in the range of the training images; NaN becomes 0
 *           (so outputs of images beyond that range differ from the bare ones)
 * +parity   parity of the top exponent bit alone, for each row and column of weights: a row is checked when it
 *           is used, and the bit at the crossing of two wrong parities is put right
 * +dup      selective duplication: activations are stored twice, and the last layer is computed twice; where
 *           two differ, a third decides. Weights are not protected
 * +secded   weights and biases are SECDED words, checked and corrected (scrubbed) when they are used
 * A new protection of another workload follows this pattern: a constant for the step, which is inlined for each,
 * and a line NAME+PROTECTION in the registry. What it did stands in the last word of scratch (how many repairs in
 * this step): there nobody votes on it, so that a node that has repaired itself agrees with the others.
 *
 * State: steps u64 | biases, HIDDEN + 10 words | int8: multipliers of both layers, u32 | weights [input][output] of
 * both layers | check data of the protection. Input: 64 pixels 0..16, and the label, which no step reads: from it
 * and the output one knows the loss. Output: class u32, ten logits (binary32; int8: i32).
 * Weights and ranges come from train_dense.py by way of dense_tables.h. */
#include <string.h>

#include "bytes.h"
#include "dense_tables.h"
#include "infer_tables.h"
#include "philox.h"
#include "secded.h"
#include "soft_float.h"
#include "workload.h"

typedef enum { INT8, BF16, FP16, FP32 } hil_dense_format_t;
typedef enum { BARE, CLIP, PARITY, DUP, SECDED } hil_dense_protection_t;

/* One of these workloads. Always a constant: what does not belong to it is not compiled into its step. */
typedef struct {
  hil_dense_format_t format;
  hil_dense_protection_t protection;
} hil_dense_t;

enum {
  PIXELS = 64,
  HIDDEN = DENSE_HIDDEN,
  CLASSES = 10,
  WEIGHTS1 = PIXELS * HIDDEN,
  WEIGHTS2 = HIDDEN * CLASSES,
  ROWS = PIXELS + HIDDEN, /* of weights, in both layers: one for each input of a layer */
  MIDDLE = 8,             /* of the range of pixels */
  TOP_EXPONENT = 14,      /* [bit] of 16 */
  RESCALE_SHIFT = 24,
  LOGIT_SHIFT = 8,

  STEPS_AT = 0, /* u64 */
  BIASES_AT = STEPS_AT + 8,
  SCALES_AT = BIASES_AT + 4 * (HIDDEN + CLASSES),
  LABEL_AT = PIXELS,
  INPUT_LEN = LABEL_AT + 1,
  LOGITS_AT = 4,
  OUTPUT_LEN = LOGITS_AT + 4 * CLASSES,
  OCTET = 8,                           /* inputs between two ticks */
  TICKS = PIXELS / OCTET + 2,          /* octets of inputs, activations, the result */
  ROW_BITS_LEN = (ROWS + 7) / 8,       /* [byte] of +parity */
  COLUMN_BITS_LEN = HIDDEN / 8 + 2,    /* of both layers */
  WORD = 8                             /* [byte] of +secded */
};
#define STREAM UINT64_C(0x776c2e64656e7365) /* "wl.dense" */

/* Sizes and places that depend on the workload. */
#define WEIGHT_LEN(format) ((format) == INT8 ? 1 : (format) == FP32 ? 4 : 2)
#define WEIGHTS_AT(format) (SCALES_AT + ((format) == INT8 ? 8 : 0))
#define CHECKS_AT(format) (WEIGHTS_AT(format) + (WEIGHTS1 + WEIGHTS2) * WEIGHT_LEN(format))
#define WORDS(format) ((CHECKS_AT(format) - BIASES_AT) / WORD)
#define CHECKS_LEN(format, protection) \
  ((protection) == PARITY ? ROW_BITS_LEN + COLUMN_BITS_LEN : (protection) == SECDED ? WORDS(format) : 0)
#define STATE_LEN(format, protection) (CHECKS_AT(format) + CHECKS_LEN(format, protection))
/* Scratch: activations in their format, the same again for +dup, the number of repairs. */
#define COPY_AT(format) (HIDDEN * WEIGHT_LEN(format))
#define REPAIRS_AT(format, protection) (COPY_AT(format) * ((protection) == DUP ? 2 : 1))
#define SCRATCH_LEN(format, protection) (REPAIRS_AT(format, protection) + ((protection) == BARE ? 0 : 4))

_Static_assert(HIDDEN % OCTET == 0 && HIDDEN <= 32, "the column parities of a layer are one word");
_Static_assert((CHECKS_AT(INT8) - BIASES_AT) % WORD == 0 && (CHECKS_AT(BF16) - BIASES_AT) % WORD == 0,
               "parameters are whole words");

/* ---- Initial state and input ---- */

static uint32_t table_weight(hil_dense_format_t format, uint32_t i) {
  switch (format) {
    case INT8: return (uint8_t)dense_int8_weights[i];
    case BF16: return dense_bf16_weights[i];
    case FP16: return dense_fp16_weights[i];
    case FP32: break;
  }
  return dense_fp32_weights[i];
}

static void store_bytes(uint8_t *p, uint32_t value, uint32_t len) {
  for (uint32_t i = 0; i < len; i++) p[i] = (uint8_t)(value >> 8 * i);
}

static void put_parities(uint8_t *state, hil_dense_format_t format) {
  uint8_t *rows = state + CHECKS_AT(format), *columns = rows + ROW_BITS_LEN;
  memset(rows, 0, ROW_BITS_LEN + COLUMN_BITS_LEN);
  for (uint32_t i = 0; i < WEIGHTS1 + WEIGHTS2; i++) {
    const bool last = i >= WEIGHTS1;
    const uint32_t at = last ? i - WEIGHTS1 : i, width = last ? CLASSES : HIDDEN;
    const uint32_t row = at / width + (last ? PIXELS : 0u), column = at % width + (last ? HIDDEN : 0u);
    const uint32_t bit = table_weight(format, i) >> TOP_EXPONENT & 1u;
    rows[row / 8] = (uint8_t)(rows[row / 8] ^ bit << row % 8);
    columns[column / 8] = (uint8_t)(columns[column / 8] ^ bit << column % 8);
  }
}

static void dense_init(uint8_t *state, hil_dense_t d) {
  const int32_t *int8 = dense_int8_biases;
  const uint32_t *real = dense_f32_biases, len = WEIGHT_LEN(d.format);
  memset(state, 0, BIASES_AT);
  for (uint32_t i = 0; i < HIDDEN + CLASSES; i++) {
    store_u32le(state + BIASES_AT + 4u * i, d.format == INT8 ? (uint32_t)int8[i] : real[i]);
  }
  if (d.format == INT8) {
    store_u32le(state + SCALES_AT, dense_int8_multipliers[0]);
    store_u32le(state + SCALES_AT + 4, dense_int8_multipliers[1]);
  }
  for (uint32_t i = 0; i < WEIGHTS1 + WEIGHTS2; i++) {
    store_bytes(state + WEIGHTS_AT(d.format) + i * len, table_weight(d.format, i), len);
  }
  if (d.protection == PARITY) put_parities(state, d.format);
  if (d.protection == SECDED) {
    uint8_t *checks = state + CHECKS_AT(d.format);
    for (uint32_t i = 0; i < (uint32_t)WORDS(d.format); i++) {
      checks[i] = secded_encode(load_u64le(state + BIASES_AT + WORD * i));
    }
  }
}

static void input(uint8_t *in, uint64_t seed, uint64_t frame) {
  const uint64_t key[2] = {seed, STREAM}, counter[4] = {frame, 0, 0, 0};
  uint64_t random[4];
  philox_block(counter, key, random);
  const uint64_t image = (random[0] >> 32) * INFER_HELD_OUT / (UINT64_C(1) << 32);
  memcpy(in, infer_images + image * PIXELS, PIXELS);
  in[LABEL_AT] = infer_labels[image];
}

/* ---- What a step knows ---- */

typedef struct {
  uint8_t *state, *scratch;
  const uint8_t *input;
  uint32_t repairs;
  hil_dense_t d;
} hil_dense_step_t;

/* A layer: |inputs| rows of |outputs| weights; |row| and |bias|: number of its first, of both layers. */
typedef struct {
  uint32_t inputs, outputs, row, bias, weights_at;
} hil_dense_layer_t;

SOFT_INLINE hil_dense_layer_t layer_of(hil_dense_format_t format, bool last) {
  const uint32_t at = WEIGHTS_AT(format);
  return last ? (hil_dense_layer_t){HIDDEN, CLASSES, PIXELS, HIDDEN,
                                    at + (uint32_t)(WEIGHTS1 * WEIGHT_LEN(format))}
              : (hil_dense_layer_t){PIXELS, HIDDEN, 0, 0, at};
}

/* ---- +secded: words as they are used ---- */

SOFT_INLINE void mend_words(hil_dense_step_t *s, uint32_t first_byte, uint32_t end_byte) {
  uint8_t *checks = s->state + CHECKS_AT(s->d.format);
  for (uint32_t i = (first_byte - BIASES_AT) / WORD; WORD * i + BIASES_AT < end_byte; i++) {
    uint8_t *at = s->state + BIASES_AT + WORD * i;
    uint64_t word = load_u64le(at);
    if (secded_encode(word) != checks[i]) {
      s->repairs += secded_decode(&word, &checks[i]) == SECDED_CORRECTED;
      store_u64le(at, word);
    }
  }
}

/* The multipliers of int8, which one word holds. */
SOFT_INLINE void mend_scales(hil_dense_step_t *s) {
  if (s->d.protection == SECDED && s->d.format == INT8) mend_words(s, SCALES_AT, SCALES_AT + WORD);
}

/* ---- +parity: the top exponent bit of a row as it is used ---- */

SOFT_INLINE uint32_t bit_of(const uint8_t *bits, uint32_t i) { return (uint32_t)bits[i / 8] >> i % 8 & 1u; }

SOFT_INLINE void mend_bit(hil_dense_step_t *s, hil_dense_layer_t l, uint32_t row) {
  uint8_t *rows = s->state + CHECKS_AT(s->d.format);
  const uint8_t *columns = rows + ROW_BITS_LEN;
  bool found = false;
  for (uint32_t column = 0; column < l.outputs; column++) {
    uint32_t odd = bit_of(columns, l.bias + column);
    for (uint32_t i = 0; i < l.inputs; i++) {
      odd ^= load_u16le(s->state + l.weights_at + 2u * (i * l.outputs + column)) >> TOP_EXPONENT & 1u;
    }
    uint8_t *weight = s->state + l.weights_at + 2u * (row * l.outputs + column);
    if (odd) {
      store_u16le(weight, (uint16_t)((uint32_t)load_u16le(weight) ^ 1u << TOP_EXPONENT));
      found = true;
    }
  }
  const uint32_t number = l.row + row;
  if (!found) rows[number / 8] = (uint8_t)(rows[number / 8] ^ 1u << number % 8); /* the parity was hit */
  s->repairs++;
}

SOFT_INLINE void check_parity(hil_dense_step_t *s, hil_dense_layer_t l, uint32_t row) {
  const uint8_t *weights = s->state + l.weights_at + 2u * row * l.outputs;
  uint32_t odd = 0;
  for (uint32_t j = 0; j < l.outputs; j++) odd ^= load_u16le(weights + 2u * j);
  if ((odd >> TOP_EXPONENT & 1u) != bit_of(s->state + CHECKS_AT(s->d.format), l.row + row)) {
    mend_bit(s, l, row);
  }
}

/* ---- Arithmetic of a format ---- */

SOFT_INLINE uint32_t hardware_f32(uint32_t sum, uint32_t a, uint32_t b) {
  float s, x, y;
  memcpy(&s, &sum, sizeof s);
  memcpy(&x, &a, sizeof x);
  memcpy(&y, &b, sizeof y);
  s += x * y;
  memcpy(&sum, &s, sizeof s);
  return sum;
}

/* A weight or an activation at |at|, as arithmetic takes it: binary32 or a signed integer. */
SOFT_INLINE uint32_t number_at(hil_dense_format_t format, const uint8_t *at) {
  switch (format) {
    case INT8: return (uint32_t)(int32_t)(int8_t)*at;
    case BF16: return f32_of_bf16(load_u16le(at));
    case FP16: return f32_of_fp16(load_u16le(at));
    case FP32: break;
  }
  return load_u32le(at);
}

/* (pixel - 8) / 8; int8: pixel - 8. Whatever the pixel: exact. */
SOFT_INLINE uint32_t pixel_number(hil_dense_format_t format, uint8_t pixel) {
  const int32_t centred = (int32_t)pixel - MIDDLE;
  if (format == INT8) return (uint32_t)(int32_t)(int8_t)centred; /* what no pixel is wraps */
  const uint32_t size = (uint32_t)(centred < 0 ? -centred : centred), sign = centred < 0 ? F32_SIGN : 0u;
  return size ? f32_round(sign, size, -3) : 0u;
}

SOFT_INLINE uint32_t multiply_add(hil_dense_format_t format, uint32_t sum, uint32_t weight, uint32_t x) {
  if (format == INT8) return sum + (uint32_t)((int32_t)weight * (int32_t)x);
  if (format == FP32) return hardware_f32(sum, weight, x);
  return f32_add(sum, f32_mul(weight, x));
}

/* A sum that is complete, as an activation: 0..127, or rounded to the format; |unit| is its number. */
SOFT_INLINE uint32_t activation(const hil_dense_step_t *s, uint32_t sum, uint32_t unit) {
  if (s->d.format == INT8) {
    if (sum >> 31) return 0;
    const uint64_t half = UINT64_C(1) << (RESCALE_SHIFT - 1);
    const uint64_t scaled = ((uint64_t)sum * load_u32le(s->state + SCALES_AT) + half) >> RESCALE_SHIFT;
    return (uint32_t)(scaled < 127 ? scaled : 127);
  }
  uint32_t bits = f32_canonical(sum);
  if (bits & F32_SIGN) return 0;
  if (s->d.protection == CLIP && bits > dense_hidden_most[unit]) {
    bits = bits > F32_INFINITY ? 0u : dense_hidden_most[unit];
  }
  return s->d.format == BF16 ? bf16_of_f32(bits) : s->d.format == FP16 ? fp16_of_f32(bits) : bits;
}

/* A sum of the last layer as a logit. */
SOFT_INLINE uint32_t logit(const hil_dense_step_t *s, uint32_t sum, uint32_t class) {
  if (s->d.format == INT8) {
    const int64_t scaled = (int64_t)(int32_t)sum * load_u32le(s->state + SCALES_AT + 4);
    return (uint32_t)(((uint64_t)scaled + (1u << (LOGIT_SHIFT - 1))) >> LOGIT_SHIFT); /* wraps if upset */
  }
  const uint32_t bits = f32_canonical(sum), key = f32_key(bits);
  if (s->d.protection != CLIP) return bits;
  if (!key) return 0;
  const uint32_t least = dense_logit_least[class], most = dense_logit_most[class];
  return key < f32_key(least) ? least : key > f32_key(most) ? most : bits;
}

/* ---- Layers ---- */

SOFT_INLINE void begin_sums(hil_dense_step_t *s, hil_dense_layer_t l, uint32_t *sums) {
  const uint32_t at = BIASES_AT + 4u * l.bias;
  if (s->d.protection == SECDED) mend_words(s, at, at + 4u * l.outputs);
  for (uint32_t j = 0; j < l.outputs; j++) sums[j] = load_u32le(s->state + at + 4u * j);
}

/* Add input |x| of number |row| times its weights to the sums. */
SOFT_INLINE void add_row(hil_dense_step_t *s, hil_dense_layer_t l, uint32_t row, uint32_t x, uint32_t *sums) {
  const uint32_t len = WEIGHT_LEN(s->d.format), at = l.weights_at + row * l.outputs * len;
  if (s->d.protection == SECDED) mend_words(s, at, at + l.outputs * len);
  if (s->d.protection == PARITY) check_parity(s, l, row);
  for (uint32_t j = 0; j < l.outputs; j++) {
    sums[j] = multiply_add(s->d.format, sums[j], number_at(s->d.format, s->state + at + j * len), x);
  }
}

/* +dup: activation |unit| from the input once more. */
SOFT_INLINE uint32_t unit_again(hil_dense_step_t *s, uint32_t unit) {
  const hil_dense_layer_t l = layer_of(s->d.format, false);
  const uint32_t len = WEIGHT_LEN(s->d.format);
  uint32_t sum = load_u32le(s->state + BIASES_AT + 4u * unit);
  for (uint32_t i = 0; i < PIXELS; i++) {
    const uint8_t *weight = s->state + l.weights_at + (i * HIDDEN + unit) * len;
    sum = multiply_add(s->d.format, sum, number_at(s->d.format, weight),
                       pixel_number(s->d.format, s->input[i]));
  }
  return activation(s, sum, unit);
}

SOFT_INLINE void store_unit(const hil_dense_step_t *s, uint32_t unit, uint32_t value) {
  const uint32_t len = WEIGHT_LEN(s->d.format);
  store_bytes(s->scratch + unit * len, value, len);
  if (s->d.protection == DUP) store_bytes(s->scratch + COPY_AT(s->d.format) + unit * len, value, len);
}

/* Activation |unit|, as arithmetic takes it. */
SOFT_INLINE uint32_t unit_number(hil_dense_step_t *s, uint32_t unit) {
  const uint32_t len = WEIGHT_LEN(s->d.format);
  const uint8_t *at = s->scratch + unit * len;
  if (s->d.protection == DUP && memcmp(at, at + COPY_AT(s->d.format), len) != 0) {
    store_unit(s, unit, unit_again(s, unit));
    s->repairs++;
  }
  return number_at(s->d.format, at);
}

/* The sums of the last layer. |again|: a pointer of which the compiler must not know that it is |s->state|, or it
 * would compute what is duplicated once. */
SOFT_INLINE void last_layer(hil_dense_step_t *s, uint32_t *sums) {
  const hil_dense_layer_t l = layer_of(s->d.format, true);
  begin_sums(s, l, sums);
  for (uint32_t i = 0; i < HIDDEN; i++) add_row(s, l, i, unit_number(s, i), sums);
}

/* +dup: the same from the same memory, and once more where they differ. */
SOFT_INLINE void last_layer_again(hil_dense_step_t *s, uint32_t *sums) {
  uint8_t *volatile state = s->state; /* the compiler must not know it, or it would compute this once */
  uint32_t second[CLASSES], third[CLASSES];
  hil_dense_step_t other = *s;
  other.state = state;
  last_layer(&other, second);
  s->repairs = other.repairs;
  if (memcmp(sums, second, sizeof second) == 0) return;
  other.state = state;
  last_layer(&other, third);
  s->repairs = other.repairs + 1u;
  for (uint32_t c = 0; c < CLASSES; c++) {
    sums[c] = (sums[c] & second[c]) | (sums[c] & third[c]) | (second[c] & third[c]);
  }
}

/* ---- The step ---- */

SOFT_INLINE void write_output(const hil_dense_step_t *s, uint8_t *output, const uint32_t *sums) {
  uint32_t best = 0, best_key = 0;
  for (uint32_t c = 0; c < CLASSES; c++) {
    const uint32_t bits = logit(s, sums[c], c);
    const uint32_t key = s->d.format == INT8 ? bits ^ F32_SIGN : f32_key(bits); /* both order as signed */
    store_u32le(output + LOGITS_AT + 4u * c, bits);
    if (key > best_key) {
      best = c;
      best_key = key;
    }
  }
  store_u32le(output, best);
}

SOFT_INLINE int dense_step(const hil_workload_io_t *io, hil_progress_t *progress, hil_dense_t d) {
  hil_dense_step_t s = {io->state, io->scratch, io->input, 0, d};
  uint32_t sums[HIDDEN], logits[CLASSES];
  const hil_dense_layer_t first = layer_of(d.format, false);
  begin_sums(&s, first, sums);
  for (uint32_t i = 0; i < PIXELS; i++) {
    add_row(&s, first, i, pixel_number(d.format, s.input[i]), sums);
    if (i % OCTET == OCTET - 1 && progress_tick(progress)) return HIL_ERR_STATE;
  }
  mend_scales(&s);
  for (uint32_t j = 0; j < HIDDEN; j++) store_unit(&s, j, activation(&s, sums[j], j));
  if (progress_tick(progress)) return HIL_ERR_STATE;
  last_layer(&s, logits);
  if (d.protection == DUP) last_layer_again(&s, logits);
  mend_scales(&s);
  write_output(&s, io->output, logits);
  store_u64le(s.state + STEPS_AT, load_u64le(s.state + STEPS_AT) + 1u);
  if (d.protection != BARE) store_u32le(s.scratch + REPAIRS_AT(d.format, d.protection), s.repairs);
  return progress_tick(progress) ? HIL_ERR_STATE : HIL_OK;
}

/* ---- The workloads ---- */

#define DENSE(symbol, its_name, its_format, its_protection)                                         \
  WORKLOAD_TEXT_BOUNDS(symbol);                                                                     \
  static void init_##symbol(uint8_t *state, uint64_t seed) {                                        \
    (void)seed; /* the classifier is the same for every seed */                                     \
    dense_init(state, (hil_dense_t){its_format, its_protection});                                   \
  }                                                                                                 \
  WORKLOAD_TEXT(symbol)                                                                             \
  static int step_##symbol(const hil_workload_io_t *io, hil_progress_t *progress) {                 \
    return dense_step(io, progress, (hil_dense_t){its_format, its_protection});                     \
  }                                                                                                 \
  extern const hil_workload_t workload_##symbol;                                                    \
  const hil_workload_t workload_##symbol = {.name = (its_name),                                     \
                                            .state_len = STATE_LEN(its_format, its_protection),     \
                                            .input_len = INPUT_LEN,                                 \
                                            .output_len = OUTPUT_LEN,                               \
                                            .scratch_len = SCRATCH_LEN(its_format, its_protection), \
                                            .ticks = TICKS,                                         \
                                            .init = init_##symbol,                                  \
                                            .input = input,                                         \
                                            .step = step_##symbol,                                  \
                                            .text_begin = WORKLOAD_TEXT_BEGIN(symbol),              \
                                            .text_end = WORKLOAD_TEXT_END(symbol)}

DENSE(dense_int8, "dense-int8", INT8, BARE);
DENSE(dense_bf16, "dense-bf16", BF16, BARE);
DENSE(dense_fp16, "dense-fp16", FP16, BARE);
DENSE(dense_fp32, "dense-fp32", FP32, BARE);
DENSE(dense_bf16_clip, "dense-bf16+clip", BF16, CLIP);
DENSE(dense_fp16_clip, "dense-fp16+clip", FP16, CLIP);
DENSE(dense_fp32_clip, "dense-fp32+clip", FP32, CLIP);
DENSE(dense_bf16_parity, "dense-bf16+parity", BF16, PARITY);
DENSE(dense_fp16_parity, "dense-fp16+parity", FP16, PARITY);
DENSE(dense_int8_dup, "dense-int8+dup", INT8, DUP);
DENSE(dense_bf16_dup, "dense-bf16+dup", BF16, DUP);
DENSE(dense_int8_secded, "dense-int8+secded", INT8, SECDED);
DENSE(dense_bf16_secded, "dense-bf16+secded", BF16, SECDED);
