/* The voter of a doer and its checkers for web pages: what voter.c asks of it. SPDX-License-Identifier: Apache-2.0 */
#ifndef HIL_CHECKED_VOTER_H
#define HIL_CHECKED_VOTER_H

#include <stdbool.h>

#include "frame_verdict.h"

/* Whether the run has a doer and checkers. */
bool checked_voter_is_used(void);

/* Decide a frame by the outputs that are known of it. Returns as checked_decide. */
int checked_voter_decide(hil_frame_verdict_t *f);

#endif
