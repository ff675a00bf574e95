/* The experiments of a campaign: sites in, outcomes out. SPDX-License-Identifier: Apache-2.0
 *
 *   sites     | passed (varint) | 4 * byte + space (varint) | mask (u8) | bytes (u8) |  and so on
 *   outcomes  | 1 to 3 bits each, the lowest bit of a byte first | details (u8 each), those of the first last |
 *
 * A varint has 7 bits in each byte, the lowest first, and bit 7 set in all bytes but its last. It has at most
 * 64 bits and no byte more than it needs: one list has one meaning, and one meaning one list.
 *
 * Invariants:
 *   1. |at| <= |sites.len|: nothing past the list is read, also when it is cut off in the middle of a site.
 *   2. Positions never wrap: a sum beyond 64 bits is malformed.
 *   3. Outcomes grow from the front of |outcomes.bytes|, details from its end, and they never meet: where the
 *      next ones would, the list ends before them. At its end the details move up behind the outcomes.
 *   4. Coded outcomes are those of the first experiments of a request, and one of them at least: before each there is
 *      room for it.
 *
 * Most hits are masked, so that this outcome takes one bit, and the next two take two and three: a slow line
 * carries that many more experiments. */
#include "sites.h"

#include <string.h>

enum {
  VARINT_BITS = 7,
  TOP_SHIFT = 63, /* of the tenth byte of a varint: one bit is left */
  CODE_BITS_MAX = 3
};

/* By hil_outcome_t, the first bit lowest: no code is the beginning of another one. */
static const struct {
  uint8_t code, bits;
} codes[] = {
    [OUTCOME_MASKED] = {0, 1},
    [OUTCOME_LATENT] = {3, 3},
    [OUTCOME_SDC] = {1, 2},
    [OUTCOME_FAILED] = {7, CODE_BITS_MAX},
};

#define BYTES_OF(bits) (((bits) + 7u) / 8u)

_Static_assert(BYTES_OF(CODE_BITS_MAX *CAMPAIGN_EXPERIMENTS_MAX) + CAMPAIGN_EXPERIMENTS_MAX <=
                   MESSAGE_PACKED_MAX,
               "the outcomes of a full list fit, each with a byte more");
_Static_assert(BYTES_OF(CODE_BITS_MAX) + SITES_DETAILS_MAX <= MESSAGE_PACKED_MAX,
               "one experiment fits, whatever its details");

/* --- reading -------------------------------------------------------------------------------------------- */

static bool read_varint(hil_campaign_run_t *run, uint64_t *out) {
  *out = 0;
  for (unsigned shift = 0; shift <= TOP_SHIFT && run->at < run->sites.len; shift += VARINT_BITS) {
    const uint8_t byte = run->sites.bytes[run->at++];
    if (shift == TOP_SHIFT && byte > 1u) return false;
    *out |= (uint64_t)(byte & 0x7fu) << shift;
    if (!(byte & 0x80u)) return byte || !shift;
  }
  return false;
}

static uint8_t lowest_bit(unsigned mask) { return (uint8_t)(mask & (0u - mask)); }

/* Read the next site. False if the bytes are not one. */
static bool read_site(hil_campaign_run_t *run) {
  uint64_t passed, place;
  hil_campaign_site_t *site = &run->site;
  if (!read_varint(run, &passed) || !read_varint(run, &place) || run->sites.len - run->at < 2) return false;
  if (passed > UINT64_MAX - site->position) return false;
  site->position += passed;
  site->space = (uint8_t)(place & 3u);
  site->byte = place >> 2;
  site->mask = run->sites.bytes[run->at++];
  site->bytes = run->sites.bytes[run->at++];
  site->bit = lowest_bit(site->mask);
  return site->mask && site->bytes;
}

static void rewind_sites(hil_campaign_run_t *run) {
  memset(&run->site, 0, sizeof run->site);
  run->at = 0;
}

static uint32_t bits_of(unsigned mask) {
  uint32_t count = 0;
  for (; mask; mask &= mask - 1u) count++;
  return count;
}

