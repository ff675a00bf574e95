/* A doer and its checkers. SPDX-License-Identifier: Apache-2.0
 *
 * Algorithm: each checker that answered accepts the doer's result or refuses it. An accepted one is delivered; in place
 * of a refused one what most of the checkers have, if two of them do. Checkers are compared by their digests.
 * Invariants:
 *   1. Where two nodes or more answer, the doer's output is delivered only if a checker accepts it, and that of a
 *      checker only if another one has it.
 *   2. A number that is not finite is refused. */
#include "checked.h"

#include "bytes.h"
#include "value_metric.h"

#define INFINITE ((uint64_t)0x7ff << 52)
#define SIGN ((uint64_t)1 << 63)
#define DOER_MASK (1u << CHECKED_DOER)

/* --- bounds --- */

static bool is_in(const hil_value_rule_t *field, uint32_t output_len) {
  return field->type <= NUMBER_F64 && field->count >= 1 && field->count <= VALUE_OUTPUT_MAX &&
         field->offset <= output_len && value_field_len(field) <= output_len - field->offset;
}

int checked_bounds_unpack(hil_checked_bound_t *bounds, uint32_t capacity, const uint8_t *data, size_t len,
                          uint32_t full_len, uint32_t reduced_len) {
  const size_t count = len / CHECKED_BOUND_LEN;
  if (count > capacity) return HIL_ERR_EXHAUSTED;
  if (!count || len % CHECKED_BOUND_LEN || full_len > VALUE_OUTPUT_MAX || reduced_len > VALUE_OUTPUT_MAX)
    return HIL_ERR_PAYLOAD;
  for (size_t i = 0; i < count; i++) {
    const uint8_t *p = data + i * CHECKED_BOUND_LEN;
    const uint32_t numbers = load_u32le(p + 12);
    const uint64_t bound = load_u64le(p + 16), period = load_u64le(p + 24);
    bounds[i] =
        (hil_checked_bound_t){.full = {.type = p[0], .offset = load_u32le(p + 4), .count = numbers},
                              .reduced = {.type = p[1], .offset = load_u32le(p + 8), .count = numbers},
                              .full_fraction = p[2],
                              .reduced_fraction = p[3],
                              .bound = value_real(bound),
                              .period = value_real(period)};
    if (!is_in(&bounds[i].full, full_len) || !is_in(&bounds[i].reduced, reduced_len) ||
        p[2] > CHECKED_FRACTION_MAX || p[3] > CHECKED_FRACTION_MAX || bound >= INFINITE ||
        period >= INFINITE) {
      return HIL_ERR_PAYLOAD;
    }
  }
  return (int)count;
}

/* --- distances --- */

/* A difference of integers: |low|, and 2^64 more with |carry|. */
typedef struct {
  uint64_t low;
  bool carry;
} hil_apart_t;

static hil_apart_t whole_apart(const hil_value_rule_t *full, uint64_t a, const hil_value_rule_t *reduced,
                               uint64_t b) {
  const uint64_t zero_of_a = value_zero(full), zero_of_b = value_zero(reduced);
  const bool a_negative = a < zero_of_a, b_negative = b < zero_of_b;
  const uint64_t x = a_negative ? zero_of_a - a : a - zero_of_a,
                 y = b_negative ? zero_of_b - b : b - zero_of_b;
  if (a_negative != b_negative) return (hil_apart_t){x + y, x + y < x};
  return (hil_apart_t){x > y ? x - y : y - x, false};
}

/* Rounded to the nearest double: with a carry by half of it, whose last bit says whether there was more. */
static double real_of(hil_apart_t apart) {
  if (!apart.carry) return (double)apart.low;
  return 2.0 * (double)(SIGN | apart.low >> 1 | (apart.low & 1u));
}

static bool is_whole_within(hil_apart_t apart, double bound) {
  if (apart.carry) {
    if (bound < 0x1p64) return false;
    bound -= 0x1p64;
  }
  return bound >= 0x1p64 || apart.low <= (uint64_t)bound;
}

/* A number in the unit of its field. */
static double number_of(const hil_value_rule_t *field, uint64_t key, uint32_t fraction) {
  const double scale = value_real((uint64_t)(1023u + fraction) << 52);
  if (value_is_real(field)) return value_real_of_key(key) / scale;
  const uint64_t zero = value_zero(field);
  return (key < zero ? -(double)(zero - key) : (double)(key - zero)) / scale;
}

