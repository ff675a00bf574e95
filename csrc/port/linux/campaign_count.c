/* How many instructions an experiment executes, also if these are hundreds of millions. SPDX-License-Identifier: Apache-2.0
 *
 * Single steps count exactly, but cost thousands of times what they count. What takes long is a loop, and most loops
 * count in a register: as soon as the same instructions have been executed three times in a row and a register has
 * changed by the same each time, the worker runs freely, with a breakpoint wherever a branch would leave the loop. Where
 * it stops, this register says how many passes there were.
 *
 *   from       to          on
 *   stepping   looping     three equal passes, a register that counts, every way out watched
 *   looping    stepping    a breakpoint
 *   stepping   proven      the worker is where it was before, and repeats itself (campaign_repeat.c): it hangs
 *   any        given up    a loop of another kind, too many steps, a stop outside of the loop, or a register that counts
 *                          no longer: CPU time decides
 *
 * Invariants:
 *   1. |executed| is exact until it has been given up.
 *   2. Breakpoints are set only while looping. */
#include "campaign_count.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>

#include "branch.h"
#include "campaign_repeat.h"

enum {
  PASSES = 3,
  PERIOD_MAX = 64, /* [instruction] of one pass */
  HISTORY = PASSES * PERIOD_MAX, /* [instruction] */
  STEPS_MAX = 6000, /* [instruction] */
  ALL_STEPS_MAX = 10 * STEPS_MAX, /* [instruction] of loops that are entered again and again */
  STALLS_MAX = 8, /* stops in a row; a signal may come before the next instruction */
  EXITS_MAX = 4
};

typedef struct {
  uint64_t address;
  size_t place; /* of the branch in the pass */
} hil_exit_t;

/* One worker, one experiment at a time. */
static struct {
  hil_count_phase_t phase;
  uint64_t executed; /* until the last stop of which it is known */
  uint64_t steps; /* singly */
  size_t known; /* states in |history|: the last ones, before each step */
  hil_arch_regs_t history[HISTORY];
  size_t period;
  hil_arch_regs_t pass[PERIOD_MAX]; /* the last pass that was stepped through */
  uint64_t pass_began; /* |executed| then */
  size_t counter; /* the register that counts, and by how much */
  uint64_t delta;
  unsigned stalls; /* stops since the counter said last that the worker had gone on */
  size_t exits;
  hil_exit_t exit[EXITS_MAX];
} k;

void count_begin(void) {
  k.phase = COUNT_STEPPING;
  k.executed = k.steps = 0;
  k.known = 0;
  repeat_begin();
}

void count_end(hil_linux_campaign_t *c) {
  if (k.phase == COUNT_LOOPING) (void)debug_watch(c->worker->pid, NULL, 0);
  k.phase = COUNT_OFF;
}

hil_count_phase_t count_phase(void) { return k.phase; }

bool count_exceeds(uint64_t limit) {
  return (k.phase == COUNT_STEPPING || k.phase == COUNT_LOOPING) && k.executed > limit;
}

static void give_up(hil_linux_campaign_t *c) {
  if (k.phase == COUNT_LOOPING) (void)debug_watch(c->worker->pid, NULL, 0);
  k.phase = COUNT_GIVEN_UP;
  c->began_us = 0; /* its time counts from here on */
}

/* --- a loop ------------------------------------------------------------------------------------------------ */

static uint64_t pc_of(const hil_arch_regs_t *regs) { return (uint64_t)ARCH_PC(*regs); }

/* The shortest pass that the last states are PASSES of; 0: there is none. */
static size_t find_period(void) {
  for (size_t period = 1; period <= PERIOD_MAX; period++) {
    const hil_arch_regs_t *last = k.history + HISTORY - PASSES * period;
    bool same = true;
    for (size_t i = period; same && i < PASSES * period; i++)
      same = pc_of(&last[i]) == pc_of(&last[i - period]);
    if (same) return period;
  }
  return 0;
}