/* --- drawing ------------------------------------------------------------------------------------------- */

/* The target whose next experiment comes first; null if none is left. */
static hil_draw_t *next_drawn(hil_campaign_run_t *run) {
  hil_draw_t *next = NULL;
  for (size_t i = 0; i < run->draws; i++) {
    hil_draw_t *d = &run->draw[i];
    if (d->left && (!next || d->position < next->position)) next = d;
  }
  return next;
}

/* Make the next drawn experiment the site. */
static void take_drawn(hil_campaign_run_t *run) {
  hil_campaign_site_t *site = &run->site;
  hil_draw_t *d = next_drawn(run);
  site->bit = 0;
  if (!d) return;
  site->position = d->position;
  site->byte = (uint64_t)d->first + d->place / 8u;
  site->space = d->space;
  site->bit = site->mask = (uint8_t)(1u << d->place % 8u);
  site->bytes = 1;
  run->of = (hil_outcome_of_t){d->place / 8u, (uint8_t)(d - run->draw)};
  draw_next(d);
}

/* Count the experiments of the whole list. */
static int count_experiments(hil_campaign_run_t *run, uint32_t *out) {
  *out = 0;
  rewind_sites(run);
  while (run->at < run->sites.len) {
    if (!read_site(run)) return HIL_ERR_PAYLOAD;
    *out += bits_of(run->site.mask) * run->site.bytes;
    if (*out > CAMPAIGN_EXPERIMENTS_MAX) return HIL_ERR_ARG;
  }
  return *out ? HIL_OK : HIL_ERR_PAYLOAD;
}

int sites_begin(hil_campaign_run_t *run) {
  uint32_t count = 0;
  memset(&run->outcomes, 0, sizeof run->outcomes);
  run->coded = run->drawn = 0;
  const int status = run->sites.len <= MESSAGE_PACKED_MAX ? count_experiments(run, &count) : HIL_ERR_PAYLOAD;
  rewind_sites(run);
  if (status != HIL_OK) return status;
  run->bits = 0;
  run->tail = MESSAGE_PACKED_MAX;
  return read_site(run) ? HIL_OK : HIL_ERR_PAYLOAD;
}

/* Whose outcome the next one is: listed sites are of a target for each space. */
static void name_listed(hil_campaign_run_t *run) {
  run->of = (hil_outcome_of_t){(uint32_t)run->site.byte, run->site.space};
}

int sites_begin_coded(hil_campaign_run_t *run) {
  const int status = sites_begin(run);
  if (status != HIL_OK) return status;
  if (run->sites.details != DETAIL_BITS) {
    run->site.bit = 0;
    return HIL_ERR_ARG;
  }
  run->coded = 1;
  outcome_coder_begin(&run->coder, true);
  name_listed(run);
  return HIL_OK;
}

int sites_begin_drawn(hil_campaign_run_t *run, hil_draw_targets_t *targets, const hil_campaign_draws_t *m) {
  memset(&run->outcomes, 0, sizeof run->outcomes);
  memset(&run->sites, 0, sizeof run->sites);
  rewind_sites(run);
  run->draws = 0;
  run->coded = run->drawn = 1;
  const int status = draws_read(targets, m, run->draw, &run->draws);
  if (status != HIL_OK) return status;
  run->sites.details = DETAIL_BITS;
  outcome_coder_begin(&run->coder, false);
  take_drawn(run);
  return HIL_OK;
}

/* --- working through it ---------------------------------------------------------------------------------- */

/* Bits from the lowest, then bytes, then sites. */
static void go_to_next(hil_campaign_run_t *run) {
  hil_campaign_site_t *site = &run->site;
  const unsigned higher = site->mask & ~(2u * site->bit - 1u);
  site->bit = lowest_bit(higher ? higher : site->mask);
  if (higher) return;
  site->byte++;
  if (--site->bytes) return;
  site->bit = 0;
  if (run->at < run->sites.len) (void)read_site(run); /* it was read before: it is one */
}