double checked_distance(double a, double b, double period) {
  const hil_value_rule_t rule = {.type = NUMBER_F64, .count = 1, .period = value_bits(period) & ~SIGN};
  const uint64_t x = value_key_of_real(a), y = value_key_of_real(b);
  if (!value_is_finite(&rule, x) || !value_is_finite(&rule, y)) return value_real(INFINITE);
  return value_real(value_distance(&rule, x, y));
}

static bool is_real_within(const hil_checked_bound_t *bound, double a, double b) {
  return checked_distance(a, b, bound->period) <= bound->bound;
}

static bool is_within(const hil_checked_bound_t *bound, const uint8_t *full, const uint8_t *reduced,
                      uint32_t i) {
  const uint64_t a = value_key(&bound->full, full, i), b = value_key(&bound->reduced, reduced, i);
  const bool is_real = value_is_real(&bound->full) || value_is_real(&bound->reduced);
  if (is_real || bound->full_fraction || bound->reduced_fraction) {
    return is_real_within(bound, number_of(&bound->full, a, bound->full_fraction),
                          number_of(&bound->reduced, b, bound->reduced_fraction));
  }
  const hil_apart_t apart = whole_apart(&bound->full, a, &bound->reduced, b);
  return bound->period > 0 ? is_real_within(bound, real_of(apart), 0.0)
                           : is_whole_within(apart, bound->bound);
}

bool checked_accepts(const hil_checked_rules_t *rules, const uint8_t *full, const uint8_t *reduced) {
  for (uint32_t k = 0; k < rules->count; k++) {
    const hil_checked_bound_t *bound = &rules->bound[k];
    for (uint32_t i = 0; i < bound->full.count; i++) {
      if (!is_within(bound, full + bound->full.offset, reduced + bound->reduced.offset, i)) return false;
    }
  }
  return true;
}

/* --- frames --- */

static bool has(uint32_t mask, uint32_t i) { return (mask >> i & 1u) != 0; }

static bool is_several(uint32_t mask) { return (mask & (mask - 1u)) != 0; }

static uint32_t count_of(uint32_t mask) {
  uint32_t count = 0;
  for (; mask; mask &= mask - 1u) count++;
  return count;
}

/* Of a mask that is not 0. */
static uint32_t first_of(uint32_t mask) {
  uint32_t i = 0;
  while (!has(mask, i)) i++;
  return i;
}

static uint32_t heard_of(const hil_frame_verdict_t *f) {
  uint32_t mask = 0;
  for (uint32_t i = 0; i < f->nodes; i++) {
    if (f->node[i].status == NODE_DONE) mask |= 1u << i;
  }
  return mask;
}

/* The nodes of |mask| with the output and the state of |node|. */
static uint32_t alike_of(const hil_frame_verdict_t *f, uint32_t mask, uint32_t node) {
  const hil_node_result_t *own = &f->node[node];
  uint32_t out = 0;
  for (uint32_t i = 0; i < f->nodes; i++) {
    const hil_node_result_t *other = &f->node[i];
    if (!has(mask, i) || other->output_digest != own->output_digest) continue;
    if (other->state_digest == own->state_digest) out |= 1u << i;
  }
  return out;
}

/* The checkers of |heard| that answered as |node| did, whether they vote or return. */
static uint32_t checkers_like(const hil_frame_verdict_t *f, uint32_t heard, uint32_t node) {
  const uint32_t alike = alike_of(f, heard & ~DOER_MASK, node);
  uint32_t out = 0;
  for (uint32_t i = 0; i < f->nodes; i++) {
    if (has(alike, i) && f->node[i].signal == f->node[node].signal) out |= 1u << i;
  }
  return out;
}

/* Those of |mask| that have the output and the state of more than half of them; 0 if there is no such majority. */
static uint32_t most_alike(const hil_frame_verdict_t *f, uint32_t mask) {
  for (uint32_t i = 0; i < f->nodes; i++) {
    const uint32_t alike = has(mask, i) ? alike_of(f, mask, i) : 0;
    if (2 * count_of(alike) > count_of(mask)) return alike;
  }
  return 0;
}

