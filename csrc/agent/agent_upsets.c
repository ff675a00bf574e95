/* Upsets: arming, hitting the live worker, reading back. SPDX-License-Identifier: Apache-2.0
 *
 * A position is a tick at which the worker stood still, and the instructions it was then taken further;
 * several upsets past one tick share one way, so that each position is that of a run with it alone.
 *
 * Invariants:
 *   1. An upset is INJECTED only if the target was read, written and read again at the reported position.
 *   2. Registers and memory are changed through the port; regions are read back through the agent's own
 *      mapping, so that a write that went astray shows.
 *   3. Each armed upset of a frame is settled once, when the frame ends or is passed over:
 *      INJECTED, MISSED or FAILED. */
#include <string.h>

#include "agent_parts.h"
#include "span.h"

/* What a hit leaves in the agent's memory may show in its next conversation: until that is over the board
 * computes by messages, as all boards do. */
enum { MESSAGE_FRAMES = 2 };

static bool is_region(uint8_t target) { return target <= TARGET_OUTPUT; }

static bool is_register(uint8_t target) { return target == TARGET_GPR || target == TARGET_VECTOR; }

static bool is_checkpoint(uint8_t target) { return target == TARGET_CHECKPOINT || target == TARGET_CHECKS; }

/* The bytes or the check bytes of the newest checkpoint; NULL and 0 if there is none. */
static uint8_t *checkpoint_bytes(hil_agent_t *a, uint8_t target, uint64_t *out_len) {
  hil_checkpoint_copy_t *const copy = checkpoint_newest(&a->checkpoint);
  *out_len = 0;
  if (!copy) return NULL;
  *out_len = target == TARGET_CHECKS ? copy->memory.count : copy->len;
  return target == TARGET_CHECKS ? copy->memory.checks : (uint8_t *)copy->memory.words;
}

static int target_len(hil_agent_t *a, uint8_t target, uint64_t *out_len) {
  if (is_checkpoint(target)) {
    (void)checkpoint_bytes(a, target, out_len);
    return HIL_OK;
  }
  if (target == TARGET_AGENT) {
    *out_len = agent_memory_len();
    return HIL_OK;
  }
  return a->port.target_len(a->port.context, (hil_target_t)target, out_len);
}

static int target_read(hil_agent_t *a, uint8_t target, uint64_t offset, uint8_t *out, size_t len) {
  uint64_t size;
  if (is_checkpoint(target)) {
    const uint8_t *const bytes = checkpoint_bytes(a, target, &size);
    if (!bytes || !span_within(offset, len, size)) return HIL_ERR_STATE;
    memcpy(out, bytes + offset, len);
    return HIL_OK;
  }
  if (is_region(target)) {
    memcpy(out, a->memory.region[target] + offset, len);
    return HIL_OK;
  }
  if (target == TARGET_AGENT) return agent_memory_read(a, offset, out, len);
  return a->port.target_read(a->port.context, (hil_target_t)target, offset, out, len);
}

static int target_write(hil_agent_t *a, uint8_t target, uint64_t offset, const uint8_t *bytes, size_t len) {
  uint64_t size;
  if (is_checkpoint(target)) {
    uint8_t *const to = checkpoint_bytes(a, target, &size);
    if (!to || !span_within(offset, len, size)) return HIL_ERR_STATE;
    memcpy(to + offset, bytes, len);
    return HIL_OK;
  }
  if (target == TARGET_AGENT) return agent_memory_write(a, offset, bytes, len);
  return a->port.target_write(a->port.context, (hil_target_t)target, offset, bytes, len);
}

static bool is_armed(const hil_agent_upset_t *u) { return u->used && u->report.state == UPSET_ARMED; }

/* The next slot that waits for nothing: the oldest report gives way. */
static hil_agent_upset_t *free_slot(hil_agent_t *a) {
  for (uint32_t i = 0; i < AGENT_UPSETS_MAX; i++) {
    hil_agent_upset_t *u = &a->injector.upsets[a->injector.next++ % AGENT_UPSETS_MAX];
    if (!is_armed(u)) return u;
  }
  return NULL;
}

int agent_upset_arm(hil_agent_t *a, const hil_arm_t *arm) {
  if (!a->workload || (a->done_frame != AGENT_NO_FRAME && arm->frame <= a->done_frame)) {
    return HIL_ERR_STATE;
  }
  const bool cannot_be_stuck = is_register(arm->target) || arm->target == TARGET_AGENT;
  if (arm->target == TARGET_LINK || (arm->kind == UPSET_STUCK && cannot_be_stuck) ||
      arm->steps > AGENT_ADVANCE_MAX) {
    return HIL_ERR_ARG;
  }
  hil_agent_upset_t *u = agent_upset_find(a, arm->id);
  if (!u) u = free_slot(a);
  if (!u) return HIL_ERR_EXHAUSTED;
  a->injector.disturbed = true;
  *u = (hil_agent_upset_t){.arm = *arm, .used = true};
  u->report.id = arm->id;
  u->report.frame = arm->frame;
  return HIL_OK;
}

