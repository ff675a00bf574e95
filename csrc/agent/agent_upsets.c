/* Upsets: arming, hitting the live worker, reading back. SPDX-License-Identifier: Apache-2.0
 *
 * Invariants:
 *   1. An upset is INJECTED only if the target was read, written and read again at the position told.
 *   2. Registers and memory are changed through the port; regions are read back through the agent's own
 *      mapping, so that a write that went astray shows.
 *   3. Each armed upset of a frame is settled when the frame ends: INJECTED, MISSED or FAILED. */
#include <string.h>

#include "agent_parts.h"

static int is_region(uint8_t target) { return target <= TARGET_OUTPUT; }

static int is_register(uint8_t target) { return target == TARGET_GPR || target == TARGET_VECTOR; }

static int target_len(agent_t *a, uint8_t target, uint64_t *out_len) {
  if (target == TARGET_CHECKPOINT) {
    *out_len = a->checkpoint.valid ? a->checkpoint.len : 0;
    return HIL_OK;
  }
  return a->port.target_len(a->port.context, (target_t)target, out_len);
}

static int target_read(agent_t *a, uint8_t target, uint64_t offset, uint8_t *out, size_t len) {
  if (target == TARGET_CHECKPOINT) {
    memcpy(out, (const uint8_t *)a->checkpoint.memory.words + offset, len);
    return HIL_OK;
  }
  if (is_region(target)) {
    memcpy(out, a->memory.region[target] + offset, len);
    return HIL_OK;
  }
  return a->port.target_read(a->port.context, (target_t)target, offset, out, len);
}

static int target_write(agent_t *a, uint8_t target, uint64_t offset, const uint8_t *bytes,
                        size_t len) {
  if (target == TARGET_CHECKPOINT) {
    memcpy((uint8_t *)a->checkpoint.memory.words + offset, bytes, len);
    return HIL_OK;
  }
  return a->port.target_write(a->port.context, (target_t)target, offset, bytes, len);
}

int agent_upset_arm(agent_t *a, const arm_t *arm) {
  if (!a->workload || (a->done_frame != AGENT_NO_FRAME && arm->frame <= a->done_frame)) {
    return HIL_ERR_STATE;
  }
  if (arm->target == TARGET_LINK || (arm->kind == UPSET_STUCK && is_register(arm->target))) {
    return HIL_ERR_ARG;
  }
  agent_upset_t *u = agent_upset_find(a, arm->id);
  if (!u) {
    u = &a->upsets[a->upset_next++ % AGENT_UPSETS_MAX];
    if (u->used && u->report.state == UPSET_ARMED) return HIL_ERR_EXHAUSTED;
  }
  *u = (agent_upset_t){.arm = *arm, .used = 1};
  u->report.id = arm->id;
  u->report.frame = arm->frame;
  return HIL_OK;
}

agent_upset_t *agent_upset_find(agent_t *a, uint32_t id) {
  for (uint32_t i = 0; i < AGENT_UPSETS_MAX; i++) {
    if (a->upsets[i].used && a->upsets[i].arm.id == id) return &a->upsets[i];
  }
  return NULL;
}

void agent_upsets_clear(agent_t *a) {
  memset(a->upsets, 0, sizeof a->upsets);
  memset(a->stuck, 0, sizeof a->stuck);
}

static int armed_now(const agent_t *a, const agent_upset_t *u) {
  return u->used && u->report.state == UPSET_ARMED && u->arm.frame == a->step_frame;
}

static void fail(agent_upset_t *u, int status) {
  u->report.state = status == HIL_ERR_STATE ? UPSET_MISSED : UPSET_FAILED;
  u->report.detail = (int8_t)status;
}

