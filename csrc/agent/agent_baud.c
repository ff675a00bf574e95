/* The line's rate: raised and lowered by agreement, and never lost. SPDX-License-Identifier: Apache-2.0
 *
 *            BAUD, answered           all bytes left, settled          a good frame
 *   STEADY ------------------> LEAVING ----------------------> TRIAL ----------------> RAISED
 *     ^                          |                               |                       |
 *     |     the rate cannot be set, bytes do not leave           | no good frame in time | nothing but
 *     +--------------------------+-------------------------------+-----------------------+ garbage
 *
 *   from     to       on                                         by
 *   any      LEAVING  BAUD, RESET                                agent_baud_request, agent_baud_leave
 *   LEAVING  TRIAL    the switch                                 leave
 *   LEAVING  STEADY   the switch to the rate of the start, or it failed      leave
 *   TRIAL    RAISED   the first good frame (the host's HELLO)    agent_baud_heard
 *   TRIAL    STEADY   TRIAL_US without one                       fall_back
 *   RAISED   STEADY   GARBAGE_US of bytes and no frame           fall_back
 *
 * STEADY is at the rate that the agent was started with; falling back leads there, at once and from
 * everywhere, so two parties that have lost each other meet there, whichever message was lost:
 *   - BAUD: nothing has happened.
 *   - Its answer: the host stays and asks again; we are on trial, and come back.
 *   - The host's HELLO: it comes back after its patience, we after ours.
 *   - Our answer to that HELLO: the host comes back; what it sends then is garbage to us, so we follow.
 *   - A host that was killed, or whose port was opened again: as the last.
 * Silence alone ends nothing: a host may send nothing for hours. */
#include "agent_parts.h"

enum { STEADY = 0, LEAVING, TRIAL, RAISED };

enum {
  SETTLE_US = 20000,    /* between the last byte and the switch: UARTs and adapters hold some back */
  LEAVE_US = 1000000,   /* for all bytes to leave; a line that takes none is at no rate */
  TRIAL_US = 1000000,
  GARBAGE_US = 700000,
  GARBAGE_BYTES = 24,   /* two HELLOs */
  AGAIN_US = 5000
};

static uint64_t now_us(const hil_agent_t *a) { return a->port.now_us(a->port.context); }

static void leave_for(hil_agent_t *a, uint32_t baud) {
  a->baud.next = baud;
  a->baud.state = LEAVING;
  a->baud.deadline_us = now_us(a) + LEAVE_US;
  a->baud.drained_us = 0;
}

void agent_baud_request(hil_agent_t *a, uint16_t seq, const uint8_t *payload, size_t len) {
  hil_baud_t m;
  int status = hil_baud_unpack(&m, payload, len);
  if (status == HIL_OK) {
    status = a->port.set_baud ? a->port.set_baud(a->port.context, m.baud, false) : HIL_ERR_NOSYS;
  }
  uint8_t answer[8];
  size_t answer_len = 0;
  if (status == HIL_OK) status = hil_baud_pack(&m, answer, sizeof answer, &answer_len);
  if (status != HIL_OK) {
    agent_answer_error(a, HIL_MSG_BAUD, seq, status);
    return;
  }
  a->stream.active = 0; /* or the switch would wait for all of a READ */
  agent_answer(a, HIL_MSG_BAUD, seq, answer, answer_len);
  a->answer.valid = 0;
  leave_for(a, m.baud);
}

void agent_baud_leave(hil_agent_t *a) {
  if (a->baud.state != STEADY) leave_for(a, 0);
}

bool agent_baud_is_leaving(const hil_agent_t *a) { return a->baud.state == LEAVING; }

bool agent_baud_state_is_known(const hil_agent_t *a) { return a->baud.state <= RAISED; }

void agent_baud_heard(hil_agent_t *a, size_t bytes, bool good) {
  if (a->baud.state != TRIAL && a->baud.state != RAISED) return;
  if (good) {
    a->baud.state = RAISED;
    a->baud.garbage_bytes = 0;
    return;
  }
  if (!a->baud.garbage_bytes) a->baud.garbage_since_us = now_us(a);
  a->baud.garbage_bytes =
      bytes < GARBAGE_BYTES - a->baud.garbage_bytes ? a->baud.garbage_bytes + (uint32_t)bytes : GARBAGE_BYTES;
}

static uint32_t fall_back(hil_agent_t *a) {
  const int status = a->port.set_baud(a->port.context, 0, true);
  if (status == HIL_ERR_STATE) return AGAIN_US;
  a->baud.state = STEADY;
  return UINT32_MAX;
}

static uint32_t leave(hil_agent_t *a) {
  const uint64_t now = now_us(a);
  if (agent_tx_pending(a)) {
    a->baud.drained_us = 0;
  } else if (!a->baud.drained_us) {
    a->baud.drained_us = now;
  }
  if (a->baud.drained_us && now - a->baud.drained_us >= SETTLE_US) {
    const int status = a->port.set_baud(a->port.context, a->baud.next, true);
    if (status == HIL_OK) {
      a->baud.state = a->baud.next ? TRIAL : STEADY;
      a->baud.deadline_us = now + TRIAL_US;
      a->baud.garbage_bytes = 0;
      return a->baud.next ? TRIAL_US : UINT32_MAX;
    }
    if (status != HIL_ERR_STATE) return fall_back(a);
  }
  return now < a->baud.deadline_us ? AGAIN_US : fall_back(a);
}

uint32_t agent_baud_poll(hil_agent_t *a) {
  if (a->baud.state == STEADY) return UINT32_MAX;
  if (a->baud.state == LEAVING) return leave(a);
  const uint64_t now = now_us(a);
  if (a->baud.state == TRIAL) {
    return now < a->baud.deadline_us ? agent_wait_us(a->baud.deadline_us - now) : fall_back(a);
  }
  if (a->baud.garbage_bytes < GARBAGE_BYTES) return UINT32_MAX;
  const uint64_t garbage_us = now - a->baud.garbage_since_us;
  return garbage_us < GARBAGE_US ? agent_wait_us(GARBAGE_US - garbage_us) : fall_back(a);
}