static void go_to_next_coded(hil_campaign_run_t *run) {
  if (run->drawn) {
    take_drawn(run);
  } else {
    go_to_next(run);
    name_listed(run);
  }
}

/* What there is becomes the answer of a RUN. */
static void finish(hil_campaign_run_t *run) {
  hil_campaign_outcomes_t *out = &run->outcomes;
  const size_t head = BYTES_OF(run->bits), len = sizeof out->bytes - run->tail;
  memmove(out->bytes + head, out->bytes + run->tail, len);
  out->len = (uint16_t)(head + len);
  memset(out->bytes + out->len, 0, sizeof out->bytes - out->len);
  run->site.bit = 0;
}

static void put_code(hil_campaign_run_t *run, unsigned code, unsigned bits) {
  for (; bits; bits--, code >>= 1) {
    uint8_t *packed = &run->outcomes.bytes[run->bits / 8u];
    *packed = (uint8_t)(*packed | (code & 1u) << run->bits % 8u);
    run->bits++;
  }
}

static void finish_coded(hil_campaign_run_t *run) {
  run->outcomes.len = (uint16_t)outcome_coder_end(&run->coder, run->outcomes.bytes);
  memset(run->outcomes.bytes + run->outcomes.len, 0, sizeof run->outcomes.bytes - run->outcomes.len);
  run->site.bit = 0;
}

static void put_coded(hil_campaign_run_t *run, hil_outcome_t outcome, uint8_t detail) {
  outcome_coder_put(&run->coder, run->outcomes.bytes, &run->of, outcome, detail);
  run->outcomes.count++;
  go_to_next_coded(run);
  if (!run->site.bit || !outcome_coder_has_room(&run->coder, sizeof run->outcomes.bytes)) finish_coded(run);
}

void sites_put_details(hil_campaign_run_t *run, hil_outcome_t outcome, const uint8_t *details, size_t len) {
  const unsigned which = (unsigned)outcome & 3u;
  if (!run->site.bit) return;
  if (run->coded) {
    put_coded(run, (hil_outcome_t)which, len ? details[0] : 0);
    return;
  }
  if (BYTES_OF((size_t)run->bits + codes[which].bits) + len > run->tail) {
    finish(run);
    return;
  }
  put_code(run, codes[which].code, codes[which].bits);
  run->outcomes.count++;
  for (size_t i = 0; i < len; i++) run->outcomes.bytes[--run->tail] = details[i];
  go_to_next(run);
  if (!run->site.bit) finish(run);
}

void sites_put(hil_campaign_run_t *run, hil_outcome_t outcome, uint8_t detail) {
  const bool kept =
      outcome == OUTCOME_FAILED || (outcome == OUTCOME_SDC && (run->sites.details & DETAIL_BITS));
  sites_put_details(run, outcome, &detail, kept ? 1 : 0);
}

/* --- coded outcomes ------------------------------------------------------------------------------------ */

int sites_read_coded(hil_campaign_run_t *run, const hil_campaign_outcomes_t *answer, uint8_t *out_outcomes,
                     uint8_t *out_details, size_t *out_details_len) {
  size_t details = 0;
  int status = answer->len <= MESSAGE_PACKED_MAX && answer->count ? HIL_OK : HIL_ERR_PAYLOAD;
  if (status == HIL_OK) outcome_coder_open(&run->coder, !run->drawn, answer->bytes, answer->len);
  for (size_t i = 0; status == HIL_OK && i < answer->count; i++) {
    if (!run->site.bit) {
      status = HIL_ERR_PAYLOAD;
      break;
    }
    uint8_t detail;
    const hil_outcome_t outcome =
        outcome_coder_get(&run->coder, answer->bytes, answer->len, &run->of, &detail);
    out_outcomes[i] = (uint8_t)outcome;
    if (outcome_has_detail(outcome)) out_details[details++] = detail;
    go_to_next_coded(run);
  }
  if (status == HIL_OK && !outcome_coder_at_end(&run->coder, answer->bytes, answer->len)) {
    status = HIL_ERR_PAYLOAD;
  }
  run->site.bit = 0;
  *out_details_len = details;
  return status;
}
