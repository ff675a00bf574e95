/* What replicas of the voter decide together. SPDX-License-Identifier: Apache-2.0
 *
 * Invariants of a combined verdict:
 *   1. DELIVERED is set only if more than half of the replicas decided like one that delivers.
 *   2. The node of a replica that decided otherwise dissents, and so does one whose reply that replica did not get. */
#include "replicas.h"

#include <stdbool.h>

static bool has(uint32_t mask, uint32_t i) { return (mask >> i & 1u) != 0; }

static uint32_t count_of(uint32_t mask) {
  uint32_t count = 0;
  for (; mask; mask &= mask - 1u) count++;
  return count;
}

static bool is_alike(const hil_frame_verdict_t *a, const hil_frame_verdict_t *b) {
  return a->verdict == b->verdict && !((a->flags ^ b->flags) & FRAME_DELIVERED) && a->output == b->output &&
         a->state == b->state && a->agree == b->agree && a->dissent == b->dissent && a->latent == b->latent;
}

int replicas_alike(const hil_frame_verdict_t *of, uint8_t receivers, uint8_t *alike) {
  if (!of || !alike) return HIL_ERR_ARG;
  for (uint32_t i = 0; i < VOTE_MAX_NODES; i++) {
    uint32_t mask = 0;
    for (uint32_t j = 0; j < VOTE_MAX_NODES && has(receivers, i); j++) {
      if (has(receivers, j) && is_alike(&of[i], &of[j])) mask |= 1u << j;
    }
    alike[i] = (uint8_t)mask;
  }
  return HIL_OK;
}

/* Which of the three masks of a verdict. */
typedef enum { AGREE, DISSENT, LATENT } mask_t;

static uint8_t mask_of(const hil_frame_verdict_t *f, mask_t which) {
  return which == AGREE ? f->agree : which == DISSENT ? f->dissent : f->latent;
}

/* The nodes that stand in the mask of most of the |group|. */
static uint8_t by_most(const hil_frame_verdict_t *of, uint32_t group, mask_t which) {
  uint32_t out = 0;
  for (uint32_t node = 0; node < VOTE_MAX_NODES; node++) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < VOTE_MAX_NODES; i++) {
      if (has(group, i)) count += (uint32_t)mask_of(&of[i], which) >> node & 1u;
    }
    if (2 * count > count_of(group)) out |= 1u << node;
  }
  return (uint8_t)out;
}

/* The kind of a verdict that the |group| shares: unanimous only if for all of them. */
static uint8_t kind_of(const hil_frame_verdict_t *of, uint32_t group, uint8_t kind) {
  if (kind != VERDICT_UNANIMOUS && kind != VERDICT_MAJORITY) return kind;
  for (uint32_t i = 0; i < VOTE_MAX_NODES; i++) {
    if (has(group, i) && of[i].verdict == VERDICT_MAJORITY) return VERDICT_MAJORITY;
  }
  return VERDICT_UNANIMOUS;
}

static void undecided(const hil_frame_verdict_t *sent, hil_frame_verdict_t *out) {
  *out = *sent;
  out->verdict = VERDICT_NO_MAJORITY;
  out->flags = sent->flags & FRAME_RE_EXECUTED;
  out->agree = out->dissent = out->latent = 0;
  out->output = out->state = 0;
}

/* The nodes that sent a reply which the replica with the verdict |seen| does not have. */
static uint32_t unheard(const hil_frame_verdict_t *sent, const hil_frame_verdict_t *seen) {
  uint32_t mask = 0;
  for (uint32_t i = 0; i < sent->nodes; i++) {
    if (sent->node[i].status == NODE_DONE && seen->node[i].status != NODE_DONE) mask |= 1u << i;
  }
  return mask;
}

static bool is_bad(const hil_frame_verdict_t *sent, const hil_frame_verdict_t *of, uint8_t receivers) {
  if (sent->nodes < 1 || sent->nodes > VOTE_MAX_NODES || !receivers || receivers >> sent->nodes) return true;
  for (uint32_t i = 0; i < sent->nodes; i++) {
    if (has(receivers, i) && of[i].nodes != sent->nodes) return true;
  }
  return false;
}

int replicas_combine(const hil_frame_verdict_t *sent, const hil_frame_verdict_t *of, uint8_t receivers,
                     const uint8_t *alike, hil_frame_verdict_t *out) {
  if (!sent || !of || !alike || !out || is_bad(sent, of, receivers)) return HIL_ERR_ARG;
  uint32_t centre = 0, most = 0;
  for (uint32_t i = 0; i < sent->nodes; i++) {
    const uint32_t size = has(receivers, i) ? count_of(alike[i] & receivers) : 0;
    if (size > most) {
      most = size;
      centre = i;
    }
  }
  if (2 * most <= count_of(receivers)) {
    undecided(sent, out);
    return 0;
  }
  const uint32_t group = alike[centre] & receivers;
  const uint32_t others = (receivers & ~group) | unheard(sent, &of[centre]);
  *out = of[centre];
  out->verdict = kind_of(of, group, of[centre].verdict);
  if (others && out->verdict == VERDICT_UNANIMOUS) out->verdict = VERDICT_MAJORITY;
  out->agree = (uint8_t)(by_most(of, group, AGREE) & ~others);
  out->dissent = (uint8_t)(by_most(of, group, DISSENT) | others);
  out->latent = (uint8_t)(by_most(of, group, LATENT) & ~others);
  for (uint32_t i = 0; i < sent->nodes; i++) out->node[i] = sent->node[i];
  return (int)centre + 1;
}