static void hold_stuck(agent_t *a, const agent_upset_t *u, const upset_window_t *window) {
  for (uint32_t i = 0; i < AGENT_STUCK_MAX; i++) {
    if (a->stuck[i].used) continue;
    a->stuck[i] = (agent_stuck_t){
        .used = 1, .target = u->arm.target, .window = *window,
        .until_frame = u->arm.hold_frames ? u->arm.frame + u->arm.hold_frames - 1u : UINT64_MAX};
    return;
  }
}

/* Read, change, write, read back. */
static int hit(agent_t *a, agent_upset_t *u) {
  report_t *r = &u->report;
  uint64_t len = 0;
  int status = target_len(a, u->arm.target, &len);
  if (status != HIL_OK) return status;
  if (!len) return HIL_ERR_STATE;
  upset_window_t window;
  const upset_pattern_t pattern = {u->arm.kind, u->arm.width, u->arm.bit % (len * 8u), u->arm.value};
  status = upset_window(&pattern, len, &window);
  if (status != HIL_OK) return status;
  r->space = len * 8u;
  r->bit = pattern.bit;
  r->len = window.len;
  status = target_read(a, u->arm.target, window.offset, r->before, window.len);
  if (status != HIL_OK) return status;
  uint8_t wanted[UPSET_WINDOW_MAX];
  upset_apply(&window, r->before, wanted);
  status = target_write(a, u->arm.target, window.offset, wanted, window.len);
  if (status != HIL_OK) return status;
  status = target_read(a, u->arm.target, window.offset, r->after, window.len);
  if (status != HIL_OK) return status;
  r->verified = !memcmp(r->after, wanted, window.len);
  r->changed = memcmp(r->after, r->before, window.len) != 0;
  if (u->arm.kind == UPSET_STUCK) hold_stuck(a, u, &window);
  return HIL_OK;
}

static int hit_cpu(agent_t *a, agent_upset_t *u) {
  if (u->arm.kind == SEFI_RESET) {
    a->resetting = 1;
    a->tx_fill = a->tx_head = 0; /* a board that resets says nothing more */
    a->port.reset(a->port.context);
    return HIL_OK;
  }
  report_t *r = &u->report;
  const int status = a->port.sefi(a->port.context, (sefi_t)u->arm.kind, r->before, r->after, &r->len);
  if (status != HIL_OK) return status;
  r->changed = memcmp(r->before, r->after, sizeof r->before) != 0;
  r->verified = r->changed;
  return HIL_OK;
}

static void inject(agent_t *a, agent_upset_t *u) {
  report_t *r = &u->report;
  int status = HIL_OK;
  if (u->arm.steps) {
    a->memory.progress->stop_tick = 0;
    status = a->port.advance(a->port.context, u->arm.steps, &r->steps);
  }
  r->tick = a->memory.progress->tick;
  const uint64_t cpu_us = a->port.cpu_us(a->port.context);
  r->at_us = cpu_us < UINT32_MAX ? (uint32_t)cpu_us : UINT32_MAX;
  if (status == HIL_OK) {
    r->pc_offset = a->port.pc_offset(a->port.context);
    status = u->arm.target == TARGET_CPU ? hit_cpu(a, u) : hit(a, u);
  }
  if (status == HIL_OK) {
    r->state = UPSET_INJECTED;
  } else {
    fail(u, status);
  }
}

void agent_upsets_at_tick(agent_t *a, uint32_t tick) {
  for (uint32_t i = 0; i < AGENT_UPSETS_MAX && !a->resetting; i++) {
    agent_upset_t *u = &a->upsets[i];
    if (!armed_now(a, u)) continue;
    const int by_tick = u->arm.trigger == TRIGGER_TICK && u->arm.at <= tick;
    /* Without an interrupt the first tick after the moment is as near as it gets. */
    const int by_us = u->arm.trigger == TRIGGER_US && !a->port.interrupt && tick &&
                      u->arm.at <= a->port.cpu_us(a->port.context);
    if (by_tick || by_us) inject(a, u);
  }
}

