/* A primary with monitors. SPDX-License-Identifier: Apache-2.0
 *
 * Algorithm: choose who commands; its output and that of those which have the same one is voted on by
 * frame_verdict_decide; then the verdict is completed. Digests alone are compared.
 * Invariants:
 *   1. Where two voters or more answer, an output is delivered only if two voters have it, or while the primary is
 *      contested.
 *   2. Command passes only to a node whose output another voter has, or that answers alone. */
#include "primary.h"

static bool is_bad(const hil_frame_verdict_t *f) { return !f || f->nodes < 1 || f->nodes > VOTE_MAX_NODES; }

static bool is_several(uint32_t mask) { return (mask & (mask - 1u)) != 0; }

static bool has(uint32_t mask, uint32_t i) { return (mask >> i & 1u) != 0; }

static uint32_t count_of(uint32_t mask) {
  uint32_t count = 0;
  for (; mask; mask &= mask - 1u) count++;
  return count;
}

/* The voters that answered. */
static uint32_t heard_of(const hil_frame_verdict_t *f) {
  uint32_t mask = 0;
  for (uint32_t i = 0; i < f->nodes; i++) {
    if (has(f->voters, i) && f->node[i].status == NODE_DONE) mask |= 1u << i;
  }
  return mask;
}

/* The nodes of |heard| that have the output of |node|. */
static uint32_t alike_of(const hil_frame_verdict_t *f, uint32_t heard, uint32_t node) {
  uint32_t mask = 0;
  for (uint32_t i = 0; i < f->nodes; i++) {
    if (has(heard, i) && f->node[i].output_digest == f->node[node].output_digest) mask |= 1u << i;
  }
  return mask;
}

/* 1 + the first node of |heard| whose output another one of them has; 0 if there is none. */
static uint32_t first_confirmed(const hil_frame_verdict_t *f, uint32_t heard) {
  for (uint32_t i = 0; i < f->nodes; i++) {
    if (has(heard, i) && is_several(alike_of(f, heard, i))) return i + 1;
  }
  return 0;
}

/* Whether the nodes |alike|, which have the primary's output, are contradicted by the others of |heard|. */
static bool is_contradicted(const hil_primary_t *p, uint32_t heard, uint32_t alike) {
  const uint32_t against = count_of(heard & ~alike);
  return against >= p->votes || (against && count_of(alike) == 1);
}

/* Whether a primary that is contradicted in this frame still commands. */
static bool is_patient(const hil_primary_t *p) { return (uint64_t)p->contradicted + 1 < p->frames; }

static bool answers(const hil_frame_verdict_t *f, uint32_t heard, uint32_t node) {
  return node < f->nodes && has(heard, node);
}

/* 1 + the node that commands, where two or more of |heard| answer; 0 if none does. */
static uint32_t among_several(const hil_primary_t *p, const hil_frame_verdict_t *f, uint32_t heard) {
  if (!answers(f, heard, p->node)) return first_confirmed(f, heard);
  if (!is_contradicted(p, heard, alike_of(f, heard, p->node)) || is_patient(p)) return p->node + 1;
  const uint32_t successor = first_confirmed(f, heard & ~(1u << p->node));
  return successor ? successor : p->node + 1;
}

static uint32_t index_of(uint32_t mask) {
  uint32_t i = 0;
  while (mask >>= 1) i++;
  return i;
}

int primary_choose(const hil_primary_t *p, const hil_frame_verdict_t *f, hil_primary_choice_t *out) {
  if (!p || !out || is_bad(f) || f->voters >> f->nodes) return HIL_ERR_ARG;
  const uint32_t heard = heard_of(f);
  const bool alone = !is_several(heard);
  const uint32_t commands = !alone ? among_several(p, f, heard) : heard ? index_of(heard) + 1 : 0;
  const uint32_t alike = commands ? alike_of(f, heard, commands - 1) : 0;
  const bool in_office = commands == (uint64_t)p->node + 1;
  *out = (hil_primary_choice_t){
      .voters = f->voters,
      .heard = (uint8_t)heard,
      .asked = alone ? f->voters : (uint8_t)alike,
      .held = f->flags & (FRAME_HELD | FRAME_HELD_WRONG),
      .commands = (uint8_t)commands,
      .alone = alone,
      .contested = !alone && in_office && is_contradicted(p, heard, alike) && is_patient(p),
  };
  return HIL_OK;
}

/* Without an output. */
static void release_nothing(const hil_primary_choice_t *c, hil_frame_verdict_t *f) {
  f->verdict = VERDICT_NO_MAJORITY;
  f->flags = (uint8_t)((f->flags & FRAME_RE_EXECUTED) | c->held);
  f->agree = f->dissent = f->latent = 0;
  f->output = f->state = 0;
}

int primary_release(const hil_primary_choice_t *c, hil_frame_verdict_t *f) {
  if (!c || is_bad(f)) return HIL_ERR_ARG;
  const bool delivered = (f->flags & FRAME_DELIVERED) != 0;
  if (c->alone) return delivered ? c->commands : 0;
  f->voters = c->voters;
  if (!delivered || !(is_several(c->asked) || c->contested)) {
    release_nothing(c, f);
    return c->commands;
  }
  const bool apart = ((f->dissent | f->latent) & c->voters) || (f->flags & FRAME_STATE_SPLIT);
  f->verdict = c->heard == c->voters && !apart ? VERDICT_UNANIMOUS : VERDICT_MAJORITY;
  if (c->contested) f->verdict = VERDICT_NO_MAJORITY;
  return c->commands;
}

int primary_decide(const hil_primary_t *p, hil_frame_verdict_t *f) {
  hil_primary_choice_t choice;
  int status = primary_choose(p, f, &choice);
  if (status != HIL_OK) return status;
  f->voters = choice.asked;
  if (!choice.alone) f->flags &= (uint8_t)~FRAME_FAIL_SILENT;
  status = frame_verdict_decide(f);
  return status == HIL_OK ? primary_release(&choice, f) : status;
}

int primary_settle(hil_primary_t *p, const hil_frame_verdict_t *f, int commands) {
  if (!p || is_bad(f) || commands < 0 || commands > f->nodes) return HIL_ERR_ARG;
  if (!commands) return HIL_OK;
  const uint32_t node = (uint32_t)commands - 1, heard = heard_of(f);
  if (node != p->node) {
    p->node = node;
    p->contradicted = 0;
    p->changes++;
    return HIL_OK;
  }
  const bool against = answers(f, heard, node) && is_contradicted(p, heard, alike_of(f, heard, node));
  const uint32_t next = p->contradicted < p->frames ? p->contradicted + 1 : p->frames;
  p->contradicted = against ? next : 0;
  return HIL_OK;
}
