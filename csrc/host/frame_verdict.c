/* The verdict of one frame. SPDX-License-Identifier: Apache-2.0
 *
 * Algorithm: heard = nodes whose step ended by itself. Voters among them form classes by output digest;
 * the class with more than half of the heard voters gives the agreed output. States vote likewise among
 * the voters that agreed on the output, so that a node known to be wrong does not influence the state.
 * Invariants:
 *   1. A node that is not a voter never changes verdict, output or state.
 *   2. dissent and latent name heard nodes only.
 *   3. DELIVERED is set exactly when the verdict is UNANIMOUS or MAJORITY, or SIMPLEX without
 *      FAIL_SILENT; FAIL_SILENT stays set only with SIMPLEX.
 *   4. HELD stays set only without DELIVERED, and HELD_WRONG only with HELD. */
#include "frame_verdict.h"

#include <stdbool.h>

#include "bytes.h"

enum {
  FLAGS = FRAME_DELIVERED | FRAME_CORRECT | FRAME_RE_EXECUTED | FRAME_STATE_SPLIT | FRAME_FAIL_SILENT |
          FRAME_HELD | FRAME_HELD_WRONG
};

static uint32_t heard_mask(const hil_frame_verdict_t *f) {
  uint32_t mask = 0;
  for (uint32_t i = 0; i < f->nodes; i++) {
    if (f->node[i].status == NODE_DONE) mask |= 1u << i;
  }
  return mask;
}

/* Nodes of |mask| whose digest in |digests| is |value|. */
static uint8_t having(const uint64_t *digests, uint32_t mask, uint64_t value) {
  uint32_t out = 0;
  for (uint32_t i = 0; i < VOTE_MAX_NODES; i++) {
    if ((mask >> i & 1u) && digests[i] == value) out |= 1u << i;
  }
  return (uint8_t)out;
}

static int vote_states(hil_frame_verdict_t *f, uint32_t heard, const uint64_t *states) {
  hil_vote_class_t class_;
  const uint32_t trusted = heard & f->voters & f->agree;
  const int status = vote_exact(states, f->nodes, trusted, &class_);
  if (status != HIL_OK) return status;
  if (class_.winner < 0) {
    f->flags |= FRAME_STATE_SPLIT;
    return HIL_OK;
  }
  f->state = states[class_.winner];
  f->latent = (uint8_t)(heard & ~(uint32_t)having(states, heard, f->state));
  return HIL_OK;
}

/* The vote alone, of a frame in range. */
static int decide(hil_frame_verdict_t *f) {
  uint64_t outputs[VOTE_MAX_NODES] = {0}, states[VOTE_MAX_NODES] = {0};
  for (uint32_t i = 0; i < f->nodes; i++) {
    outputs[i] = f->node[i].output_digest;
    states[i] = f->node[i].state_digest;
  }
  const uint32_t heard = heard_mask(f), counted = heard & f->voters;
  const uint8_t fail_silent = f->flags & FRAME_FAIL_SILENT;
  f->flags &= (uint8_t) ~(FRAME_DELIVERED | FRAME_STATE_SPLIT | FRAME_FAIL_SILENT);
  f->agree = f->dissent = f->latent = 0;
  f->output = f->state = 0;
  if (!counted) {
    f->verdict = VERDICT_NO_QUORUM;
    return HIL_OK;
  }
  hil_vote_class_t class_;
  int status = vote_exact(outputs, f->nodes, counted, &class_);
  if (status != HIL_OK) return status;
  if (class_.winner < 0) {
    f->verdict = VERDICT_NO_MAJORITY;
    return HIL_OK;
  }
  f->output = outputs[class_.winner];
  f->agree = having(outputs, heard, f->output);
  f->dissent = (uint8_t)(heard & ~(uint32_t)f->agree);
  f->flags |= FRAME_DELIVERED;
  status = vote_states(f, heard, states);
  if (status != HIL_OK) return status;
  const bool complete =
      counted == f->voters && !((f->dissent | f->latent) & f->voters) && !(f->flags & FRAME_STATE_SPLIT);
  const bool alone = !(counted & (counted - 1u));
  f->verdict = alone ? VERDICT_SIMPLEX : complete ? VERDICT_UNANIMOUS : VERDICT_MAJORITY;
  if (alone && fail_silent) {
    f->flags &= (uint8_t)~FRAME_DELIVERED;
    f->flags |= FRAME_FAIL_SILENT;
  }
  return HIL_OK;
}