void agent_upsets_at_us(agent_t *a, uint32_t us) {
  for (uint32_t i = 0; i < AGENT_UPSETS_MAX && !a->resetting; i++) {
    agent_upset_t *u = &a->upsets[i];
    if (armed_now(a, u) && u->arm.trigger == TRIGGER_US && u->arm.at <= us) inject(a, u);
  }
}

uint32_t agent_upsets_next_tick(const agent_t *a, uint32_t tick) {
  if (agent_stuck_held(a)) return tick + 1u;
  uint32_t next = 0;
  for (uint32_t i = 0; i < AGENT_UPSETS_MAX; i++) {
    const agent_upset_t *u = &a->upsets[i];
    if (!armed_now(a, u)) continue;
    uint32_t at = u->arm.at;
    if (u->arm.trigger == TRIGGER_US) {
      if (a->port.interrupt) continue;
      at = tick + 1u;
    }
    if (at <= tick) at = tick + 1u;
    if (!next || at < next) next = at;
  }
  return next;
}

uint32_t agent_upsets_next_us(const agent_t *a) {
  uint32_t next = UINT32_MAX;
  for (uint32_t i = 0; i < AGENT_UPSETS_MAX; i++) {
    const agent_upset_t *u = &a->upsets[i];
    if (armed_now(a, u) && u->arm.trigger == TRIGGER_US && u->arm.at < next) next = u->arm.at;
  }
  return next;
}

/* Are the bits that the upset changed still so? */
static uint8_t persisted(agent_t *a, const agent_upset_t *u) {
  const report_t *r = &u->report;
  if (!is_region(u->arm.target) || !r->changed) return 0;
  uint8_t now[UPSET_WINDOW_MAX];
  upset_window_t window;
  const upset_pattern_t pattern = {u->arm.kind, u->arm.width, r->bit, u->arm.value};
  if (upset_window(&pattern, r->space / 8u, &window) != HIL_OK) return 0;
  if (target_read(a, u->arm.target, window.offset, now, r->len) != HIL_OK) return 0;
  for (uint32_t i = 0; i < r->len; i++) {
    if ((now[i] ^ r->after[i]) & (r->before[i] ^ r->after[i])) return 0;
  }
  return 1;
}

uint8_t agent_upsets_settle(agent_t *a) {
  uint8_t count = 0;
  for (uint32_t i = 0; i < AGENT_UPSETS_MAX; i++) {
    agent_upset_t *u = &a->upsets[i];
    if (!u->used || u->arm.frame != a->step_frame) continue;
    if (u->report.state == UPSET_ARMED) fail(u, HIL_ERR_STATE);
    if (u->report.state == UPSET_INJECTED) u->report.persisted = persisted(a, u);
    count++;
  }
  return count;
}

void agent_stuck_apply(agent_t *a, uint64_t frame) {
  for (uint32_t i = 0; i < AGENT_STUCK_MAX; i++) {
    agent_stuck_t *s = &a->stuck[i];
    if (!s->used) continue;
    if (frame != AGENT_NO_FRAME && frame > s->until_frame) {
      s->used = 0;
      continue;
    }
    uint8_t bytes[UPSET_WINDOW_MAX], held[UPSET_WINDOW_MAX];
    if (target_read(a, s->target, s->window.offset, bytes, s->window.len) != HIL_OK) continue;
    upset_apply(&s->window, bytes, held);
    if (!memcmp(bytes, held, s->window.len)) continue;
    if (is_region(s->target)) { /* also when no worker lives to write through */
      memcpy(a->memory.region[s->target] + s->window.offset, held, s->window.len);
    } else {
      (void)target_write(a, s->target, s->window.offset, held, s->window.len);
    }
  }
}

int agent_stuck_held(const agent_t *a) {
  for (uint32_t i = 0; i < AGENT_STUCK_MAX; i++) {
    if (a->stuck[i].used) return 1;
  }
  return 0;
}
