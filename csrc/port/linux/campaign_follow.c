/* The steps that follow the one that is held. SPDX-License-Identifier: Apache-2.0
 *
 * They are run once without a fault, from its end, and what they end with is kept. An experiment whose step ended
 * otherwise then runs them, too, with the same inputs, until it ends as they did, shows, or none is left.
 *
 * Invariants:
 *   1. Before and after campaign_follow_step, and between experiments, the worker stands in the step that is held.
 *   2. Ends are compared by digests, and by the registers, as the voter would compare boards. */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "campaign.h"
#include "campaign_count.h"
#include "digest.h"

/* [byte] of the stack at rest; 0 if its pointer is not in it. */
static size_t stack_len(const hil_linux_campaign_t *c, const hil_arch_regs_t *regs) {
  const uintptr_t top = (uintptr_t)(c->worker->stack + WORKER_STACK_LEN), sp = (uintptr_t)ARCH_SP(*regs);
  return sp <= top && top - sp <= WORKER_STACK_LEN ? top - sp : 0;
}

static uint64_t stack_digest(const hil_linux_campaign_t *c, const hil_arch_regs_t *regs) {
  return hil_digest64((const uint8_t *)(uintptr_t)ARCH_SP(*regs), stack_len(c, regs), 0);
}

/* Let step number |number|, from 1, begin when the worker goes on. */
static void prepare(hil_linux_campaign_t *c, uint8_t number) {
  const hil_port_memory_t *m = &c->worker->memory;
  memcpy(m->region[REGION_INPUT], c->follow[number - 1u].input, c->worker->workload->input_len);
  m->progress->tick = 0;
  m->progress->stop_tick = c->stop_tick;
  c->began_us = 0;
  c->step_began_us = campaign_clock_us();
  c->following = number;
  if (count_phase() != COUNT_OFF) count_begin();
  (void)campaign_leave_rest(c); /* if it cannot, the worker is lost, and that shows when it is to go on */
}

/* --- without a fault ----------------------------------------------------------------------------------- */

/* Let the worker run to the end of its step. */
static int run_one(hil_linux_campaign_t *c, hil_arch_regs_t *regs) {
  const int signal = campaign_run_on(c, UINT64_MAX);
  const int status = registers_get_general(c->worker, regs);
  if (status != HIL_OK) return status;
  if (signal == SIGTRAP && campaign_at_rest(regs)) return HIL_OK;
  c->worker->last_errno = signal > 0 && signal != SIGTRAP ? EFAULT : ETIMEDOUT;
  return HIL_ERR_IO;
}

static int run_all(hil_linux_campaign_t *c, uint64_t *out_state_digest) {
  const hil_port_memory_t *m = &c->worker->memory;
  const hil_workload_t *l = c->worker->workload;
  hil_arch_regs_t regs;
  c->began_us = 0;
  int status = run_one(c, &regs);
  for (uint8_t i = 1; status == HIL_OK && i <= c->follow_count; i++) {
    hil_linux_follow_t *f = &c->follow[i - 1u];
    prepare(c, i);
    status = run_one(c, &f->registers);
    if (status != HIL_OK) break;
    f->output_digest = hil_digest64(m->region[REGION_OUTPUT], l->output_len, 0);
    f->state_digest = *out_state_digest = hil_digest64(m->region[REGION_STATE], l->state_len, 0);
    f->stack_digest = stack_digest(c, &f->registers);
    f->ticks = m->progress->tick;
  }
  return status;
}

int campaign_follow_step(hil_linux_campaign_t *c, const hil_campaign_follow_t *follow,
                         uint64_t *out_state_digest) {
  const size_t input_len = c->worker->workload->input_len, count = follow->len / input_len;
  if (follow->first && follow->first != c->follow_count) return HIL_ERR_ARG;
  if (input_len > MESSAGE_IO_MAX || follow->first + count > CAMPAIGN_FOLLOW_MAX) return HIL_ERR_ARG;
  for (size_t i = 0; i < count; i++) {
    memcpy(c->follow[follow->first + i].input, follow->bytes + i * input_len, input_len);
  }
  c->follow_count = (uint8_t)(follow->first + count);
  c->restored = follow->restored;
  int status = campaign_rewind(c);
  if (status == HIL_OK) status = run_all(c, out_state_digest);
  const int rewound = campaign_rewind(c);
  if (status != HIL_OK) c->follow_count = 0;
  return status != HIL_OK ? status : rewound;
}

/* --- after a fault ------------------------------------------------------------------------------------- */

static void put_fate(hil_linux_campaign_t *c, hil_fate_t fate) {
  c->details[c->details_len++] = (uint8_t)fate;
  c->details[c->details_len++] = c->following;
}

bool follow_begin(hil_linux_campaign_t *c, uint8_t wanted) {
  if (!(wanted & DETAIL_FATE) || (c->outcome != OUTCOME_LATENT && c->outcome != OUTCOME_SDC)) return false;
  if (!c->follow_count) {
    put_fate(c, FATE_LATENT);
    return false;
  }
  if (c->restored) {
    memcpy(c->worker->memory.region[REGION_STATE], c->end_state, c->worker->workload->state_len);
  }
  prepare(c, 1);
  return true;
}

static bool state_differs(const hil_linux_campaign_t *c, const hil_linux_follow_t *f) {
  const uint8_t *state = c->worker->memory.region[REGION_STATE];
  return hil_digest64(state, c->worker->workload->state_len, 0) != f->state_digest;
}

static bool ends_alike(const hil_linux_campaign_t *c, const hil_arch_regs_t *regs,
                       const hil_linux_follow_t *f) {
  return !c->text_is_hit && !state_differs(c, f) && registers_rest_alike(regs, &f->registers) &&
         stack_digest(c, regs) == f->stack_digest && worker_control_is(c->end_control);
}

bool follow_end(hil_linux_campaign_t *c, const hil_arch_regs_t *regs, int signal) {
  const hil_port_memory_t *m = &c->worker->memory;
  const hil_linux_follow_t *f = &c->follow[c->following - 1u];
  const bool hangs = !signal || (signal == SIGTRAP && campaign_is_runaway(c, regs));
  if (hangs || signal != SIGTRAP || !campaign_at_rest(regs)) {
    put_fate(c, hangs ? FATE_HANG : FATE_CRASH);
  } else if (hil_digest64(m->region[REGION_OUTPUT], c->worker->workload->output_len, 0) != f->output_digest) {
    put_fate(c, FATE_SDC);
  } else if (m->progress->tick != f->ticks) {
    put_fate(c, FATE_DETECTED);
  } else if (c->restored && state_differs(c, f)) {
    put_fate(c, FATE_STATE);
  } else if (ends_alike(c, regs, f)) {
    put_fate(c, FATE_HEALED);
  } else if (c->following == c->follow_count) {
    put_fate(c, FATE_LATENT);
  } else {
    prepare(c, (uint8_t)(c->following + 1u));
    return true;
  }
  return false;
}
