/* One frame's verdict from the outputs of all nodes, field by field. SPDX-License-Identifier: Apache-2.0
 *
 *   delivered    the delivered bytes of all fields, in their order: it may be the output of no node. Nothing is
 *                delivered unless all fields are decided
 *   output       the digest of the delivered bytes
 *   agree        a node agrees if it agrees in every field; a node that answered and does not agree dissents. Nodes
 *                that were heard and do not vote are compared, too
 *   unanimous    all voters were heard and agree, and their states do
 *   majority     decided otherwise. Where no more than half of the voters agree (each may dissent in another field),
 *                the output is delivered, and the states count as split
 *   no majority  a field is undecided. Bytes that a board did not deliver have no value in any field
 *   simplex      one voter was heard: its own output, by the same rule as with the exact majority
 *   states       of the voters that agree are voted on by their digests, unless they are ignored
 *   correct      the delivered value of each field agrees with that of the golden run by the rule of the field
 *
 * What a voter remembers changes only by the final verdict of a frame (value_verdict_settle). */
#ifndef HIL_VALUE_VERDICT_H
#define HIL_VALUE_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

#include "frame_verdict.h"
#include "value_field.h"
#include "value_rule.h"

/* cffi:begin */
/* The rules of all bytes of an output, in their order (value_rules_unpack). */
typedef struct {
  const hil_value_rule_t *rule;
  uint32_t count;
  uint32_t output_len;   /* [byte] */
  uint8_t ignore_states; /* whether the states of the nodes are not voted on */
} hil_value_rules_t;

/* What is remembered between frames; the caller's. */
typedef struct {
  hil_field_memory_t *field; /* of each rule */
  uint8_t *last;             /* output_len bytes: those of the fields with has_last */
} hil_value_memory_t;

/* The outputs of a frame. */
typedef struct {
  const uint8_t
      *node[VOTE_MAX_NODES]; /* of each node, output_len bytes; NULL: not known. Of nodes that were not heard
                                          they are not read */
  const uint8_t *golden; /* of the golden run; NULL: not known */
} hil_frame_outputs_t;

/* The votes on all fields of a frame; the memory is the caller's. */
typedef struct {
  hil_field_vote_t *field; /* of each rule */
  uint8_t *output; /* output_len bytes: what is delivered */
  uint64_t *scratch; /* 2 numbers for each one of the longest field */
  uint8_t voted; /* whether a voter was heard; otherwise nothing else is set */
  uint8_t decided; /* whether all fields are */
  uint8_t output_known; /* not where all voters have it alike, and its bytes are not known here */
} hil_value_decision_t;

/* Decide a frame: from nodes, voters, node[] and the flags RE_EXECUTED, FAIL_SILENT (a voter that is alone delivers
 * nothing), HELD and HELD_WRONG to verdict, masks, output, state and flags. Others of its members are kept. HIL_OK;
 * HIL_ERR_ARG for a node count outside 1..8, or voters beyond it. */
int value_verdict_decide(const hil_value_rules_t *rules, const hil_value_memory_t *memory,
                         const hil_frame_outputs_t *outputs, hil_frame_verdict_t *f,
                         hil_value_decision_t *out);

/* The memory before the first frame. */
void value_verdict_begin(const hil_value_rules_t *rules, hil_value_memory_t *memory);

/* Remember the final decision of a frame. */
void value_verdict_settle(const hil_value_rules_t *rules, const hil_value_decision_t *decision,
                          hil_value_memory_t *memory);

/* Whether two outputs agree in all fields. */
bool value_outputs_match(const hil_value_rules_t *rules, const uint8_t *a, const uint8_t *b);
/* cffi:end */

#endif