static bool accepts(const hil_checked_rules_t *rules, const hil_frame_outputs_t *outputs, uint64_t frame,
                    uint32_t checker) {
  if (frame < rules->after_frames) return true;
  const uint8_t *full = outputs->node[CHECKED_DOER], *reduced = outputs->node[checker];
  return full && reduced && checked_accepts(rules, full, reduced);
}

/* Nothing was decided for. */
static int leave_open(hil_frame_verdict_t *f, uint8_t verdict) {
  f->verdict = verdict;
  f->flags &= FRAME_RE_EXECUTED | FRAME_HELD | FRAME_HELD_WRONG;
  return 0;
}

/* The output of |node| was decided for, which the nodes |agree| accept or have. Without |flags| that deliver it nothing
 * leaves but what is held. */
static int decide_for(hil_frame_verdict_t *f, uint8_t verdict, uint32_t heard, uint32_t agree, uint32_t node,
                      uint8_t flags) {
  const bool delivers = (flags & FRAME_DELIVERED) != 0;
  const uint8_t kept = delivers ? FRAME_RE_EXECUTED : FRAME_RE_EXECUTED | FRAME_HELD | FRAME_HELD_WRONG;
  f->verdict = verdict;
  f->flags = (uint8_t)((f->flags & kept) | flags);
  f->agree = (uint8_t)agree;
  f->dissent = (uint8_t)(heard & ~agree);
  f->output = f->node[node].output_digest;
  return delivers ? (int)node + 1 : 0;
}

/* The doer's result, which the checkers |accepting| accept. */
static int accept(hil_frame_verdict_t *f, uint32_t heard, uint32_t accepting) {
  const uint32_t counted = heard & f->voters, alike = most_alike(f, accepting);
  const uint32_t checkers = alike ? checkers_like(f, heard, first_of(alike)) : accepting;
  const uint32_t agree = DOER_MASK | checkers;
  const bool whole = alike && counted == f->voters && !(counted & ~agree);
  const uint8_t flags = alike ? FRAME_DELIVERED : FRAME_DELIVERED | FRAME_STATE_SPLIT;
  return decide_for(f, whole ? VERDICT_UNANIMOUS : VERDICT_MAJORITY, heard, agree, CHECKED_DOER, flags);
}

/* The doer's result is refused, or there is none; |checkers| answered. */
static int refuse(const hil_checked_rules_t *rules, const hil_frame_outputs_t *outputs,
                  hil_frame_verdict_t *f, uint32_t heard, uint32_t checkers) {
  const uint32_t alike = most_alike(f, checkers);
  if (!is_several(alike)) return leave_open(f, VERDICT_NO_MAJORITY);
  const uint32_t first = first_of(alike);
  uint32_t agree = checkers_like(f, heard, first);
  if ((heard & ~(uint32_t)f->voters & DOER_MASK) && accepts(rules, outputs, f->frame, first))
    agree |= DOER_MASK;
  return decide_for(f, VERDICT_MAJORITY, heard, agree, first, rules->delivers_reduced ? FRAME_DELIVERED : 0);
}

int checked_decide(const hil_checked_rules_t *rules, const hil_frame_outputs_t *outputs,
                   hil_frame_verdict_t *f) {
  if (!rules || !outputs || !f || f->nodes < 1 || f->nodes > VOTE_MAX_NODES || f->voters >> f->nodes)
    return HIL_ERR_ARG;
  const uint32_t heard = heard_of(f), counted = heard & f->voters, checkers = counted & ~DOER_MASK;
  f->agree = f->dissent = f->latent = 0;
  f->output = f->state = 0;
  if (!counted) return leave_open(f, VERDICT_NO_QUORUM);
  if (!is_several(counted)) {
    const uint8_t flags = f->flags & FRAME_FAIL_SILENT ? FRAME_FAIL_SILENT : FRAME_DELIVERED;
    return decide_for(f, VERDICT_SIMPLEX, heard, counted, first_of(counted), flags);
  }
  uint32_t accepting = 0;
  for (uint32_t i = 0; (counted & DOER_MASK) && i < f->nodes; i++) {
    if (has(checkers, i) && accepts(rules, outputs, f->frame, i)) accepting |= 1u << i;
  }
  if (accepting && count_of(checkers & ~accepting) < rules->votes) return accept(f, heard, accepting);
  return refuse(rules, outputs, f, heard, checkers);
}