int frame_verdict_decide(hil_frame_verdict_t *f) {
  if (!f || f->nodes < 1 || f->nodes > VOTE_MAX_NODES || f->voters >> f->nodes) return HIL_ERR_ARG;
  const uint8_t held = f->flags & FRAME_HELD ? f->flags & (FRAME_HELD | FRAME_HELD_WRONG) : 0;
  f->flags &= (uint8_t) ~(FRAME_HELD | FRAME_HELD_WRONG);
  const int status = decide(f);
  if (!(f->flags & FRAME_DELIVERED)) f->flags |= held;
  return status;
}

int frame_verdict_pack(const hil_frame_verdict_t *f, uint8_t *out, size_t cap) {
  const size_t len = FRAME_RECORD_HEADER_LEN + (size_t)f->nodes * FRAME_RECORD_NODE_LEN;
  if (f->nodes < 1 || f->nodes > VOTE_MAX_NODES || cap < len) return HIL_ERR_EXHAUSTED;
  store_u64le(out, f->frame);
  const uint8_t small[8] = {f->verdict, f->nodes, f->voters, f->flags, f->agree, f->dissent, f->latent, 0};
  for (int i = 0; i < 8; i++) out[8 + i] = small[i];
  store_u64le(out + 16, f->output);
  store_u64le(out + 24, f->state);
  for (uint32_t i = 0; i < f->nodes; i++) {
    uint8_t *p = out + FRAME_RECORD_HEADER_LEN + i * FRAME_RECORD_NODE_LEN;
    p[0] = f->node[i].status;
    p[1] = f->node[i].signal;
    store_u64le(p + 2, f->node[i].output_digest);
    store_u64le(p + 10, f->node[i].state_digest);
  }
  return (int)len;
}

static bool held_makes_sense(uint8_t flags) {
  const bool held = (flags & FRAME_HELD) != 0;
  return held ? !(flags & FRAME_DELIVERED) : !(flags & FRAME_HELD_WRONG);
}

int frame_verdict_unpack(hil_frame_verdict_t *f, const uint8_t *data, size_t len) {
  if (len < FRAME_RECORD_HEADER_LEN) return HIL_ERR_PAYLOAD;
  *f = (hil_frame_verdict_t){.frame = load_u64le(data),
                             .verdict = data[8],
                             .nodes = data[9],
                             .voters = data[10],
                             .flags = data[11],
                             .agree = data[12],
                             .dissent = data[13],
                             .latent = data[14],
                             .output = load_u64le(data + 16),
                             .state = load_u64le(data + 24)};
  const size_t need = FRAME_RECORD_HEADER_LEN + (size_t)f->nodes * FRAME_RECORD_NODE_LEN;
  const int masks = f->voters | f->agree | f->dissent | f->latent;
  if (f->nodes < 1 || f->nodes > VOTE_MAX_NODES || masks >> f->nodes || len < need ||
      f->verdict < VERDICT_UNANIMOUS || f->verdict > VERDICT_NO_QUORUM || f->flags & ~FLAGS ||
      !held_makes_sense(f->flags) || data[15] > f->nodes) {
    return HIL_ERR_PAYLOAD;
  }
  for (uint32_t i = 0; i < f->nodes; i++) {
    const uint8_t *p = data + FRAME_RECORD_HEADER_LEN + i * FRAME_RECORD_NODE_LEN;
    if (p[0] > NODE_EXCLUDED) return HIL_ERR_PAYLOAD;
    f->node[i] = (hil_node_result_t){p[0], p[1], load_u64le(p + 2), load_u64le(p + 10)};
  }
  return (int)need;
}
