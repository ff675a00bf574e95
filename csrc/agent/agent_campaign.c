/* Experiments on one step: the requests of a campaign. SPDX-License-Identifier: Apache-2.0
 *
 * The port holds the step and carries the experiments out, a slice at a time: between two slices the link is
 * served, and whatever else is asked is answered with busy.
 *
 *              OPEN                RUN, DRAW
 *   closed ------------> step held -----------> experiments run
 *      ^                  |      ^                  |
 *      |  CLOSE, or any   |      +------------------+
 *      +--other request---+        last outcome, failure
 *
 * HELLO, HEALTH, LIMIT, BAUD and RESET change nothing in this picture, but a RESET gives up the RUN or DRAW. A CODED is
 * a RUN whose answer is shorter.
 *
 * A RUN or DRAW that comes while another one is under way waits for its end: so a slow line carries one while the
 * board works on the other. One waits, no more.
 *
 * Invariants:
 *   1. |active| only while the campaign is open, and until its answer has been queued; |waits| only while
 *      |active|.
 *   2. The sites of a RUN were read once to their end before the first experiment: they are well-formed, and
 *      their outcomes fit into the answer (sites.c 3). |targets| are those of the last DRAW that was well-formed
 *      and no continuation, in the campaign that is open, or none: a continuation draws from what its host believes
 *      or is refused.
 *   3. After it ended, however it ended, memory is as before OPEN and there is a fresh worker, or none and
 *      |worker.alive| says so.
 *   4. Experiments keep the limits of the board: none while it is suspended, and with a duty the share of time
 *      that it leaves. */
#include "agent_config.h"

#if AGENT_CAMPAIGNS

#include <string.h>

#include "agent_parts.h"

/* What a request is answered with: what was packed, or why not. */
static void conclude(hil_agent_t *a, uint8_t type, uint16_t seq, int status, const uint8_t *payload,
                     size_t len) {
  if (status == HIL_OK) {
    agent_answer(a, type, seq, payload, len);
  } else {
    agent_answer_error(a, type, seq, status);
  }
}

/* --- open and close ---------------------------------------------------------------------------------- */

static void close_campaign(hil_agent_t *a) {
  if (!a->campaign.open) return;
  a->campaign.open = a->campaign.active = a->campaign.waits = false;
  a->worker.alive = a->port.campaign->close(a->port.context) == HIL_OK;
}

/* Whether |step| can be held now. */
static int check_open(const hil_agent_t *a, const hil_step_t *step) {
  if (!a->workload || !a->worker.alive) return HIL_ERR_STATE;
  if (agent_stuck_held(a)) return HIL_ERR_STATE; /* experiments restore memory: nothing would hold the cell */
  return step->frame == a->done_frame + 1u && step->len == a->workload->input_len ? HIL_OK : HIL_ERR_ARG;
}

static void open_campaign(hil_agent_t *a, uint16_t seq, const uint8_t *payload, size_t len) {
  uint8_t answer[WIRE_PAYLOAD_MAX];
  size_t answer_len = 0;
  close_campaign(a);
  int status = hil_step_unpack(&a->campaign.step, payload, len);
  if (status == HIL_OK && a->limits.suspended) {
    agent_answer_not_now(a, HIL_MSG_CAMPAIGN_OPEN, seq, AGENT_SUSPENDED);
    return;
  }
  if (status == HIL_OK) status = check_open(a, &a->campaign.step);
  if (status == HIL_OK) {
    a->stream.active = 0; /* a READ of memory that is not at rest from now on */
    a->campaign.open = true;
    a->campaign.next_us = 0;
    a->campaign.targets.count = 0;
    memset(&a->campaign.opened, 0, sizeof a->campaign.opened);
    status = a->port.campaign->open(a->port.context, &a->campaign.step, &a->budget, &a->campaign.opened);
  }
  if (status == HIL_OK) {
    status = hil_campaign_opened_pack(&a->campaign.opened, answer, sizeof answer, &answer_len);
  }
  conclude(a, HIL_MSG_CAMPAIGN_OPEN, seq, status, answer,
           answer_len); /* it asks the port for the error: first */
  if (status != HIL_OK) close_campaign(a);
}

static void answer_close(hil_agent_t *a, uint16_t seq) {
  const hil_sync_t m = {a->done_frame, a->workload ? agent_region_digest(a, REGION_STATE) : 0};
  uint8_t answer[32];
  size_t len = 0;
  const int status = hil_sync_pack(&m, answer, sizeof answer, &len);
  conclude(a, HIL_MSG_CAMPAIGN_CLOSE, seq, status, answer, len);
}

