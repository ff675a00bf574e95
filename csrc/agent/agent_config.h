/* The agent's capacities, each of which a build may set (-DAGENT_UPSETS_MAX=16): what a small board has less of.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HIL_AGENT_CONFIG_H
#define HIL_AGENT_CONFIG_H

#include "checkpoint.h"
#include "frame.h"

/* Armed upsets and reports kept. [about 180 byte each] */
#ifndef AGENT_UPSETS_MAX
#define AGENT_UPSETS_MAX 64u
#endif

/* Stuck bits held at once. */
#ifndef AGENT_STUCK_MAX
#define AGENT_STUCK_MAX 16u
#endif

/* [byte] Answers waiting for the link. TARGET_AGENT spans them: boards with another capacity place the bits
 * after them elsewhere. */
#ifndef AGENT_TX_CAP
#define AGENT_TX_CAP (8u * WIRE_FRAME_MAX)
#endif

/* [byte] of the words of all copies of a state: what ports provide, not in hil_agent_t. */
#ifndef AGENT_CHECKPOINT_BYTES
#define AGENT_CHECKPOINT_BYTES (1u << 21)
#endif

/* Experiments on a held step, where the port offers them (22 kB of hil_agent_t). 0: none; their requests are
 * refused. */
#ifndef AGENT_CAMPAIGNS
#define AGENT_CAMPAIGNS 1
#endif

/* [word] and [check byte] of that, as agent_init takes them. */
#define AGENT_CHECKPOINT_WORDS (AGENT_CHECKPOINT_BYTES / 8u)

/* [instruction] past a tick: the agent receives nothing while it counts them (seconds on a slow board).
 * hil/scenario/words.py knows the same number. */
#ifndef AGENT_ADVANCE_MAX
#define AGENT_ADVANCE_MAX 1000000u
#endif

/* [us] for the link to take the answer to RESET. */
#ifndef AGENT_RESET_PATIENCE_US
#define AGENT_RESET_PATIENCE_US 500000u
#endif

_Static_assert(AGENT_UPSETS_MAX >= 1 && AGENT_STUCK_MAX >= 1, "an upset needs a slot");
_Static_assert(AGENT_TX_CAP >= 4u * WIRE_FRAME_MAX, "a READ stream fills three frames, an answer needs one");
_Static_assert(AGENT_CHECKPOINT_BYTES % (8u * CHECKPOINT_GENERATIONS) == 0,
               "the copies share the words evenly");

#endif
