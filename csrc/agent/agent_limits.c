/* Limits: what a board is left with while the orbit is short of power. SPDX-License-Identifier: Apache-2.0
 *
 * Duty and suspension are kept here, on every board alike; cores, clock and mode are the port's.
 *
 * Duty: a step that was busy for b us is answered when b * 1000 / duty us have passed since its STEP,
 * so that the host sees a slower board. Where the port can interrupt, a long step is made to
 * stand still in between as well, so that the board does not spend its power in one piece.
 *
 *   STEP  busy      stands       busy      stands       busy  DONE           answer
 *     |==========|............|==========|............|=======|.................|
 *      one slice  until elapsed = busy * 1000 / duty           likewise
 *
 * Invariants:
 *   1. An upset at a tick or an instruction strikes the same position whatever the duty: the worker goes
 *      on from the very instruction before which it was interrupted, and ticks are its own.
 *   2. The worker uses no CPU time while it stands, so no pause makes a hang. Wall-clock triggers count
 *      the time in which it ran.
 *   3. Time in suspension earns no credit: a step that was suspended for long is not hurried afterwards. */
#include <string.h>

#include "agent_parts.h"

enum {
  PERIOD_US = 10000,   /* of run and pause together: below what the heat of a chip takes to change */
  SLICE_MIN_US = 500,  /* a shorter one is more of stopping than of work; the pause grows instead */
  AGAIN_US = 1000      /* after the system refused to stop or continue the worker */
};

static uint64_t now_us(const hil_agent_t *a) { return a->port.now_us(a->port.context); }

uint64_t agent_busy_us(const hil_agent_t *a) {
  const uint64_t until_us = a->limits.standing ? a->timing.stands_since_us : now_us(a);
  return until_us - a->timing.step_began_us - a->timing.stood_us;
}

uint64_t agent_withheld_us(const hil_agent_t *a) {
  const uint64_t duty = a->limits.duty_permille;
  const uint64_t due_us =
      a->timing.step_began_us + a->timing.suspended_us + (agent_busy_us(a) * 1000u + duty - 1u) / duty;
  const uint64_t now = now_us(a);
  return due_us > now ? due_us - now : 0;
}

void agent_limits_step_began(hil_agent_t *a) {
  a->timing.step_began_us = now_us(a);
  a->timing.stood_us = a->timing.suspended_us = a->timing.slice_began_us = 0;
  a->limits.standing = a->limits.held = 0;
}

void agent_limits_step_ended(hil_agent_t *a) {
  if (a->limits.standing) return; /* it died in a pause */
  a->limits.standing = 1;
  a->timing.stands_since_us = now_us(a);
}

uint32_t agent_wait_us(uint64_t us) { return us < UINT32_MAX ? (uint32_t)us : UINT32_MAX - 1u; }

static bool go_on(hil_agent_t *a) {
  if (a->port.resume(a->port.context) != HIL_OK) return false;
  a->timing.stood_us += now_us(a) - a->timing.stands_since_us;
  a->limits.standing = 0;
  a->timing.slice_began_us = agent_busy_us(a);
  return true;
}

uint32_t agent_limits_poll(hil_agent_t *a) {
  if (!a->port.interrupt) return UINT32_MAX;
  if (a->limits.standing) {
    if (a->limits.suspended) return UINT32_MAX; /* a LIMIT ends it, or the worker's death */
    const uint64_t wait_us = agent_withheld_us(a);
    if (wait_us) return agent_wait_us(wait_us);
    if (!go_on(a)) return AGAIN_US;
  }
  if (!a->limits.suspended) {
    if (a->limits.duty_permille == 1000u) return UINT32_MAX;
    const uint64_t share_us = (uint64_t)PERIOD_US * a->limits.duty_permille / 1000u;
    const uint64_t slice_us = share_us > SLICE_MIN_US ? share_us : SLICE_MIN_US;
    const uint64_t ran_us = agent_busy_us(a) - a->timing.slice_began_us;
    if (ran_us < slice_us) return agent_wait_us(slice_us - ran_us);
  }
  const int status = a->port.interrupt(a->port.context);
  if (status == HIL_ERR_STATE) return 0; /* a tick or its end came first: the next poll reports it */
  if (status != HIL_OK) return AGAIN_US;
  a->limits.standing = 1;
  a->timing.stands_since_us = now_us(a);
  return a->limits.suspended ? UINT32_MAX : agent_wait_us(agent_withheld_us(a));
}

static void suspend(hil_agent_t *a, bool on) {
  if (a->worker.running && !a->limits.held && on != a->limits.suspended) {
    if (on) {
      a->timing.suspended_since_us = now_us(a);
    } else {
      a->timing.suspended_us += now_us(a) - a->timing.suspended_since_us;
    }
  }
  a->limits.suspended = on;
}

int agent_limit(hil_agent_t *a, const hil_limits_t *limits, hil_limited_t *out) {
  memset(out, 0, sizeof *out);
  if (a->worker.running && !a->port.interrupt) return HIL_ERR_STATE; /* nothing could be changed now */
  suspend(a, limits->suspend != 0);
  a->limits.duty_permille = limits->duty_permille;
  /* the answer must be true when it is given */
  if (a->worker.running && !a->limits.held) (void)agent_limits_poll(a);
  out->duty_permille = a->limits.duty_permille;
  out->suspend = a->limits.suspended;
  if (a->limits.duty_permille < 1000u) {
    out->means |= MEANS_HOLD;
    if (a->port.interrupt) out->means |= MEANS_SLICE;
  }
  if (a->limits.suspended) out->means |= MEANS_STOP;
  if (a->port.limit) {
    a->port.limit(a->port.context, limits, out);
  } else {
    if (limits->cores) out->refused |= LIMIT_CORES;
    if (limits->clock_khz) out->refused |= LIMIT_CLOCK;
    if (limits->mode[0]) out->refused |= LIMIT_MODE;
  }
  return HIL_OK;
}
