/* Drawn experiments: the board draws the faults of a sample by itself. SPDX-License-Identifier: Apache-2.0
 *
 *   | key (2 x u64) | faults (u64) | before (u64) | parts (u32) | part (u32) | left (u16) |
 *   | space (u8) | first (u32) | length (u32) |
 *
 * Invariants:
 *   1. What draw_read accepts draws faults of this frame or a later one, in ascending order: the first is not
 *      before |before|, and each part lies behind the one before it.
 *   2. No sum or product wraps: |faults| <= 2^62 and |parts| < 2^31 (see number_of). */
#include "draws.h"

#include "bytes.h"
#include "message.h"
#include "philox.h"

enum { BITS = 8, BLOCK_WORDS = 4 };

static const uint64_t FAULTS_MAX = UINT64_C(1) << 62;

/* The high half of a product, by schoolbook multiplication of 32-bit halves. */
static uint64_t high_half(uint64_t a, uint64_t b) {
  const uint64_t al = (uint32_t)a, ah = a >> 32, bl = (uint32_t)b, bh = b >> 32;
  const uint64_t middle = ah * bl + (al * bl >> 32);
  const uint64_t other = al * bh + (uint32_t)middle;
  return ah * bh + (middle >> 32) + (other >> 32);
}

static uint64_t word_of(const hil_draw_t *d) {
  const uint64_t counter[BLOCK_WORDS] = {d->part / BLOCK_WORDS + UINT64_C(1), 0, 0, 0};
  uint64_t words[BLOCK_WORDS];
  philox_block(counter, d->key, words);
  return words[d->part % BLOCK_WORDS];
}

/* The number of the fault that is drawn from |part|. faults = q parts + r; so it is q part + (r part + w) / parts,
 * with w < faults: r part < 2^62, and the sum in brackets below 2^63. */
static uint64_t number_of(const hil_draw_t *d) {
  const uint64_t within = d->faults % d->parts * d->part + high_half(d->faults, word_of(d));
  return d->faults / d->parts * d->part + within / d->parts;
}

/* Find the experiment of |part|. Whether it is of this frame or a later one. */
static bool find(hil_draw_t *d) {
  const uint64_t number = number_of(d);
  if (number < d->before) return false;
  const uint64_t of_moment = (uint64_t)d->length * BITS;
  d->position = (number - d->before) / of_moment;
  d->place = (uint32_t)((number - d->before) % of_moment);
  return true;
}

bool draw_read(hil_draw_t *d, const uint8_t *bytes) {
  d->key[0] = load_u64le(bytes);
  d->key[1] = load_u64le(bytes + 8);
  d->faults = load_u64le(bytes + 16);
  d->before = load_u64le(bytes + 24);
  d->parts = load_u32le(bytes + 32);
  d->part = load_u32le(bytes + 36);
  d->left = load_u16le(bytes + 40);
  d->space = bytes[42];
  d->first = load_u32le(bytes + 43);
  d->length = load_u32le(bytes + 47);
  if (!d->left || !d->faults || d->faults > FAULTS_MAX) return false;
  if (!d->parts || d->parts > DRAW_PARTS_MAX || d->part >= d->parts || d->left > d->parts - d->part)
    return false;
  if (d->space > SPACE_CPU || !d->length || d->length > UINT32_MAX / BITS) return false;
  return find(d);
}

void draw_next(hil_draw_t *d) {
  if (!d->left) return;
  d->part++;
  if (--d->left) (void)find(d); /* it is behind the one before */
}
