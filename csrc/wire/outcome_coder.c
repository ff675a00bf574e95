/* Outcomes of experiments, coded by what the ones before have been. SPDX-License-Identifier: Apache-2.0
 *
 *   masked 0 | SDC 1 0 | latent 1 1 0 | failed 1 1 1 ; then of SDC and failed: the detail, its highest bit first
 *
 * A node of a tree of details is numbered as in a heap: 1 the root, 2 n and 2 n + 1 those below n. */
#include "outcome_coder.h"

#include <string.h>

enum { TARGET_STRIDE = 257 }; /* [slot]: so that the first bytes of two targets do not share theirs */

static uint8_t *last_of(hil_outcome_coder_t *c, const hil_outcome_of_t *of) {
  return &c->last[(of->byte + (uint32_t)TARGET_STRIDE * of->target) % OUTCOME_SLOTS];
}

static hil_bit_model_t *details_of(hil_outcome_coder_t *c, const hil_outcome_of_t *of,
                                   hil_outcome_t outcome) {
  return c->detail[of->target % DRAWS_MAX][outcome == OUTCOME_FAILED];
}

/* What the next bit of a detail is expected to be from: how near |node|, the bits of it so far, is to the same bits of
 * the detail before, and the bit that comes next there. |i|: the place of the bit. */
static hil_bit_model_t *near_of(hil_outcome_coder_t *c, hil_outcome_t outcome, unsigned node, int i) {
  const unsigned which = outcome == OUTCOME_FAILED ? 1u : 0u;
  const unsigned before = c->before[which] | 1u << OUTCOME_DETAIL_BITS;
  const int distance = (int)node - (int)(before >> (i + 1));
  const unsigned nearness = distance > 1 ? 3u : distance < -1 ? 4u : distance < 0 ? 2u : (unsigned)distance;
  return &c->near[which][nearness][before >> i & 1u][i];
}

static void forget_near(hil_outcome_coder_t *c) {
  hil_bit_model_t *near = &c->near[0][0][0][0];
  memset(c->before, 0, sizeof c->before);
  for (size_t i = 0; i < sizeof c->near / sizeof *near; i++) bit_model_init(&near[i]);
}

static void forget(hil_outcome_coder_t *c, bool is_near) {
  memset(c->last, 0, sizeof c->last);
  c->is_near = is_near;
  if (is_near) forget_near(c);
  for (size_t t = 0; t < DRAWS_MAX; t++) {
    for (size_t i = 0; i < OUTCOME_CONTEXTS; i++) {
      for (size_t bit = 0; bit < OUTCOME_CODE_BITS; bit++) bit_model_init(&c->code[t][i][bit]);
    }
    for (size_t i = 0; i < 2; i++) {
      for (size_t node = 0; node < 1u << OUTCOME_DETAIL_BITS; node++) bit_model_init(&c->detail[t][i][node]);
    }
  }
}

/* --- writing -------------------------------------------------------------------------------------------- */

void outcome_coder_begin(hil_outcome_coder_t *c, bool is_near) {
  forget(c, is_near);
  bit_coder_begin(&c->bits);
}

bool outcome_coder_has_room(const hil_outcome_coder_t *c, size_t cap) {
  return bit_coder_room(&c->bits, OUTCOME_CODE_BITS + OUTCOME_DETAIL_BITS) <= cap;
}

void outcome_coder_put(hil_outcome_coder_t *c, uint8_t *out, const hil_outcome_of_t *of,
                       hil_outcome_t outcome, uint8_t detail) {
  uint8_t *last = last_of(c, of);
  hil_bit_model_t *code = c->code[of->target % DRAWS_MAX][*last];
  const unsigned which = (unsigned)outcome & 3u;
  bit_coder_put(&c->bits, out, &code[0], which != OUTCOME_MASKED);
  if (which != OUTCOME_MASKED) bit_coder_put(&c->bits, out, &code[1], which != OUTCOME_SDC);
  if (which == OUTCOME_LATENT || which == OUTCOME_FAILED) {
    bit_coder_put(&c->bits, out, &code[2], which == OUTCOME_FAILED);
  }
  *last = (uint8_t)(which + 1u);
  if (!outcome_has_detail((hil_outcome_t)which)) return;
  hil_bit_model_t *nodes = details_of(c, of, (hil_outcome_t)which);
  unsigned node = 1;
  for (int i = OUTCOME_DETAIL_BITS - 1; i >= 0; i--) {
    const unsigned bit = (unsigned)detail >> i & 1u;
    if (c->is_near) {
      bit_coder_put_mean(&c->bits, out, &nodes[node], near_of(c, (hil_outcome_t)which, node, i), bit);
    } else {
      bit_coder_put(&c->bits, out, &nodes[node], bit);
    }
    node = 2u * node + bit;
  }
  c->before[which == OUTCOME_FAILED] = detail;
}

uint32_t outcome_coder_end(hil_outcome_coder_t *c, uint8_t *out) { return bit_coder_end(&c->bits, out); }

/* --- reading -------------------------------------------------------------------------------------------- */

void outcome_coder_open(hil_outcome_coder_t *c, bool is_near, const uint8_t *in, size_t len) {
  forget(c, is_near);
  bit_coder_open(&c->bits, in, len);
}

hil_outcome_t outcome_coder_get(hil_outcome_coder_t *c, const uint8_t *in, size_t len,
                                const hil_outcome_of_t *of, uint8_t *out_detail) {
  uint8_t *last = last_of(c, of);
  hil_bit_model_t *code = c->code[of->target % DRAWS_MAX][*last];
  hil_outcome_t outcome = OUTCOME_MASKED;
  if (bit_coder_get(&c->bits, in, len, &code[0])) {
    outcome = OUTCOME_SDC;
    if (bit_coder_get(&c->bits, in, len, &code[1])) {
      outcome = bit_coder_get(&c->bits, in, len, &code[2]) ? OUTCOME_FAILED : OUTCOME_LATENT;
    }
  }
  *last = (uint8_t)(outcome + 1u);
  *out_detail = 0;
  if (!outcome_has_detail(outcome)) return outcome;
  hil_bit_model_t *nodes = details_of(c, of, outcome);
  unsigned node = 1;
  for (int i = OUTCOME_DETAIL_BITS - 1; i >= 0; i--) {
    const bool bit = c->is_near
                         ? bit_coder_get_mean(&c->bits, in, len, &nodes[node], near_of(c, outcome, node, i))
                         : bit_coder_get(&c->bits, in, len, &nodes[node]);
    node = 2u * node + bit;
  }
  *out_detail = c->before[outcome == OUTCOME_FAILED] = (uint8_t)node;
  return outcome;
}

bool outcome_coder_at_end(const hil_outcome_coder_t *c, const uint8_t *in, size_t len) {
  return bit_coder_at_end(&c->bits, in, len);
}
