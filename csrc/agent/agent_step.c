/* One frame: begin, stops on the way, budget, end, answer. SPDX-License-Identifier: Apache-2.0
 *
 * A step is called hung when it used up its CPU budget (time in which the machine ran something else
 * does not count, so neither a loaded machine nor a limit makes hangs) or when its ticks passed the budget's. */
#include <string.h>

#include "agent_parts.h"
#include "digest.h"

uint64_t agent_region_digest(const hil_agent_t *a, hil_region_t region) {
  const size_t len = region == REGION_STATE ? a->workload->state_len : a->workload->output_len;
  return hil_digest64(a->memory.region[region], len, 0);
}

static void scrub(hil_agent_t *a) { checkpoint_scrub(&a->checkpoint, a->step.frame, a->budget.scrub_words); }

static uint32_t next_stop(const hil_agent_t *a, uint32_t tick) {
  const uint32_t limit = agent_last_stop(a);
  const uint32_t next = agent_upsets_next_tick(a, tick);
  return next && (!limit || next < limit) ? next : limit;
}

/* Stepping on by instructions put the stop to the last one, and may have passed further ticks. */
static void set_next_stop(hil_agent_t *a) {
  a->memory.progress->stop_tick = next_stop(a, a->memory.progress->tick);
}

static uint8_t finish(hil_agent_t *a, hil_worker_status_t status, uint8_t signal, hil_reply_t *reply) {
  a->worker.running = 0;
  a->counters.steps++;
  if (status == WORKER_CRASHED) a->counters.crashes++;
  if (status == WORKER_HUNG) a->counters.hangs++;
  if (status == WORKER_DONE) {
    a->done_frame = a->step.frame;
  } else {
    a->worker.alive = 0;
  }
  agent_stuck_apply(a, a->step.frame);
  *reply = (hil_reply_t){.frame = a->step.frame, .status = (uint8_t)status, .signal = signal};
  reply->pending = agent_upsets_settle(a);
  reply->ticks = a->memory.progress->tick;
  const uint64_t cpu_us = a->port.cpu_us(a->port.context);
  reply->cpu_us = cpu_us < UINT32_MAX ? (uint32_t)cpu_us : UINT32_MAX;
  if (status == WORKER_DONE) {
    reply->output_digest = agent_region_digest(a, REGION_OUTPUT);
    reply->state_digest = agent_region_digest(a, REGION_STATE);
    /* A longer output votes by its digest alone; the host reads it if it needs it. */
    const uint32_t len = a->workload->output_len;
    reply->len = (uint16_t)(len <= MESSAGE_IO_MAX ? len : 0u);
    memcpy(reply->output, a->memory.region[REGION_OUTPUT], reply->len);
  }
  scrub(a);
  return (uint8_t)status;
}

static void answer_step(hil_agent_t *a, const hil_reply_t *reply) {
  a->last_reply.len = 0;
  size_t len;
  if (hil_reply_pack(reply, a->last_reply.bytes, sizeof a->last_reply.bytes, &len) == HIL_OK) {
    agent_answer(a, HIL_MSG_STEP, a->step.seq, a->last_reply.bytes, len);
    if (reply->status == WORKER_DONE) { /* else it is not done_frame's */
      a->last_reply.len = (uint32_t)len;
      if (a->injector.message_frames) a->injector.message_frames--;
    }
  }
}

/* Answer a step that has ended, as soon as its duty allows. */
static uint32_t release(hil_agent_t *a) {
  const uint64_t withheld_us = agent_withheld_us(a);
  if (withheld_us) return agent_wait_us(withheld_us);
  a->limits.held = a->worker.running = 0;
  const uint64_t step_us = a->port.now_us(a->port.context) - a->timing.step_began_us;
  a->reply.step_us = step_us < UINT32_MAX ? (uint32_t)step_us : UINT32_MAX;
  answer_step(a, &a->reply);
  return UINT32_MAX;
}

static uint32_t end_step(hil_agent_t *a, hil_worker_status_t status, uint8_t signal) {
  agent_limits_step_ended(a);
  finish(a, status, signal, &a->reply);
  a->limits.held = a->worker.running = 1;
  return release(a);
}

/* Start the worker on the input that is in place. */
static int launch(hil_agent_t *a, uint64_t frame) {
  a->step.frame = frame;
  a->worker.runaway = 0;
  a->memory.progress->tick = 0;
  if (a->port.settle) a->port.settle(a->port.context, a->injector.disturbed);
  agent_stuck_apply(a, frame);
  a->worker.running = 1;
  agent_upsets_at_tick(a, 0);
  if (a->resetting) return HIL_ERR_STATE;
  set_next_stop(a);
  agent_limits_step_began(a);
  const int status = a->port.step(a->port.context);
  if (status != HIL_OK) a->worker.running = 0;
  return status;
}

