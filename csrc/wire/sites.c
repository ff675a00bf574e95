/* The experiments of a campaign: sites in, outcomes out. SPDX-License-Identifier: Apache-2.0
 *
 *   sites     | passed (varint) | 4 * byte + space (varint) | mask (u8) | bytes (u8) |  and so on
 *   outcomes  | 2 bits each, four in a byte, the first lowest | details (u8 each), in the order of theirs |
 *
 * A varint has 7 bits in each byte, the lowest first, and bit 7 set in all bytes but its last. It has at most
 * 64 bits and no byte more than it needs: one list has one meaning, and one meaning one list.
 *
 * Invariants:
 *   1. |at| <= |sites.len|: nothing past the list is read, also when it is cut off in the middle of a site.
 *   2. Positions never wrap: a sum beyond 64 bits is malformed.
 *   3. The number of experiments is known before the first one, so that the details can stand behind the
 *      outcomes from the start; both end within |outcomes.bytes|. Where the details of the next one do not fit
 *      any more, the list ends before it, and the details move up behind the outcomes that there are. */
#include "sites.h"

#include <string.h>

enum {
  VARINT_BITS = 7,
  TOP_SHIFT = 63, /* of the tenth byte of a varint: one bit is left */
  OUTCOMES_IN_BYTE = 4
};

_Static_assert((CAMPAIGN_EXPERIMENTS_MAX + OUTCOMES_IN_BYTE - 1) / OUTCOMES_IN_BYTE +
                       CAMPAIGN_EXPERIMENTS_MAX <=
                   MESSAGE_PACKED_MAX,
               "the outcomes of a full list fit, each with a byte more");
_Static_assert((CAMPAIGN_EXPERIMENTS_MAX + OUTCOMES_IN_BYTE - 1) / OUTCOMES_IN_BYTE + SITES_DETAILS_MAX <=
                   MESSAGE_PACKED_MAX,
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
  draw_next(d);
}

/* Read all targets, and count their experiments. */
static int read_draws(hil_campaign_run_t *run, uint32_t *out) {
  *out = 0;
  run->draws = 0;
  rewind_sites(run);
  if (!run->sites.len || run->sites.len % DRAW_BYTES || run->sites.len / DRAW_BYTES > DRAWS_MAX) {
    return HIL_ERR_PAYLOAD;
  }
  for (; run->at < run->sites.len; run->at = (uint16_t)(run->at + DRAW_BYTES)) {
    hil_draw_t *d = &run->draw[run->draws++];
    if (!draw_read(d, run->sites.bytes + run->at)) return HIL_ERR_PAYLOAD;
    *out += d->left;
    if (*out > CAMPAIGN_EXPERIMENTS_MAX) return HIL_ERR_ARG;
  }
  return HIL_OK;
}

static bool is_drawn(const hil_campaign_run_t *run) { return (run->sites.details & SITES_DRAWN) != 0; }

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
  int status = HIL_ERR_PAYLOAD;
  if (run->sites.len <= MESSAGE_PACKED_MAX) {
    status = is_drawn(run) ? read_draws(run, &count) : count_experiments(run, &count);
  }
  rewind_sites(run);
  if (status != HIL_OK) return status;
  run->count = (uint16_t)count;
  run->outcomes.len = (uint16_t)((count + OUTCOMES_IN_BYTE - 1u) / OUTCOMES_IN_BYTE);
  if (!is_drawn(run)) return read_site(run) ? HIL_OK : HIL_ERR_PAYLOAD;
  take_drawn(run);
  return HIL_OK;
}

/* --- working through it ---------------------------------------------------------------------------------- */

/* Bits from the lowest, then bytes, then sites. */
static void go_to_next(hil_campaign_run_t *run) {
  hil_campaign_site_t *site = &run->site;
  if (is_drawn(run)) {
    take_drawn(run);
    return;
  }
  const unsigned higher = site->mask & ~(2u * site->bit - 1u);
  site->bit = lowest_bit(higher ? higher : site->mask);
  if (higher) return;
  site->byte++;
  if (--site->bytes) return;
  site->bit = 0;
  if (run->at < run->sites.len) (void)read_site(run); /* it was read before: it is one */
}

/* No more fits: what there is becomes the answer. */
static void end_early(hil_campaign_run_t *run) {
  hil_campaign_outcomes_t *out = &run->outcomes;
  const size_t head = (run->count + OUTCOMES_IN_BYTE - 1u) / OUTCOMES_IN_BYTE;
  const size_t needed = (out->count + OUTCOMES_IN_BYTE - 1u) / OUTCOMES_IN_BYTE;
  memmove(out->bytes + needed, out->bytes + head, out->len - head);
  out->len = (uint16_t)(out->len - (head - needed));
  memset(out->bytes + out->len, 0, head - needed);
  run->site.bit = 0;
}

void sites_put_details(hil_campaign_run_t *run, hil_outcome_t outcome, const uint8_t *details, size_t len) {
  hil_campaign_outcomes_t *out = &run->outcomes;
  if (!run->site.bit) return;
  if (len > sizeof out->bytes - out->len) {
    end_early(run);
    return;
  }
  const unsigned shift = 2u * (out->count % OUTCOMES_IN_BYTE);
  uint8_t *packed = &out->bytes[out->count / OUTCOMES_IN_BYTE];
  *packed = (uint8_t)(*packed | ((unsigned)outcome & 3u) << shift);
  out->count++;
  if (len) memcpy(out->bytes + out->len, details, len);
  out->len = (uint16_t)(out->len + len);
  go_to_next(run);
}

void sites_put(hil_campaign_run_t *run, hil_outcome_t outcome, uint8_t detail) {
  const bool kept =
      outcome == OUTCOME_FAILED || (outcome == OUTCOME_SDC && (run->sites.details & DETAIL_BITS));
  sites_put_details(run, outcome, &detail, kept ? 1 : 0);
}
