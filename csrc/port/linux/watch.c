/* What the worker does first with what an upset has changed. SPDX-License-Identifier: Apache-2.0
 *
 * Debug registers stop the worker at its first access of a place; then the place is watched no longer, so that a
 * step stops once for each. The time of a stop is the agent's, not the worker's.
 *
 * Invariants:
 *   1. |first| is not FIRST_UNKNOWN only if the worker's own instructions prove it, or the step has ended.
 *   2. A watch that is decided, or given up (|reason|), has no place left in the debug registers.
 *   3. Between steps nothing is watched. */
#include <string.h>

#include "port_linux.h"
#include "worker_arch.h"

/* Put the places that are left into the debug registers. */
static int program(hil_worker_t *w) { return debug_watch(w->pid, w->watch.place, w->watch.count); }

static void remove_places(hil_worker_watch_t *k, const hil_watch_t *of) {
  size_t left = 0;
  for (size_t i = 0; i < k->count; i++) {
    if (k->of[i] == of) continue;
    k->place[left] = k->place[i];
    k->of[left++] = k->of[i];
  }
  k->count = left;
}

static void give_up(hil_worker_t *w, hil_watch_t *of, hil_unwatched_t reason) {
  of->reason = (uint8_t)reason;
  remove_places(&w->watch, of);
}

/* Add a place, unless it is there. False if there is no room. */
static bool add(hil_worker_watch_t *k, hil_watch_t *of, uint64_t address, uint8_t len) {
  for (size_t i = 0; i < k->count; i++) {
    if (k->of[i] == of && k->place[i].address == address) return true;
  }
  if (k->count == DEBUG_PLACES_MAX) return false;
  k->place[k->count] = (hil_debug_place_t){.address = address, .len = len};
  k->of[k->count++] = of;
  return true;
}

static bool add_code(hil_worker_t *w, hil_watch_t *of, uintptr_t base) {
  for (unsigned i = 0; i < 16; i++) {
    if (!((unsigned)of->changed >> i & 1u)) continue;
    const uintptr_t at = watch_instruction_at(w->workload, base + i);
    if (!at || !add(&w->watch, of, at, 0)) return false;
  }
  return true;
}

/* The largest block of changed bytes that begins with byte |i| and can be watched as one. */
static uint8_t block_len(const hil_watch_t *of, uint64_t base, unsigned i) {
  for (uint8_t len = 8; len > 1; len /= 2) {
    const unsigned mask = ((1u << len) - 1u) << i;
    if ((base + i) % len == 0 && i + len <= 16 && (of->changed & mask) == mask) return len;
  }
  return 1;
}

/* The bytes one by one if there is room, since then also a write of some of them is certain. */
static bool add_data(hil_worker_t *w, hil_watch_t *of, uintptr_t base, int room) {
  int bytes = 0;
  for (unsigned i = 0; i < 16; i++) bytes += ((unsigned)of->changed >> i & 1u) ? 1 : 0;
  for (unsigned i = 0; i < 16;) {
    if (!((unsigned)of->changed >> i & 1u)) {
      i++;
      continue;
    }
    const uint8_t len = bytes <= room ? 1 : block_len(of, base, i);
    if (!add(&w->watch, of, base + i, len)) return false;
    i += len;
  }
  return true;
}

void watch_begin(hil_worker_t *w, hil_watch_t *of) {
  hil_worker_watch_t *k = &w->watch;
  uintptr_t base;
  uint64_t len;
  if (k->opened == AGENT_UPSETS_MAX || worker_locate(w, of->target, &base, &len) != HIL_OK) {
    of->reason = UNWATCHED_REFUSED;
    return;
  }
  k->open[k->opened++] = of;
  base += (uintptr_t)of->offset;
  const bool is_code = of->target == TARGET_TEXT;
  const hil_debug_capacity_t has = debug_capacity(w->pid);
  if (!(is_code ? has.code : has.data)) {
    of->reason = UNWATCHED_REFUSED;
    return;
  }
  const bool added = is_code ? add_code(w, of, base) : add_data(w, of, base, has.data - (int)k->count);
  const int status = added ? program(w) : HIL_ERR_EXHAUSTED;
  if (status == HIL_OK) return;
  give_up(w, of, status == HIL_ERR_EXHAUSTED ? UNWATCHED_FULL : UNWATCHED_REFUSED);
  (void)program(w);
}

/* One place was reached. Whether the instruction accesses it. */
static bool decide(hil_worker_t *w, hil_watch_t *of, const hil_debug_place_t *place) {
  hil_worker_watch_t *k = &w->watch;
  switch (watch_judge(w, place)) {
    case WATCH_PASSED_BY: return false;
    case WATCH_READ:
      of->first = FIRST_ACTIVATED;
      remove_places(k, of);
      return true;
    case WATCH_OVERWRITTEN: break;
    default: give_up(w, of, UNWATCHED_INSTRUCTION); return true;
  }
  bool others = false;
  size_t left = 0;
  for (size_t i = 0; i < k->count; i++) {
    if (k->of[i] == of && k->place[i].address == place->address) continue;
    others |= k->of[i] == of;
    k->place[left] = k->place[i];
    k->of[left++] = k->of[i];
  }
  k->count = left;
  if (!others) of->first = FIRST_OVERWRITTEN;
  return true;
}

bool watch_stopped(hil_worker_t *w, bool *out_executed) {
  hil_worker_watch_t *k = &w->watch;
  hil_debug_place_t fired[DEBUG_PLACES_MAX];
  hil_watch_t *of[DEBUG_PLACES_MAX];
  size_t count = 0;
  bool accessed = false;
  *out_executed = true;
  if (!k->count || !debug_fired(w->pid, k->place, k->count, out_executed)) return false;
  for (size_t i = 0; i < k->count; i++) {
    if (!k->place[i].fired) continue;
    fired[count] = k->place[i];
    of[count++] = k->of[i];
  }
  for (size_t i = 0; i < count; i++) {
    if (of[i]->first == FIRST_UNKNOWN && !of[i]->reason) accessed |= decide(w, of[i], &fired[i]);
  }
  if (!accessed) { /* it was stopped for, and nobody knows why: never twice */
    for (size_t i = 0; i < count; i++) give_up(w, of[i], UNWATCHED_INSTRUCTION);
  }
  (void)program(w);
  return true;
}

void watch_died(hil_worker_t *w) {
  hil_worker_watch_t *k = &w->watch;
  for (size_t i = 0; i < k->count; i++) {
    hil_watch_t *of = k->of[i];
    const hil_watch_verdict_t verdict = watch_judge_fault(w, &k->place[i]);
    if (verdict == WATCH_READ) of->first = FIRST_ACTIVATED;
    if (verdict == WATCH_UNSURE && of->first == FIRST_UNKNOWN) of->reason = UNWATCHED_INSTRUCTION;
  }
}

void watch_end(hil_worker_t *w) {
  hil_worker_watch_t *k = &w->watch;
  for (size_t i = 0; i < k->opened; i++) {
    if (k->open[i]->first == FIRST_UNKNOWN && !k->open[i]->reason) k->open[i]->first = FIRST_NONE;
  }
  const bool armed = k->count > 0;
  k->count = k->opened = 0;
  if (armed && w->pid) (void)program(w);
}
