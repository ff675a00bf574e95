/* Drawn experiments: the board draws the faults of a sample by itself. SPDX-License-Identifier: Apache-2.0
 *
 *   targets       | target | part |  and so on
 *   continuation  | CRC-32C of all targets (u32) | part |  and so on, one for each target
 *   target        | key (2 x u64) | faults (u64) | before (u64) | parts (u32) | space (u8) | first (u32) | length (u32) |
 *   part          | part (u32) | left (u16) |
 *
 * Invariants:
 *   1. What draws_read accepts draws faults of this frame or a later one, in ascending order: the first is not
 *      before |before|, and each part lies behind the one before it.
 *   2. No sum or product wraps: |faults| <= 2^62 and |parts| < 2^31 (see number_of). */
#include "draws.h"

#include <string.h>

#include "bytes.h"
#include "crc32c.h"
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

/* Whether the target, and what is to be drawn of it, are such that the first experiment is found. */
static bool read_target(hil_draw_t *d, const uint8_t *bytes, const uint8_t *part) {
  d->key[0] = load_u64le(bytes);
  d->key[1] = load_u64le(bytes + 8);
  d->faults = load_u64le(bytes + 16);
  d->before = load_u64le(bytes + 24);
  d->parts = load_u32le(bytes + 32);
  d->space = bytes[36];
  d->first = load_u32le(bytes + 37);
  d->length = load_u32le(bytes + 41);
  d->part = load_u32le(part);
  d->left = load_u16le(part + 4);
  if (!d->faults || d->faults > FAULTS_MAX || !d->parts || d->parts > DRAW_PARTS_MAX) return false;
  if (d->space > SPACE_CPU || !d->length || d->length > UINT32_MAX / BITS) return false;
  if (d->part > d->parts || d->left > d->parts - d->part) return false;
  return !d->left || find(d);
}

/* What a request consists of: targets, and for each its part. */
typedef struct {
  size_t count;
  const uint8_t *target, *part; /* the first of them */
  size_t target_step, part_step; /* [byte] to the next */
} hil_draw_list_t;

static uint32_t check_of(const hil_draw_targets_t *targets) {
  return hil_crc32c(0, targets->bytes[0], (size_t)targets->count * DRAW_TARGET_BYTES);
}

static int find_list(const hil_draw_targets_t *targets, const hil_campaign_draws_t *m, hil_draw_list_t *out) {
  if (m->len > MESSAGE_PACKED_MAX) return HIL_ERR_PAYLOAD;
  if (!m->continued) {
    *out = (hil_draw_list_t){m->len / DRAW_BYTES, m->bytes, m->bytes + DRAW_TARGET_BYTES, DRAW_BYTES,
                             DRAW_BYTES};
    return m->len % DRAW_BYTES || out->count > DRAWS_MAX ? HIL_ERR_PAYLOAD : HIL_OK;
  }
  if (m->len < DRAW_CHECK_BYTES) return HIL_ERR_PAYLOAD;
  if (!targets->count || load_u32le(m->bytes) != check_of(targets)) return HIL_ERR_STATE;
  *out = (hil_draw_list_t){targets->count, targets->bytes[0], m->bytes + DRAW_CHECK_BYTES, DRAW_TARGET_BYTES,
                           DRAW_PART_BYTES};
  return m->len == DRAW_CHECK_BYTES + out->count * DRAW_PART_BYTES ? HIL_OK : HIL_ERR_PAYLOAD;
}

int draws_read(hil_draw_targets_t *targets, const hil_campaign_draws_t *m, hil_draw_t *draw,
               uint8_t *out_count) {
  hil_draw_list_t list;
  uint32_t experiments = 0;
  const int status = find_list(targets, m, &list);
  if (status != HIL_OK) return status;
  for (size_t i = 0; i < list.count; i++) {
    if (!read_target(&draw[i], list.target + i * list.target_step, list.part + i * list.part_step)) {
      return HIL_ERR_PAYLOAD;
    }
    experiments += draw[i].left;
  }
  if (experiments > CAMPAIGN_DRAWN_MAX) return HIL_ERR_ARG;
  if (!experiments) return HIL_ERR_PAYLOAD;
  *out_count = (uint8_t)list.count;
  if (m->continued) return HIL_OK;
  targets->count = *out_count;
  for (size_t i = 0; i < list.count; i++) {
    memcpy(targets->bytes[i], list.target + i * list.target_step, DRAW_TARGET_BYTES);
  }
  return HIL_OK;
}

void draw_next(hil_draw_t *d) {
  if (!d->left) return;
  d->part++;
  if (--d->left) (void)find(d); /* it is behind the one before */
}