hil_agent_upset_t *agent_upset_find(hil_agent_t *a, uint32_t id) {
  for (uint32_t i = 0; i < AGENT_UPSETS_MAX; i++) {
    if (a->injector.upsets[i].used && a->injector.upsets[i].arm.id == id) return &a->injector.upsets[i];
  }
  return NULL;
}

void agent_upsets_clear(hil_agent_t *a) {
  memset(a->injector.upsets, 0, sizeof a->injector.upsets);
  memset(a->injector.stuck, 0, sizeof a->injector.stuck);
  a->injector.disturbed = false;
}

static bool armed_now(const hil_agent_t *a, const hil_agent_upset_t *u) {
  return is_armed(u) && u->arm.frame == a->step.frame;
}

bool agent_upsets_armed(const hil_agent_t *a) {
  if (!a->injector.disturbed) return false;
  for (uint32_t i = 0; i < AGENT_UPSETS_MAX; i++) {
    if (is_armed(&a->injector.upsets[i])) return true;
  }
  return false;
}

static void fail(hil_agent_upset_t *u, int status) {
  u->report.state = status == HIL_ERR_STATE ? UPSET_MISSED : UPSET_FAILED;
  u->report.detail = (int8_t)status;
}

void agent_upsets_skip(hil_agent_t *a) {
  if (a->done_frame == AGENT_NO_FRAME) return;
  for (uint32_t i = 0; i < AGENT_UPSETS_MAX; i++) {
    hil_agent_upset_t *u = &a->injector.upsets[i];
    if (is_armed(u) && u->arm.frame <= a->done_frame) fail(u, HIL_ERR_STATE);
  }
  for (uint32_t i = 0; i < AGENT_STUCK_MAX; i++) { /* those whose last frame this was are released */
    if (a->injector.stuck[i].until_frame <= a->step.frame) a->injector.stuck[i].used = false;
  }
  a->injector.disturbed = agent_upsets_armed(a) || agent_stuck_held(a);
}

static hil_agent_stuck_t *free_stuck(hil_agent_t *a) {
  for (uint32_t i = 0; i < AGENT_STUCK_MAX; i++) {
    if (!a->injector.stuck[i].used) return &a->injector.stuck[i];
  }
  return NULL;
}

/* Whether a position that the host named, and did not draw, lies beyond the end of the target: then nothing
 * is hit, rather than another bit. */
static bool beyond(const hil_arm_t *arm, uint64_t bit, uint64_t len) {
  if (bit / 8u >= len) return true;
  if (arm->kind == UPSET_ADJACENT) return arm->width > len * 8u - bit;
  const bool is_word = arm->kind == UPSET_ZERO_WORD || arm->kind == UPSET_RANDOM_WORD;
  return is_word && arm->width >= 8u && bit / arm->width >= len / (arm->width / 8u);
}

/* Read, change, write, read back. */
static int hit(hil_agent_t *a, hil_agent_upset_t *u) {
  hil_report_t *r = &u->report;
  uint64_t len = 0;
  int status = target_len(a, u->arm.target, &len);
  if (status != HIL_OK) return status;
  if (!len) return HIL_ERR_STATE;
  hil_upset_window_t window;
  const uint64_t exact = (uint64_t)1 << ARM_EXACT_SHIFT, bit = u->arm.bit & ~exact;
  r->space = len * 8u;
  if (u->arm.bit != bit && beyond(&u->arm, bit, len)) return HIL_ERR_ARG;
  const hil_upset_pattern_t pattern = {u->arm.kind, u->arm.width, bit % (len * 8u), u->arm.value};
  status = upset_window(&pattern, len, &window);
  if (status != HIL_OK) return status;
  hil_agent_stuck_t *held = u->arm.kind == UPSET_STUCK ? free_stuck(a) : NULL;
  if (u->arm.kind == UPSET_STUCK && !held) return HIL_ERR_EXHAUSTED;
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
  if (held) {
    const uint64_t last = u->arm.frame + u->arm.hold_frames - 1u;
    *held = (hil_agent_stuck_t){.used = true,
                                .target = u->arm.target,
                                .window = window,
                                .from_end = len - window.offset,
                                .until_frame = u->arm.hold_frames ? last : UINT64_MAX};
  }
  return HIL_OK;
}