/* A register that changes by the same in every pass, at every place of it. */
static bool find_counter(void) {
  const hil_arch_regs_t *a = k.history + HISTORY - PASSES * k.period, *b = a + k.period, *c = b + k.period;
  for (size_t i = 0; i + 1u < ARCH_GPR_COUNT; i++) { /* all but the program counter */
    const uint64_t delta = registers_value(b, i) - registers_value(a, i);
    bool same = delta != 0;
    for (size_t j = 0; same && j < k.period; j++) {
      same = registers_value(&b[j], i) - registers_value(&a[j], i) == delta &&
             registers_value(&c[j], i) - registers_value(&b[j], i) == delta;
    }
    if (!same) continue;
    k.counter = i;
    k.delta = delta;
    return true;
  }
  return false;
}

/* All addresses at which the loop may be left, unless one instruction of it may lead anywhere. */
static bool find_exits(hil_linux_campaign_t *c) {
  k.exits = 0;
  for (size_t j = 0; j < k.period; j++) {
    uint8_t code[BRANCH_CODE_MAX];
    uint64_t ways[2];
    const uint64_t pc = pc_of(&k.pass[j]), next = pc_of(&k.pass[(j + 1u) % k.period]);
    if (worker_read_at(c->worker, pc, code, sizeof code) != HIL_OK) return false;
    const hil_branch_t kind = branch_of(pc, code, sizeof code, ways);
    if (kind == BRANCH_ANYWHERE) return false;
    if (kind == BRANCH_NONE) continue;
    if (k.exits == EXITS_MAX) return false;
    k.exit[k.exits++] = (hil_exit_t){ways[0] == next ? ways[1] : ways[0], j};
  }
  return true;
}

/* Whether each place and each way out has an address of its own: otherwise it would not be known where it stops. */
static bool is_unambiguous(void) {
  for (size_t i = 0; i < k.period; i++) {
    for (size_t j = 0; j < i; j++) {
      if (pc_of(&k.pass[i]) == pc_of(&k.pass[j])) return false;
    }
    for (size_t j = 0; j < k.exits; j++) {
      if (pc_of(&k.pass[i]) == k.exit[j].address) return false;
    }
  }
  for (size_t i = 0; i < k.exits; i++) {
    for (size_t j = 0; j < i; j++) {
      if (k.exit[i].address == k.exit[j].address) return false;
    }
  }
  return true;
}

static bool watch_exits(const hil_linux_campaign_t *c) {
  hil_debug_place_t place[EXITS_MAX];
  for (size_t i = 0; i < k.exits; i++) place[i] = (hil_debug_place_t){.address = k.exit[i].address};
  return debug_watch(c->worker->pid, place, k.exits) == HIL_OK;
}

/* Whether the worker, which has stepped through whole passes, is to run freely now. */
static bool enter_loop(hil_linux_campaign_t *c) {
  k.stalls = 0;
  k.period = find_period();
  if (!k.period) return false;
  memcpy(k.pass, k.history + HISTORY - k.period, k.period * sizeof *k.pass);
  k.pass_began = k.executed - k.period;
  return find_counter() && find_exits(c) && is_unambiguous() && watch_exits(c);
}

/* What had been executed when the worker was at |place| of a pass with these registers. False: no pass leads there. */
static bool executed_at(size_t place, const hil_arch_regs_t *regs, uint64_t *out) {
  uint64_t distance = registers_value(regs, k.counter) - registers_value(&k.pass[place], k.counter);
  uint64_t delta = k.delta;
  if (delta >> 63) {
    delta = 0u - delta;
    distance = 0u - distance;
  }
  if (distance % delta != 0) return false;
  *out = k.pass_began + distance / delta * k.period + place;
  return true;
}

/* The worker has stopped while looping: keep how much it has executed. |*out_left|: by one of the ways out. False:
 * it cannot be known. */