/* --- the step that is held ----------------------------------------------------------------------------- */

static void trace(hil_agent_t *a, uint16_t seq, const uint8_t *payload, size_t len) {
  hil_campaign_position_t m;
  hil_campaign_trace_t *out = &a->campaign.trace;
  uint8_t answer[WIRE_PAYLOAD_MAX];
  size_t answer_len = 0;
  int status = hil_campaign_position_unpack(&m, payload, len);
  if (status == HIL_OK) {
    memset(out, 0, sizeof *out);
    out->position = m.position;
    status = a->port.campaign->trace(a->port.context, out);
  }
  if (status == HIL_OK) status = hil_campaign_trace_pack(out, answer, sizeof answer, &answer_len);
  conclude(a, HIL_MSG_CAMPAIGN_TRACE, seq, status, answer, answer_len);
}

static void read_code(hil_agent_t *a, uint16_t seq, const uint8_t *payload, size_t len) {
  hil_campaign_code_query_t m;
  hil_campaign_code_t *out = &a->campaign.code;
  uint8_t answer[WIRE_PAYLOAD_MAX];
  size_t answer_len = 0;
  int status = hil_campaign_code_query_unpack(&m, payload, len);
  if (status == HIL_OK) {
    memset(out, 0, sizeof *out);
    out->address = m.address;
    out->len = m.len;
    status = a->port.campaign->code(a->port.context, m.address, m.len, out->bytes);
  }
  if (status == HIL_OK) status = hil_campaign_code_pack(out, answer, sizeof answer, &answer_len);
  conclude(a, HIL_MSG_CAMPAIGN_CODE, seq, status, answer, answer_len);
}

static void follow(hil_agent_t *a, uint16_t seq, const uint8_t *payload, size_t len) {
  hil_campaign_follow_t *m = &a->campaign.follow;
  hil_sync_t out = {0, 0};
  uint8_t answer[32];
  size_t answer_len = 0;
  const uint32_t input_len = a->workload->input_len;
  int status = hil_campaign_follow_unpack(m, payload, len);
  if (status == HIL_OK && (!m->len || !input_len || m->len % input_len)) status = HIL_ERR_ARG;
  if (status == HIL_OK) status = a->port.campaign->follow(a->port.context, m, &out.state_digest);
  if (status == HIL_OK) {
    out.frame = a->done_frame + 1u + m->first + m->len / input_len;
    status = hil_sync_pack(&out, answer, sizeof answer, &answer_len);
  }
  conclude(a, HIL_MSG_CAMPAIGN_FOLLOW, seq, status, answer, answer_len);
}

/* One experiment to inspect. It takes no longer than the step without a fault, which OPEN has waited for, or its
 * budget. */
static void strike(hil_agent_t *a, uint16_t seq, const uint8_t *payload, size_t len) {
  hil_campaign_strike_t m;
  hil_campaign_struck_t out;
  uint8_t answer[32];
  size_t answer_len = 0;
  int status = hil_campaign_strike_unpack(&m, payload, len);
  memset(&out, 0, sizeof out);
  if (status == HIL_OK) status = a->port.campaign->strike(a->port.context, &m, &out);
  if (status == HIL_OK) status = hil_campaign_struck_pack(&out, answer, sizeof answer, &answer_len);
  conclude(a, HIL_MSG_CAMPAIGN_STRIKE, seq, status, answer, answer_len);
}

/* --- experiments ---------------------------------------------------------------------------------------- */

/* Why experiments were refused. */
static void refuse(hil_agent_t *a, uint8_t type, uint16_t seq, int status) {
  if (status == HIL_ERR_STATE) {
    agent_answer_not_now(a, type, seq, AGENT_OTHER_TARGETS);
  } else {
    agent_answer_error(a, type, seq, status);
  }
}

/* Read a RUN or DRAW. */
static int read_next(hil_agent_campaign_t *c, uint8_t type, const uint8_t *payload, size_t len) {
  return type == HIL_MSG_CAMPAIGN_DRAW ? hil_campaign_draws_unpack(&c->next.draws, payload, len)
                                       : hil_campaign_sites_unpack(&c->next.sites, payload, len);
}

/* Begin the RUN or DRAW that was read. */
static void begin_next(hil_agent_t *a, uint8_t type, uint16_t seq) {
  hil_agent_campaign_t *c = &a->campaign;
  int status;
  if (type == HIL_MSG_CAMPAIGN_DRAW) {
    status = sites_begin_drawn(&c->run, &c->targets, &c->next.draws);
  } else {
    c->run.sites = c->next.sites;
    status = type == HIL_MSG_CAMPAIGN_CODED ? sites_begin_coded(&c->run) : sites_begin(&c->run);
  }
  if (status != HIL_OK) {
    refuse(a, type, seq, status);
    return;
  }
  c->type = type;
  c->seq = seq;
  c->active = true;
}

