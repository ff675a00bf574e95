/* The experiments of a campaign: sites in, outcomes out. SPDX-License-Identifier: Apache-2.0
 *
 * A CAMPAIGN_RUN lists sites. Each stands for one experiment per bit of its mask, in each of its bytes: these
 * functions take them one experiment at a time and pack what became of each. Layouts in SPEC.md, section 4.
 *
 * A CAMPAIGN_DRAW has targets instead, of which the board draws experiments by itself (draws.h), in the
 * order of their positions, and at one position in that of the targets. Their outcomes are coded (outcome_coder.h),
 * and so are those of a CAMPAIGN_CODED, which lists sites.
 *
 * Limits: CAMPAIGN_EXPERIMENTS_MAX experiments in one list, so that the outcomes of any list fit into one
 * answer, each with a byte of details. An answer with more of them may end before the list does, and so may a coded
 * one. The length of the answer is right when no experiment is left. */
#ifndef HIL_SITES_H
#define HIL_SITES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "draws.h"
#include "message.h"
#include "outcome_coder.h"
#include "status.h"

/* cffi:begin */
enum {
  SITES_DETAILS_MAX = 2 + MESSAGE_IO_MAX / 8 + MESSAGE_IO_MAX + 2 /* [byte] of one experiment */
};

/* The next experiment, and what is left of its site. */
typedef struct {
  uint64_t position; /* [instruction] of the step, before which the bit is flipped */
  uint64_t byte;     /* of the space */
  uint8_t space;     /* hil_space_t */
  uint8_t bit;       /* mask of the one bit to flip now; 0: no experiment is left */
  uint8_t mask;      /* of the site */
  uint8_t bytes;     /* left of the site, this one included */
} hil_campaign_site_t;

/* A list of sites, or of targets, that is worked through. */
typedef struct {
  hil_campaign_sites_t sites;
  uint16_t at;    /* [byte] of them that was read */
  uint16_t bits;  /* of the outcomes so far */
  uint16_t tail;  /* [byte] of the outcomes where the details so far begin */
  hil_campaign_site_t site;
  uint8_t coded;              /* 1: all that follows is used. 0: |outcomes| only */
  uint8_t drawn;              /* 1: of a DRAW */
  uint8_t draws;              /* targets */
  hil_draw_t draw[DRAWS_MAX]; /* what is left of each */
  hil_outcome_of_t of;        /* the site */
  hil_outcome_coder_t coder;
  hil_campaign_outcomes_t outcomes;
} hil_campaign_run_t;

/* Go to the first experiment of |run->sites|, with empty outcomes. The list is read to its end first: no other
 * function here can meet a malformed one.
 * HIL_OK; HIL_ERR_PAYLOAD: the list is empty or malformed (|run->site.bit| is 0); HIL_ERR_ARG: more experiments
 * than fit into one answer (likewise). */
int sites_begin(hil_campaign_run_t *run);

/* The same of a CODED. HIL_OK; HIL_ERR_PAYLOAD; HIL_ERR_ARG, also if other details are wanted than those that are
 * coded. */
int sites_begin_coded(hil_campaign_run_t *run);

/* Go to the first experiment of a DRAW, with empty outcomes; |targets| are those that it may be a continuation of.
 * HIL_OK; HIL_ERR_PAYLOAD, HIL_ERR_ARG, HIL_ERR_STATE: as draws_read (|run->site.bit| is 0). */
int sites_begin_drawn(hil_campaign_run_t *run, hil_draw_targets_t *targets, const hil_campaign_draws_t *m);

/* Read what a board has answered to the DRAW or CODED that |run| has begun: the hil_outcome_t of each experiment, and
 * the details of those that have one; both have room for CAMPAIGN_DRAWN_MAX. No experiment is left afterwards.
 * HIL_OK; HIL_ERR_PAYLOAD: these are not the outcomes of the first experiments of that request. */
int sites_read_coded(hil_campaign_run_t *run, const hil_campaign_outcomes_t *answer, uint8_t *out_outcomes,
                     uint8_t *out_details, size_t *out_details_len);

/* Add what became of |run->site| to the outcomes, and go to the next experiment. |detail| is kept where a
 * hil_outcome_t has a byte more. Nothing happens if no experiment is left. */
void sites_put(hil_campaign_run_t *run, hil_outcome_t outcome, uint8_t detail);

/* As above, with |len| <= SITES_DETAILS_MAX bytes of details. If they do not fit any more, nothing is added and no
 * experiment is left; the first one always fits. */
void sites_put_details(hil_campaign_run_t *run, hil_outcome_t outcome, const uint8_t *details, size_t len);
/* cffi:end */

#endif