/* From now on: what does the worker do first with what |u| changed? */
static void watch(hil_agent_t *a, hil_agent_upset_t *u) {
  const hil_report_t *r = &u->report;
  hil_watch_t *w = &u->watch;
  const uint8_t target = u->arm.target;
  if (!a->port.watch || !r->changed) return;
  if (is_register(target) || is_checkpoint(target) || target == TARGET_AGENT || target == TARGET_CPU) {
    w->reason = UNWATCHED_TARGET;
    return;
  }
  if (u->arm.kind == UPSET_STUCK) {
    w->reason = UNWATCHED_STUCK;
    return;
  }
  hil_upset_window_t window;
  const hil_upset_pattern_t pattern = {u->arm.kind, u->arm.width, r->bit, u->arm.value};
  if (upset_window(&pattern, r->space / 8u, &window) != HIL_OK) return;
  w->target = (hil_target_t)target;
  w->offset = window.offset;
  for (uint32_t i = 0; i < r->len; i++) {
    if (r->before[i] != r->after[i]) w->changed |= (uint16_t)(1u << i);
  }
  a->port.watch->begin(a->port.context, w);
}

static int hit_cpu(hil_agent_t *a, hil_agent_upset_t *u) {
  if (u->arm.kind == SEFI_RESET) {
    agent_fall_silent(a); /* a board that resets sends nothing more */
    return HIL_OK;
  }
  hil_report_t *r = &u->report;
  const int status = a->port.sefi(a->port.context, (hil_sefi_t)u->arm.kind, r->before, r->after, &r->len);
  if (status != HIL_OK) return status;
  r->changed = memcmp(r->before, r->after, sizeof r->before) != 0;
  r->verified = r->changed;
  return HIL_OK;
}

/* With the worker |*taken| instructions past |tick|, in a step that has |begun|. */
static void inject(hil_agent_t *a, hil_agent_upset_t *u, bool begun, uint32_t tick, uint32_t *taken) {
  hil_report_t *r = &u->report;
  int status = HIL_OK;
  if (u->arm.steps > *taken) {
    uint32_t more = 0;
    a->memory.progress->stop_tick = agent_last_stop(a); /* the step may read it: as it is without an upset */
    status = a->port.advance(a->port.context, u->arm.steps - *taken, &more);
    *taken += more;
  }
  r->tick = tick;
  r->steps = *taken;
  /* Before a step begins the port still reports the last one. */
  const uint64_t cpu_us = begun || *taken ? a->port.cpu_us(a->port.context) : 0;
  r->at_us = cpu_us < UINT32_MAX ? (uint32_t)cpu_us : UINT32_MAX;
  if (status == HIL_OK) {
    r->pc_offset = a->port.pc_offset(a->port.context);
    status = u->arm.target == TARGET_CPU ? hit_cpu(a, u) : hit(a, u);
  }
  if (status != HIL_OK) {
    fail(u, status);
    return;
  }
  r->state = UPSET_INJECTED;
  watch(a, u);
  if (u->arm.target == TARGET_AGENT) {
    a->injector.memory_hit = *r;
    a->injector.hit_unreported = true;
    a->injector.message_frames = MESSAGE_FRAMES;
    (void)agent_memory_is_sound(a); /* before anything is done with it */
  }
}

static bool due_at_tick(const hil_agent_t *a, const hil_agent_upset_t *u, uint32_t tick) {
  if (u->arm.trigger == TRIGGER_TICK) return u->arm.at <= tick;
  /* Without an interrupt the first tick after the moment is as near as it gets. */
  return !a->port.interrupt && tick && u->arm.at <= a->port.cpu_us(a->port.context);
}

void agent_upsets_at_tick(hil_agent_t *a, uint32_t tick) {
  if (!a->injector.disturbed) return;
  uint32_t taken = 0;
  for (uint32_t i = 0; i < AGENT_UPSETS_MAX && !a->resetting; i++) {
    hil_agent_upset_t *next = NULL; /* the worker only goes forward: fewest instructions first */
    for (uint32_t j = 0; j < AGENT_UPSETS_MAX; j++) {
      hil_agent_upset_t *u = &a->injector.upsets[j];
      if (!armed_now(a, u) || !due_at_tick(a, u, tick)) continue;
      if (!next || u->arm.steps < next->arm.steps) next = u;
    }
    if (!next) return;
    inject(a, next, tick != 0, tick, &taken);
  }
}

void agent_upsets_at_us(hil_agent_t *a, uint32_t us) {
  for (uint32_t i = 0; i < AGENT_UPSETS_MAX && !a->resetting; i++) {
    hil_agent_upset_t *u = &a->injector.upsets[i];
    uint32_t taken = 0;
    if (armed_now(a, u) && u->arm.trigger == TRIGGER_US && u->arm.at <= us) {
      inject(a, u, true, a->memory.progress->tick, &taken);
    }
  }
}

