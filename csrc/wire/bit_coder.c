/* Arithmetic coding of bits whose probabilities are learnt. SPDX-License-Identifier: Apache-2.0
 *
 * Invariants:
 *   1. |range| >= 2^24 between two bits, and a model's probability is at least PROBABILITY_MIN away from 0 and 1: so
 *      neither part of the interval is empty.
 *   2. What was written, and |low| behind it, is less than 1: a carry ends within the bytes that were written.
 *   3. While reading, |low| < |range| for a stream that was written here; for any other bytes nothing but the bits
 *      is different. */
#include "bit_coder.h"

enum { BYTE = 8, TOP = 24, HALF = 32768, PROBABILITY_MIN = 32, COUNT_MAX = 30, BEGIN_BYTES = 4 };

static const uint32_t RANGE_MIN = UINT32_C(1) << TOP;

/* --- models --------------------------------------------------------------------------------------------- */

void bit_model_init(hil_bit_model_t *m) { *m = (hil_bit_model_t){HALF, 0}; }

/* The average of the bits so far, of which the oldest count less and less. */
static void learn(hil_bit_model_t *m, bool bit) {
  const uint32_t one = m->one, n = 2u * m->count + 3u;
  uint32_t now = bit ? one + 2u * (65536u - one) / n : one - 2u * one / n;
  if (now < PROBABILITY_MIN) now = PROBABILITY_MIN;
  if (now > 65536u - PROBABILITY_MIN) now = 65536u - PROBABILITY_MIN;
  m->one = (uint16_t)now;
  if (m->count < COUNT_MAX) m->count++;
}

/* The part of the interval that stands for 1, which is its lower one. */
static uint32_t part_of_one(const hil_bit_coder_t *c, uint32_t one) { return (c->range >> 16) * one; }

static uint32_t mean(const hil_bit_model_t *m, const hil_bit_model_t *n) {
  return ((uint32_t)m->one + n->one) / 2u;
}

/* --- writing -------------------------------------------------------------------------------------------- */

void bit_coder_begin(hil_bit_coder_t *c) { *c = (hil_bit_coder_t){0, UINT32_MAX, 0}; }

static void carry(const hil_bit_coder_t *c, uint8_t *out) {
  for (uint32_t i = c->at; i > 0; i--) {
    if (++out[i - 1u]) return;
  }
}

static void put(hil_bit_coder_t *c, uint8_t *out, uint32_t part, bool bit) {
  if (bit) {
    c->range = part;
  } else {
    c->low += part;
    if (c->low < part) carry(c, out);
    c->range -= part;
  }
  while (c->range < RANGE_MIN) {
    out[c->at++] = (uint8_t)(c->low >> TOP);
    c->low <<= BYTE;
    c->range <<= BYTE;
  }
}

void bit_coder_put(hil_bit_coder_t *c, uint8_t *out, hil_bit_model_t *m, bool bit) {
  put(c, out, part_of_one(c, m->one), bit);
  learn(m, bit);
}

void bit_coder_put_mean(hil_bit_coder_t *c, uint8_t *out, hil_bit_model_t *m, hil_bit_model_t *n, bool bit) {
  put(c, out, part_of_one(c, mean(m, n)), bit);
  learn(m, bit);
  learn(n, bit);
}

uint32_t bit_coder_end(hil_bit_coder_t *c, uint8_t *out) {
  /* the interval is wider than 2^24: it holds a number with one byte more, and zeros behind that */
  const uint32_t up = c->low + (RANGE_MIN - 1u);
  if (up < c->low) carry(c, out);
  out[c->at++] = (uint8_t)(up >> TOP);
  while (c->at && !out[c->at - 1u]) c->at--;
  return c->at;
}

uint32_t bit_coder_room(const hil_bit_coder_t *c, uint32_t bits) {
  return c->at + (bits * BIT_COST_MAX + BYTE - 1u) / BYTE +
         2u; /* what |low| holds already, and the last byte */
}

/* --- reading -------------------------------------------------------------------------------------------- */

static void read_byte(hil_bit_coder_t *c, const uint8_t *in, size_t len) {
  c->low = c->low << BYTE | (c->at < len ? in[c->at] : 0u);
  c->at++;
}

void bit_coder_open(hil_bit_coder_t *c, const uint8_t *in, size_t len) {
  bit_coder_begin(c);
  for (int i = 0; i < BEGIN_BYTES; i++) read_byte(c, in, len);
}

static bool get(hil_bit_coder_t *c, const uint8_t *in, size_t len, uint32_t part) {
  const bool bit = c->low < part;
  if (bit) {
    c->range = part;
  } else {
    c->low -= part;
    c->range -= part;
  }
  while (c->range < RANGE_MIN) {
    read_byte(c, in, len);
    c->range <<= BYTE;
  }
  return bit;
}

bool bit_coder_get(hil_bit_coder_t *c, const uint8_t *in, size_t len, hil_bit_model_t *m) {
  const bool bit = get(c, in, len, part_of_one(c, m->one));
  learn(m, bit);
  return bit;
}

bool bit_coder_get_mean(hil_bit_coder_t *c, const uint8_t *in, size_t len, hil_bit_model_t *m,
                        hil_bit_model_t *n) {
  const bool bit = get(c, in, len, part_of_one(c, mean(m, n)));
  learn(m, bit);
  learn(n, bit);
  return bit;
}

bool bit_coder_at_end(const hil_bit_coder_t *c, const uint8_t *in, size_t len) {
  return len <= c->at - (BEGIN_BYTES - 1u) && (!len || in[len - 1u]);
}