static void begin_run(hil_agent_t *a, uint8_t type, uint16_t seq, const uint8_t *payload, size_t len) {
  const int status = read_next(&a->campaign, type, payload, len);
  if (status == HIL_OK) {
    begin_next(a, type, seq);
  } else {
    agent_answer_error(a, type, seq, status);
  }
}

bool agent_campaign_is_active(const hil_agent_t *a) { return a->campaign.active; }

bool agent_campaign_keep_next(hil_agent_t *a, uint8_t type, uint16_t seq, const uint8_t *payload,
                              size_t len) {
  hil_agent_campaign_t *c = &a->campaign;
  if (type != HIL_MSG_CAMPAIGN_RUN && type != HIL_MSG_CAMPAIGN_DRAW && type != HIL_MSG_CAMPAIGN_CODED) {
    return false;
  }
  if (c->waits || seq == c->seq) return false;
  const int status = read_next(c, type, payload, len);
  if (status == HIL_OK) {
    c->next_type = type;
    c->next_seq = seq;
    c->waits = true;
  } else {
    agent_answer_error(a, type, seq, status);
  }
  return true;
}

void agent_campaign_stop(hil_agent_t *a) { a->campaign.active = a->campaign.waits = false; }

static void answer_run(hil_agent_t *a, int status) {
  uint8_t answer[WIRE_PAYLOAD_MAX];
  size_t len = 0;
  if (status == HIL_OK) {
    status = hil_campaign_outcomes_pack(&a->campaign.run.outcomes, answer, sizeof answer, &len);
  }
  conclude(a, a->campaign.type, a->campaign.seq, status, answer, len);
}

uint32_t agent_campaign_poll(hil_agent_t *a) {
  if (a->limits.suspended) return UINT32_MAX; /* a LIMIT ends it */
  const uint64_t began_us = a->port.now_us(a->port.context);
  if (began_us < a->campaign.next_us) return agent_wait_us(a->campaign.next_us - began_us);
  const int status = a->port.campaign->run(a->port.context, &a->campaign.run);
  const uint64_t ended_us = a->port.now_us(a->port.context);
  a->campaign.next_us = began_us + (ended_us - began_us) * 1000u / a->limits.duty_permille;
  if (status == HIL_OK && a->campaign.run.site.bit) return agent_wait_us(a->campaign.next_us - ended_us);
  a->campaign.active = false;
  answer_run(a, status);
  if (!a->campaign.waits) return UINT32_MAX;
  a->campaign.waits = false;
  begin_next(a, a->campaign.next_type, a->campaign.next_seq);
  return a->campaign.active ? agent_wait_us(a->campaign.next_us - ended_us) : UINT32_MAX;
}

/* --- requests ------------------------------------------------------------------------------------------- */

static void held_step_request(hil_agent_t *a, uint8_t type, uint16_t seq, const uint8_t *payload,
                              size_t len) {
  if (!a->campaign.open) {
    agent_answer_error(a, type, seq, HIL_ERR_STATE);
    return;
  }
  switch (type) {
    case HIL_MSG_CAMPAIGN_TRACE: trace(a, seq, payload, len); break;
    case HIL_MSG_CAMPAIGN_CODE: read_code(a, seq, payload, len); break;
    case HIL_MSG_CAMPAIGN_FOLLOW: follow(a, seq, payload, len); break;
    case HIL_MSG_CAMPAIGN_STRIKE: strike(a, seq, payload, len); break;
    default: begin_run(a, type, seq, payload, len); break;
  }
}

bool agent_campaign_request(hil_agent_t *a, uint8_t type, uint16_t seq, const uint8_t *payload, size_t len) {
  if (type < HIL_MSG_CAMPAIGN_OPEN || type > HIL_MSG_CAMPAIGN_CODED) {
    close_campaign(a);
    return false;
  }
  if (!a->port.campaign) return false; /* refused like any type that is not known */
  switch (type) {
    case HIL_MSG_CAMPAIGN_OPEN: open_campaign(a, seq, payload, len); break;
    case HIL_MSG_CAMPAIGN_CLOSE:
      close_campaign(a);
      answer_close(a, seq);
      break;
    default: held_step_request(a, type, seq, payload, len); break;
  }
  return true;
}

#endif
