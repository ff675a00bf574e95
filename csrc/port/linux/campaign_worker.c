/* How the worker of a campaign moves: on by instructions, to the end of the step, back to its start.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <time.h>

#include "campaign.h"
#include "campaign_count.h"

enum {
  SURE_US =
      4000, /* [us] what takes no longer is not counted: 33 instructions in a nanosecond reach no limit */
  USUAL_LIMIT_US = 46000, /* [us] of CPU time, */
  MARGIN_SHARE = 8 /* and this part of what a limit is longer is not counted, either */
};

uint64_t campaign_clock_us(void) {
  struct timespec t;
  (void)clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

static int refused(hil_linux_campaign_t *c) {
  c->worker->last_errno = (uint32_t)errno;
  return HIL_ERR_IO;
}

/* Let it execute one instruction, or run on. */
static int go(hil_linux_campaign_t *c, bool one) {
  const pid_t pid = c->worker->pid;
  const long done = one ? ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) : ptrace(PTRACE_CONT, pid, NULL, NULL);
  return done == 0 ? HIL_OK : refused(c);
}

bool campaign_at_rest(const hil_arch_regs_t *regs) {
  return (uintptr_t)ARCH_PC(*regs) - ARCH_TRAP_REPORTED_AT == (uintptr_t)worker_trap_rest;
}

/* On machines whose trap is reported at itself, move on. */
static int leave_trap(hil_linux_campaign_t *c, hil_arch_regs_t *regs) {
  if (!ARCH_TRAP_SKIP) return HIL_OK;
  ARCH_PC(*regs) += ARCH_TRAP_SKIP;
  return registers_set_general(c->worker, regs);
}

int campaign_leave_rest(hil_linux_campaign_t *c) {
  hil_arch_regs_t regs;
  int status = residue_clear(c->worker);
  if (status == HIL_OK) status = registers_get_general(c->worker, &regs);
  return status == HIL_OK ? leave_trap(c, &regs) : status;
}

static bool at_tick(const hil_arch_regs_t *regs) {
  return (uintptr_t)ARCH_PC(*regs) - ARCH_TRAP_REPORTED_AT == (uintptr_t)worker_trap_tick;
}

bool campaign_is_runaway(const hil_linux_campaign_t *c, const hil_arch_regs_t *regs) {
  const bool is_over = c->stop_tick && c->worker->memory.progress->tick >= c->stop_tick;
  return is_over && (campaign_at_rest(regs) || at_tick(regs));
}

bool campaign_passes_tick(const hil_linux_campaign_t *c, const hil_arch_regs_t *regs) {
  return at_tick(regs) && !campaign_is_runaway(c, regs);
}

int campaign_pass_tick(hil_linux_campaign_t *c, hil_arch_regs_t *regs) {
  c->worker->memory.progress->stop_tick = c->stop_tick;
  return leave_trap(c, regs);
}

static bool of_no_concern(int signal) {
  return signal == SIGVTALRM || signal == SIGSTOP || signal == SIGCONT;
}

static uint64_t cpu_us(const hil_worker_t *w) {
  clockid_t id;
  struct timespec t;
  if (clock_getcpuclockid(w->pid, &id) != 0 || clock_gettime(id, &t) != 0) return UINT64_MAX;
  return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

int campaign_step_once(hil_linux_campaign_t *c) {
  for (;;) {
    if (go(c, true) != HIL_OK) return HIL_ERR_IO;
    const int signal = worker_wait_stop(c->worker);
    if (signal == SIGTRAP) return HIL_OK;
    if (!of_no_concern(signal)) return HIL_ERR_IO; /* it comes before the instruction: once more */
  }
}

int campaign_step_struck(hil_linux_campaign_t *c, uint8_t *out_ended) {
  for (;;) {
    if (go(c, true) != HIL_OK) return HIL_ERR_IO;
    const int signal = worker_wait_stop(c->worker);
    if (signal < 0) return HIL_ERR_IO;
    if (signal == SIGTRAP) return HIL_OK;
    *out_ended = !of_no_concern(signal);
    if (*out_ended) return HIL_OK; /* before the instruction */
  }
}

static uint64_t margin_us(const hil_linux_campaign_t *c) {
  return c->cpu_limit_us > USUAL_LIMIT_US ? (c->cpu_limit_us - USUAL_LIMIT_US) / MARGIN_SHARE : 0;
}

static bool is_uncounted(const hil_linux_campaign_t *c) { return c->under_way && count_phase() == COUNT_OFF; }

/* Whether the worker, which has run for so long, hangs, or is an experiment of which that is to be found out. 0, or
 * CAMPAIGN_SUSPECT, or else CAMPAIGN_NOT_YET. */
static int judge_time(hil_linux_campaign_t *c, uint64_t used_us) {
  if (count_phase() == COUNT_LOOPING) return CAMPAIGN_NOT_YET;
  c->is_long = is_uncounted(c) && used_us > margin_us(c); /* not at its first tick: that comes by chance */
  if (c->is_long) return CAMPAIGN_SUSPECT;
  return used_us >= c->cpu_limit_us ? 0 : CAMPAIGN_NOT_YET;
}

/* Whether an experiment that has ended may have taken longer than what is sure. */
static bool is_unsure(const hil_linux_campaign_t *c) {
  return is_uncounted(c) && campaign_clock_us() - c->step_began_us > SURE_US + margin_us(c);
}

/* Let the worker go on until it stops. As campaign_run_on; CAMPAIGN_NOT_YET: after any while. */
static int run_part(hil_linux_campaign_t *c) {
  if (count_phase() == COUNT_STEPPING) return count_steps(c);
  if (go(c, false) != HIL_OK) return -1;
  const int signal = count_stopped(c, worker_wait_stop(c->worker));
  if (!of_no_concern(signal)) return signal;
  const uint64_t now_us = cpu_us(c->worker);
  if (!c->began_us) c->began_us = now_us;
  return judge_time(c, now_us - c->began_us);
}

int campaign_run_on(hil_linux_campaign_t *c, uint64_t until_us) {
  for (;;) {
    const int signal = run_part(c);
    if (signal != -1 && count_exceeds(c->instruction_limit)) return 0;
    if (signal != CAMPAIGN_NOT_YET) return signal > 0 && is_unsure(c) ? CAMPAIGN_SUSPECT : signal;
    if (campaign_clock_us() >= until_us) return CAMPAIGN_NOT_YET;
  }
}

int campaign_restore(hil_linux_campaign_t *c, const hil_image_pages_t *pages, const uint8_t *copy) {
  return image_restore(pages, copy) == HIL_OK ? HIL_OK : refused(c);
}

int campaign_rewind(hil_linux_campaign_t *c) {
  count_end(c);
  int status = campaign_restore(c, &c->pages, c->at_start);
  if (status == HIL_OK) status = registers_set(c->worker, &c->start);
  c->position = c->path = c->trace_at = 0;
  c->site_is_saved = c->under_way = c->struck = false;
  c->patched_len = 0;
  c->following = 0;
  memset(&c->traced, 0, sizeof c->traced);
  return status;
}
