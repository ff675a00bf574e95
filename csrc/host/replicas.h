/* Replicas of the voter, one at each node: what they decide together. SPDX-License-Identifier: Apache-2.0
 *
 * Each has decided on its own view of the replies. What more than half of them decided is the verdict of the frame. */
#ifndef HIL_REPLICAS_H
#define HIL_REPLICAS_H

#include <stdint.h>

#include "frame_verdict.h"

/* cffi:begin */
/* For each of the replicas in the mask |receivers|, whose verdicts are of[node], the mask of those that decided
 * alike: the same would leave the system, and the same nodes agree. |alike| has VOTE_MAX_NODES entries, 0 for
 * others. HIL_OK; HIL_ERR_ARG for a null pointer. */
int replicas_alike(const hil_frame_verdict_t *of, uint8_t receivers, uint8_t *alike);

/* Combine the verdicts |of| the replicas to that of the frame. |sent| is one on the replies as they were sent, of
 * which nothing is used but these, its number, its voters and FRAME_RE_EXECUTED; alike[node] is the mask of the
 * replicas that decided like that of |node| by the rule of the voter (by value it is not transitive). Returns 1 +
 * the node whose replica decided like most of them, of several the first; 0 if it decided like less than half: then
 * nothing is delivered. HIL_ERR_ARG for a null pointer, no replicas, a node count outside 1..8 or one that differs,
 * or receivers beyond it. */
int replicas_combine(const hil_frame_verdict_t *sent, const hil_frame_verdict_t *of, uint8_t receivers,
                     const uint8_t *alike, hil_frame_verdict_t *out);
/* cffi:end */

#endif
