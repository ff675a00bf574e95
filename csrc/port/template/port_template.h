/* The template port: a loopback without a worker. SPDX-License-Identifier: Apache-2.0 */
#ifndef HIL_PORT_TEMPLATE_H
#define HIL_PORT_TEMPLATE_H

#include <stddef.h>
#include <stdint.h>

#include "agent.h"

enum { TEMPLATE_WORDS = 128 }; /* [word] of the checkpoints, both copies */

/* One board: the agent, its checkpoints, and what it has sent last. */
typedef struct {
  hil_agent_t agent;
  uint64_t words[TEMPLATE_WORDS];
  uint8_t checks[TEMPLATE_WORDS];
  uint8_t out[2 * WIRE_FRAME_MAX];
  size_t out_len;
} hil_template_t;

/* Start the agent. What it says first (HELLO, unasked) is sent by the first exchange. HIL_OK; HIL_ERR_ARG for a
 * null pointer. */
int template_init(hil_template_t *t);

/* Give the agent |len| bytes and let it proceed once. Its answer is in out[0..out_len) until the next call;
 * bytes beyond that capacity stay in the agent's queue. */
void template_exchange(hil_template_t *t, const uint8_t *bytes, size_t len);

#endif
