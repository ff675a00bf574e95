/* A doer and its checkers: whether the result of one node is accepted. SPDX-License-Identifier: Apache-2.0
 *
 * The rule is the table in hil/redundancy/checked_vote.py. Nothing is remembered from frame to frame. */
#ifndef HIL_CHECKED_H
#define HIL_CHECKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "frame_verdict.h"
#include "value_rule.h"
#include "value_verdict.h"

/* cffi:begin */
enum {
  CHECKED_DOER = 0,        /* the index of the doer */
  CHECKED_BOUND_LEN = 32,  /* [byte] of a packed bound */
  CHECKED_FRACTION_MAX = 63
};

/* A field of the doer's output, the same one of a checker's, and how far their numbers may be apart. */
typedef struct {
  hil_value_rule_t full, reduced; /* where, how many, of which type; nothing else of a rule */
  uint8_t full_fraction, reduced_fraction; /* bits behind the point */
  double bound; /* in the unit of both */
  double period; /* numbers that differ by it are the same; 0: none */
} hil_checked_bound_t;

typedef struct {
  const hil_checked_bound_t *bound; /* the caller's */
  uint32_t count; /* of bounds */
  uint32_t votes; /* so many checkers refuse a result */
  uint64_t after_frames; /* in so many frames at the beginning nothing is refused */
  uint8_t delivers_reduced; /* whether the output of the checkers is delivered in place of a refused one */
} hil_checked_rules_t;

/* Unpack bounds of outputs of |full_len| and |reduced_len| bytes: of each, CHECKED_BOUND_LEN bytes, the types of both,
 * the fractions of both, the offsets of both, the count of numbers, bound and period, little-endian. Returns how many
 * they are; HIL_ERR_EXHAUSTED for more than |capacity|, HIL_ERR_PAYLOAD if the bytes are short or out of range. */
int checked_bounds_unpack(hil_checked_bound_t *bounds, uint32_t capacity, const uint8_t *data, size_t len,
                          uint32_t full_len, uint32_t reduced_len);

/* The distance of two numbers, the shorter way round where values repeat after |period| (0: they do not; it is finite and
 * not negative); infinity if one of them is not finite. */
double checked_distance(double a, double b, double period);

/* Whether all numbers of two outputs, which have the lengths that the bounds were unpacked for, are within them. */
bool checked_accepts(const hil_checked_rules_t *rules, const uint8_t *full, const uint8_t *reduced);

/* Decide a frame: from nodes, voters, node[] and the flags RE_EXECUTED, FAIL_SILENT (a node that is alone delivers
 * nothing), HELD and HELD_WRONG to verdict, masks, output, state and flags. An output that is NULL is refused; the
 * golden one is not read. Returns what byte 15 of the record is: 1 + the index of the node whose output left the
 * system, 0 if none did; HIL_ERR_ARG for a null pointer, a node count outside 1..8, or voters beyond it. */
int checked_decide(const hil_checked_rules_t *rules, const hil_frame_outputs_t *outputs,
                   hil_frame_verdict_t *f);
/* cffi:end */

#endif