uint32_t agent_upsets_next_tick(const hil_agent_t *a, uint32_t tick) {
  if (!a->injector.disturbed) return 0;
  if (agent_stuck_held(a)) return tick + 1u;
  uint32_t next = 0;
  for (uint32_t i = 0; i < AGENT_UPSETS_MAX; i++) {
    const hil_agent_upset_t *u = &a->injector.upsets[i];
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

uint32_t agent_upsets_next_us(const hil_agent_t *a) {
  uint32_t next = UINT32_MAX;
  if (!a->injector.disturbed) return next;
  for (uint32_t i = 0; i < AGENT_UPSETS_MAX; i++) {
    const hil_agent_upset_t *u = &a->injector.upsets[i];
    if (armed_now(a, u) && u->arm.trigger == TRIGGER_US && u->arm.at < next) next = u->arm.at;
  }
  return next;
}

/* Whether the bits that the upset changed are still so. */
static bool persisted(hil_agent_t *a, const hil_agent_upset_t *u) {
  const hil_report_t *r = &u->report;
  if (!is_region(u->arm.target) || !r->changed) return false;
  uint8_t now[UPSET_WINDOW_MAX];
  hil_upset_window_t window;
  const hil_upset_pattern_t pattern = {u->arm.kind, u->arm.width, r->bit, u->arm.value};
  if (upset_window(&pattern, r->space / 8u, &window) != HIL_OK) return false;
  if (target_read(a, u->arm.target, window.offset, now, r->len) != HIL_OK) return false;
  for (uint32_t i = 0; i < r->len; i++) {
    if ((now[i] ^ r->after[i]) & (r->before[i] ^ r->after[i])) return false;
  }
  return true;
}

uint8_t agent_upsets_settle(hil_agent_t *a) {
  uint8_t count = 0;
  if (!a->injector.disturbed) return count;
  if (a->port.watch) a->port.watch->end(a->port.context);
  for (uint32_t i = 0; i < AGENT_UPSETS_MAX; i++) {
    hil_agent_upset_t *u = &a->injector.upsets[i];
    if (!u->used || u->settled || u->arm.frame != a->step.frame) continue;
    u->settled = true;
    if (u->report.state == UPSET_ARMED) fail(u, HIL_ERR_STATE);
    if (u->report.state == UPSET_INJECTED) u->report.persisted = persisted(a, u);
    count++;
  }
  for (uint32_t i = 0; i < AGENT_STUCK_MAX; i++) { /* those whose last frame this was are released */
    if (a->injector.stuck[i].until_frame <= a->step.frame) a->injector.stuck[i].used = false;
  }
  a->injector.disturbed = agent_upsets_armed(a) || agent_stuck_held(a);
  return count;
}

/* Where a stuck cell lies in its target now. False if nowhere: the stack has shrunk past it. */
static bool find_stuck(hil_agent_t *a, const hil_agent_stuck_t *s, uint64_t *out_offset) {
  uint64_t len = 0;
  *out_offset = s->window.offset;
  if (s->target != TARGET_STACK) return true;
  if (target_len(a, s->target, &len) != HIL_OK || len < s->from_end) return false;
  *out_offset = len - s->from_end;
  return true;
}

void agent_stuck_apply(hil_agent_t *a, uint64_t frame) {
  if (!a->injector.disturbed) return;
  for (uint32_t i = 0; i < AGENT_STUCK_MAX; i++) {
    hil_agent_stuck_t *s = &a->injector.stuck[i];
    if (!s->used) continue;
    if (frame != AGENT_NO_FRAME && frame > s->until_frame) {
      s->used = false;
      continue;
    }
    uint8_t bytes[UPSET_WINDOW_MAX], held[UPSET_WINDOW_MAX];
    uint64_t offset;
    if (!find_stuck(a, s, &offset)) continue;
    if (target_read(a, s->target, offset, bytes, s->window.len) != HIL_OK) continue;
    upset_apply(&s->window, bytes, held);
    if (!memcmp(bytes, held, s->window.len)) continue;
    if (is_region(s->target)) { /* also when no worker lives to write through */
      memcpy(a->memory.region[s->target] + offset, held, s->window.len);
    } else {
      (void)target_write(a, s->target, offset, held, s->window.len);
    }
  }
}

bool agent_stuck_held(const hil_agent_t *a) {
  for (uint32_t i = 0; i < AGENT_STUCK_MAX; i++) {
    if (a->injector.stuck[i].used) return true;
  }
  return false;
}