static bool locate(const hil_arch_regs_t *regs, bool *out_left) {
  *out_left = false;
  for (size_t j = 0; j < k.period; j++) {
    if (pc_of(regs) == pc_of(&k.pass[j])) return executed_at(j, regs, &k.executed);
  }
  *out_left = true;
  for (size_t i = 0; i < k.exits; i++) {
    if (pc_of(regs) != k.exit[i].address) continue;
    if (!executed_at(k.exit[i].place, regs, &k.executed)) return false;
    k.executed++; /* the branch */
    return true;
  }
  return false;
}

/* As locate, but false also if the register counts no longer, or only seemed to. */
static bool follow(const hil_arch_regs_t *regs, bool *out_left) {
  const uint64_t before = k.executed;
  if (!locate(regs, out_left) || k.executed < before) return false;
  k.stalls = k.executed > before ? 0 : k.stalls + 1u;
  return k.stalls < STALLS_MAX;
}

/* --- movement ------------------------------------------------------------------------------------------------ */

static void remember(const hil_arch_regs_t *regs) {
  if (k.known == HISTORY) {
    memmove(k.history, k.history + 1, (HISTORY - 1u) * sizeof *k.history);
    k.known--;
  }
  k.history[k.known++] = *regs;
}

/* Whether it was a step that the worker stopped after with SIGTRAP, and not a trap of its own, which it executed at
 * |regs|. A virtual machine may lose why the processor stopped: then Linux reports a step as TRAP_BRKPT. */
static bool was_step(const hil_linux_campaign_t *c, const hil_arch_regs_t *regs) {
  siginfo_t info;
  uint8_t code[BRANCH_CODE_MAX];
  if (ptrace(PTRACE_GETSIGINFO, c->worker->pid, NULL, &info) != 0) return false;
  if (info.si_code == TRAP_TRACE) return true;
  return info.si_code == TRAP_BRKPT && worker_read_at(c->worker, pc_of(regs), code, sizeof code) == HIL_OK &&
         !branch_reports_breakpoint(code, sizeof code);
}

static bool of_no_concern(int signal) {
  return signal == SIGVTALRM || signal == SIGSTOP || signal == SIGCONT;
}

int count_steps(hil_linux_campaign_t *c) {
  hil_arch_regs_t regs;
  if (registers_get_general(c->worker, &regs) != HIL_OK) return -1;
  for (int i = 0; i < HISTORY; i++) {
    int signal;
    do {
      if (ptrace(PTRACE_SINGLESTEP, c->worker->pid, NULL, NULL) != 0) return -1;
      signal = worker_wait_stop(c->worker);
    } while (of_no_concern(signal)); /* it came before the instruction */
    if (signal != SIGTRAP || !was_step(c, &regs)) return signal;
    remember(&regs);
    k.executed++;
    k.steps++;
    if (registers_get_general(c->worker, &regs) != HIL_OK) return -1;
    if (repeat_proven(c, &regs)) return 0;
  }
  if (repeat_is_checking()) return CAMPAIGN_NOT_YET;
  if (k.steps <= ALL_STEPS_MAX && k.known == HISTORY && enter_loop(c)) {
    k.phase = COUNT_LOOPING;
  } else if (k.steps > STEPS_MAX) {
    give_up(c);
  }
  return CAMPAIGN_NOT_YET;
}

int count_stopped(hil_linux_campaign_t *c, int signal) {
  hil_arch_regs_t regs;
  bool left;
  if (k.phase != COUNT_LOOPING) return signal;
  if (registers_get_general(c->worker, &regs) != HIL_OK) return -1;
  if (!follow(&regs, &left)) {
    give_up(c);
    return signal;
  }
  if (signal != SIGTRAP || !left) return signal;
  (void)debug_watch(c->worker->pid, NULL, 0);
  k.phase = COUNT_STEPPING;
  k.known = 0;
  return repeat_proven(c, &regs) ? 0 : CAMPAIGN_NOT_YET;
}
