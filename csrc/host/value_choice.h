/* The rules of voters: which value of a field follows from those of the nodes. SPDX-License-Identifier: Apache-2.0
 *
 * n: the voters that were heard. A voter whose bytes are missing has no value, and counts in n.
 *
 *   voter               delivered                                   decided if
 *   exact               the bytes of more than half                 there are such bytes
 *   bitwise             each bit that more than half have           no bit is tied
 *   plurality           the mid-value of the largest cluster        it is the only one of its size and has |quorum|
 *                                                                   members, or all that were heard if those
 *                                                                   are fewer
 *   tolerance           the mid-value of the winning cluster        it has more than half of n
 *   mid_value           the mid-value of all, number by number      more than half of n have a number; if two, they
 *                                                                   agree
 *   generalised_median  what is left when the two values that       more than half of n are finite; if two, they
 *                       are farthest apart are put aside, again     agree
 *                       and again
 *   history             the mean of the values that agree with      as mid_value
 *                       the mid-value, weighted by records
 *   smoothing           as tolerance; else the value nearest to     it is within |reach|, or the last has been held
 *                       the last delivered one; else the last one   for less than |hold_frames|
 *   held_mean           the mean of the first two voters; the       two voters have values
 *                       last one for |hold_frames| frames from
 *                       when one of the two does not agree with
 *                       the mid-value; then once the mean as it is
 *
 * Identical bytes of all n voters are delivered as they are, by every voter. A node agrees if its bytes are the
 * delivered ones (exact, bitwise), if it agrees with all members of the winning cluster (plurality, tolerance,
 * smoothing), with the delivered value, or with the mid-value (history, held_mean). All others dissent.
 *
 *   mid-value    value_middle.h has NaN, infinities and circles; no mean is made of infinities
 *   NaN          is delivered as the one of positive sign without a payload
 *   -0.0         is +0.0, and is delivered as that
 *   record       the last VALUE_RECORD_FRAMES frames in which the node was heard; its weight is the number of those in
 *                which it agreed, and 0 if that is below the average of the voters
 *   integers     a mean is rounded to the nearest, ties to even
 *   means        are computed in doubles, in the order of the nodes
 *
 * The flight control computers of an Airbus A330 took the angle of attack as held_mean does in 2008, with a hold of
 * 1.2 s (ATSB, AO-2008-070): a spike that is there when the hold ends is let through. It is here to be compared with,
 * not as advice. */
#ifndef HIL_VALUE_CHOICE_H
#define HIL_VALUE_CHOICE_H

#include <stdbool.h>
#include <stdint.h>

#include "value_rule.h"
#include "vote.h"

/* cffi:begin */
enum { VALUE_RECORD_FRAMES = 16 }; /* [frame] the length of a node's record of agreement */

/* The memory of a field between two frames, beside the bytes that it delivered last. */
typedef struct {
  uint64_t held; /* consecutive frames for which they have been delivered again, or nothing was */
  uint16_t record[VOTE_MAX_NODES]; /* of each node, a bit per frame, the newest lowest */
  uint8_t has_last; /* whether there are such bytes */
} hil_field_memory_t;
/* cffi:end */

/* What a rule knows, and where it writes. */
typedef struct {
  const hil_value_rule_t *rule;
  const uint8_t *const *part; /* the bytes of the field of each node */
  uint32_t voting; /* mask: voters whose bytes are known */
  uint32_t heard; /* the number of voters that were heard */
  const uint8_t *last; /* the last delivered bytes; NULL before the first */
  const hil_field_memory_t *memory;
  uint64_t *numbers; /* count keys: what is delivered */
  uint64_t *anchor; /* count keys: the value with which a node must agree */
} hil_situation_t;

typedef struct {
  uint32_t cluster; /* mask: the nodes with all of whom a node must agree; 0: with the anchor */
  uint64_t held; /* the last bytes are delivered again, for so many consecutive frames; 0: the numbers are */
} hil_choice_t;

/* Choose by the rule of the field, any but exact and bitwise. False: undecided. */
bool value_choose(const hil_situation_t *now, hil_choice_t *choice);

#endif
