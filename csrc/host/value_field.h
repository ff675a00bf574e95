/* The vote on one field of the output. SPDX-License-Identifier: Apache-2.0
 *
 * csrc/host/value_choice.h has the table of rules. */
#ifndef HIL_VALUE_FIELD_H
#define HIL_VALUE_FIELD_H

#include <stdint.h>

#include "status.h"
#include "value_choice.h"
#include "value_rule.h"

/* cffi:begin */
/* The bytes of one field. */
typedef struct {
  const uint8_t *part[VOTE_MAX_NODES]; /* of each node; NULL: missing */
  uint8_t heard;                       /* mask: nodes that were heard */
  uint8_t voters;                      /* mask: nodes that count, of those that were heard */
} hil_field_ballots_t;

typedef struct {
  uint8_t decided;  /* whether bytes are delivered */
  uint8_t agree;    /* mask: nodes that agree */
  uint8_t clusters; /* how many there are */
  uint8_t cluster[VOTE_MAX_NODES +
                  1]; /* masks of voters: those that agree first, then clusters of those that were
                                          left out */
  hil_field_memory_t
      after; /* what is remembered after the frame. With has_last the last bytes are the delivered ones;
                               where none were, those before */
} hil_field_vote_t;

/* Vote on a field. |last|: the last delivered bytes (NULL unless before->has_last); |scratch|: 2 * count numbers. The
 * delivered bytes are written to |delivered|, which overlaps nothing else. HIL_OK; HIL_ERR_ARG for voters that were
 * not heard, and parts of nodes that were not. */
int value_field_vote(const hil_value_rule_t *rule, const hil_field_ballots_t *ballots,
                     const hil_field_memory_t *before, const uint8_t *last, uint64_t *scratch,
                     uint8_t *delivered, hil_field_vote_t *out);

/* The vote on a field whose bytes all voters have alike, and which are not known here; the nodes in |agree| have
 * them. */
void value_field_unanimous(const hil_value_rule_t *rule, const hil_field_ballots_t *ballots, uint8_t agree,
                           const hil_field_memory_t *before, hil_field_vote_t *out);

/* Whether two values of the field are the same to its rule. */
bool value_field_matches(const hil_value_rule_t *rule, const uint8_t *a, const uint8_t *b);

/* The memory before the first frame. */
hil_field_memory_t value_first_memory(const hil_value_rule_t *rule);
/* cffi:end */

#endif