void agent_step_begin(hil_agent_t *a, uint16_t seq, const hil_step_t *step) {
  if (!a->workload) {
    agent_answer_error(a, HIL_MSG_STEP, seq, HIL_ERR_STATE);
    return;
  }
  if (step->frame == a->done_frame && a->last_reply.len) {
    a->link.duplicates++;
    agent_answer(a, HIL_MSG_STEP, seq, a->last_reply.bytes, a->last_reply.len);
    return;
  }
  a->step.seq = seq;
  if (a->limits.suspended) {
    agent_answer_not_now(a, HIL_MSG_STEP, seq, AGENT_SUSPENDED);
    return;
  }
  if (!a->worker.alive) {
    const hil_reply_t absent = {.frame = step->frame, .status = WORKER_ABSENT};
    answer_step(a, &absent);
    return;
  }
  if (step->frame != a->done_frame + 1u || step->len != a->workload->input_len) {
    agent_answer_error(a, HIL_MSG_STEP, seq, HIL_ERR_ARG);
    return;
  }
  memcpy(a->memory.region[REGION_INPUT], step->input, step->len);
  const int status = launch(a, step->frame);
  if (status != HIL_OK && !a->resetting) agent_answer_error(a, HIL_MSG_STEP, seq, status);
}

bool agent_on_tick(hil_agent_t *a, uint32_t tick) {
  if (!a->worker.running) return true;
  if (a->budget.max_ticks && tick > a->budget.max_ticks) {
    a->worker.runaway = 1;
    return true;
  }
  agent_stuck_apply(a, a->step.frame);
  agent_upsets_at_tick(a, tick);
  if (a->resetting) return true;
  set_next_stop(a);
  return false;
}

/* Wall-clock triggers: sleep while far away, then watch closely and stop the worker. By the clock, not by
 * the worker's CPU time, which the system only knows exactly while the worker stands still. */
static uint32_t poll_us_trigger(hil_agent_t *a) {
  const uint32_t at = agent_upsets_next_us(a);
  if (at == UINT32_MAX || !a->port.interrupt) return UINT32_MAX;
  const uint64_t passed = agent_busy_us(a);
  if (passed < at) return at - passed > 2000u ? (uint32_t)(at - passed) - 1000u : 0;
  if (a->port.interrupt(a->port.context) == HIL_OK) {
    agent_upsets_at_us(a, passed < UINT32_MAX ? (uint32_t)passed : UINT32_MAX);
    if (a->resetting) return 0;
    set_next_stop(a);
    (void)a->port.resume(a->port.context);
  }
  return 0;
}

uint32_t agent_step_poll(hil_agent_t *a) {
  uint8_t signal = 0;
  if (a->limits.held) return release(a);
  const hil_port_event_t event = a->port.poll(a->port.context, &signal);
  if (a->resetting) return UINT32_MAX;
  if (event == PORT_DONE && a->budget.max_ticks && a->memory.progress->tick > a->budget.max_ticks) {
    a->worker.runaway = 1; /* damaged code can count past every stop */
  } else if (event == PORT_DONE) {
    return end_step(a, WORKER_DONE, 0);
  }
  if (event == PORT_CRASHED) return end_step(a, WORKER_CRASHED, signal);
  const uint64_t used = a->port.cpu_us(a->port.context);
  if (a->worker.runaway || used >= a->budget.cpu_us) {
    a->port.kill(a->port.context);
    return end_step(a, WORKER_HUNG, 0);
  }
  const uint32_t limit_us = agent_limits_poll(a);
  if (a->limits.standing) return limit_us;
  const uint32_t trigger_us = poll_us_trigger(a);
  const uint32_t next_us = limit_us < trigger_us ? limit_us : trigger_us;
  const uint64_t left_us = a->budget.cpu_us - used; /* CPU time never runs faster than the clock */
  return left_us < next_us ? (uint32_t)left_us : next_us;
}

int agent_quiet_ready(const hil_agent_t *a, uint64_t frame) {
  const bool at_rest =
      a->workload && a->worker.alive && !a->worker.running && !a->resetting && !a->limits.suspended;
  return at_rest && frame == a->done_frame + 1u && !a->injector.disturbed && !a->injector.message_frames
             ? HIL_OK
             : HIL_ERR_STATE;
}

int agent_step_quiet(hil_agent_t *a, uint64_t frame, uint64_t *out_output, uint64_t *out_state) {
  *out_output = *out_state = 0;
  if (agent_quiet_ready(a, frame) != HIL_OK) return HIL_ERR_STATE;
  if (launch(a, frame) != HIL_OK) return HIL_ERR_STATE;
  uint8_t signal = 0;
  hil_reply_t reply;
  const hil_port_event_t event = a->port.poll(a->port.context, &signal);
  agent_limits_step_ended(a);
  a->last_reply.len = 0;
  if (event != PORT_DONE) {
    a->port.kill(a->port.context);
    return finish(a, event == PORT_CRASHED ? WORKER_CRASHED : WORKER_HUNG, signal, &reply);
  }
  a->worker.running = 0;
  a->counters.steps++;
  a->done_frame = frame;
  *out_output = agent_region_digest(a, REGION_OUTPUT);
  *out_state = agent_region_digest(a, REGION_STATE);
  scrub(a);
  return WORKER_DONE;
}
