/* The voter by value for web pages: what voter.c asks of it. SPDX-License-Identifier: Apache-2.0 */
#ifndef HIL_VALUE_VOTER_H
#define HIL_VALUE_VOTER_H

#include <stdbool.h>

#include "frame_verdict.h"

/* Whether the voter of the run compares values. */
bool value_voter_is_used(void);

/* Decide a frame by the outputs that are known of it, and remember it. HIL_OK, or as value_verdict_decide. */
int value_voter_decide(hil_frame_verdict_t *f);

/* Decide a frame as the voter of |node| received it. Nothing is remembered. HIL_OK, or as value_verdict_decide. */
int value_voter_decide_view(hil_frame_verdict_t *f, uint32_t node);

/* For each of the voters in the mask |receivers|, which have decided of[node], the mask of those that decided alike:
 * the same states, and outputs that agree. 0 for others. */
void value_voter_alike(const hil_frame_verdict_t *of, uint32_t receivers, uint8_t *alike);

/* Remember what the voter of |node| decided. */
void value_voter_settle_view(uint32_t node);

#endif
