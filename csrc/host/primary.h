/* A primary with monitors: one node commands, the others compute along and monitor it.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The rule is the table in hil/redundancy/primary.py. What is remembered from frame to frame is the caller's. */
#ifndef HIL_PRIMARY_H
#define HIL_PRIMARY_H

#include <stdbool.h>
#include <stdint.h>

#include "frame_verdict.h"

/* cffi:begin */
/* The rule, and what is remembered. At the beginning of a run the last three are 0: the first node commands. */
typedef struct {
  uint32_t votes; /* so many monitors that disagree contradict the primary */
  uint32_t frames; /* in so many consecutive frames, which votes it out */
  uint32_t node; /* the index of the node that commands; a larger one than there are nodes answers nothing */
  uint32_t contradicted; /* in how many consecutive frames it was contradicted */
  uint64_t changes; /* how often command has passed */
} hil_primary_t;

/* What is decided of a frame before equals vote. */
typedef struct {
  uint8_t voters; /* mask: the voters of the frame */
  uint8_t heard; /* mask: those that answered */
  uint8_t asked; /* mask: those that vote among equals */
  uint8_t held; /* FRAME_HELD, FRAME_HELD_WRONG: as the caller set them */
  uint8_t commands; /* 1 + the index of the node that commands; 0 if none does */
  bool alone; /* at most one voter answered: the rule for unvoted outputs decides */
  bool contested; /* the primary is contradicted, and still commands for the time being */
} hil_primary_choice_t;

/* Choose who commands in |f|, and who votes. HIL_OK; HIL_ERR_ARG for a null pointer, a node count outside 1..8 or
 * voters beyond it. */
int primary_choose(const hil_primary_t *p, const hil_frame_verdict_t *f, hil_primary_choice_t *out);

/* Complete |f|, on which those that were asked have voted. Returns what byte 15 of its record is: 1 + the index
 * of the node that commands, 0 if none does. HIL_ERR_ARG for a null pointer or a node count outside 1..8. */
int primary_release(const hil_primary_choice_t *c, hil_frame_verdict_t *f);

/* Decide, as frame_verdict_decide does without a primary. Returns what primary_release does; HIL_ERR_ARG as
 * primary_choose. */
int primary_decide(const hil_primary_t *p, hil_frame_verdict_t *f);

/* Remember the final verdict |f| of a frame, in which |commands| is what primary_release returned. HIL_OK;
 * HIL_ERR_ARG for a null pointer, a node count outside 1..8, or a node beyond it that commands. */
int primary_settle(hil_primary_t *p, const hil_frame_verdict_t *f, int commands);
/* cffi:end */

#endif
