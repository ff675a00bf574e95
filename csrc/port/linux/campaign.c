/* Holding one step, and experiments on it. SPDX-License-Identifier: Apache-2.0
 *
 *            OPEN                              RUN, TRACE: walk on
 *   closed ---------> at the step's start ---------------------------> at some instruction of it
 *      ^                      ^                                              |        ^
 *      |                      +--------------- walk back --------------------+        |  restore
 *      |                                                                     v        |
 *      +-- CLOSE                                                     bit flipped, worker runs on
 *
 * Invariants:
 *   1. Between two calls the worker stands still in the fault-free step, after |position| instructions.
 *   2. An experiment begins only where |site| and |at_site| hold what it will be restored to.
 *   3. Hangs are found by instructions and ticks (campaign_count.c): how busy the machine is changes no outcome. CPU
 *      time decides where instructions cannot be counted.
 *   4. A slice ends SLICE_US after its begin: on the walk, between two experiments, or within one, at the next
 *      timer tick of the worker, which stands still until the next slice. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <time.h>
#include <unistd.h>

#include "campaign.h"
#include "campaign_count.h"
#include "digest.h"

enum {
  SLICE_US = 10000, /* [us] of experiments between two looks at the link */
  VARINT_MAX = 10,  /* [byte] */
  /* More than any processor executes: what ends before it is counted has not reached its limit. */
  INSTRUCTIONS_PER_US = 2918, /* 2^27 in 46 ms */
  TRIES_MAX = 3
};

/* --- open and close ---------------------------------------------------------------------------------- */

/* Keep what the step ends with. */
static int find_ends(hil_linux_campaign_t *c) {
  const hil_worker_t *w = c->worker;
  const uint8_t *sp = (const uint8_t *)(uintptr_t)ARCH_SP(c->end.general);
  c->stack_len = (size_t)(w->stack + WORKER_STACK_LEN - sp);
  if (c->stack_len > WORKER_STACK_LEN) return HIL_ERR_IO;
  image_save(&c->pages, c->at_end);
  c->end_control = image_at(&c->pages, c->at_end, c->pages.slot[0]);
  c->end_state = image_at(&c->pages, c->at_end, w->memory.region[REGION_STATE]);
  c->end_output = image_at(&c->pages, c->at_end, w->memory.region[REGION_OUTPUT]);
  c->end_stack = c->stack_len ? image_at(&c->pages, c->at_end, sp) : c->at_end; /* nothing is compared */
  return c->end_control && c->end_state && c->end_output && c->end_stack ? HIL_OK : HIL_ERR_IO;
}

static int new_copies(hil_linux_campaign_t *c) {
  c->at_start = image_copy_new(&c->pages);
  c->at_site = image_copy_new(&c->pages);
  c->at_end = image_copy_new(&c->pages);
  c->at_repeat = image_copy_new(&c->pages);
  return c->at_start && c->at_site && c->at_end && c->at_repeat ? HIL_OK : HIL_ERR_EXHAUSTED;
}

/* Run the fault-free step to its end, and keep that. */
static int run_golden(hil_linux_campaign_t *c, const hil_workload_t *workload, hil_campaign_opened_t *out) {
  hil_worker_t *w = c->worker;
  c->began_us = 0;
  const int signal = campaign_run_on(c, UINT64_MAX);
  int status = registers_get(w, &c->end);
  if (status != HIL_OK) return status;
  if (signal != SIGTRAP || !campaign_at_rest(&c->end.general)) {
    w->last_errno =
        signal > 0 && signal != SIGTRAP ? EFAULT : ETIMEDOUT; /* it crashes, or passes its budget */
    return HIL_ERR_IO;
  }
  status = image_find_pages(&c->pages);
  if (status == HIL_OK) status = new_copies(c);
  if (status == HIL_OK) status = find_ends(c);
  if (status != HIL_OK) return status;
  out->ticks = c->ticks = w->memory.progress->tick;
  out->output_digest = hil_digest64(w->memory.region[REGION_OUTPUT], workload->output_len, 0);
  out->state_digest = hil_digest64(w->memory.region[REGION_STATE], workload->state_len, 0);
  return HIL_OK;
}

/* Pages of the regions that nobody has written yet, or that the system has put elsewhere, come to exist: a
 * region's pages are all among those that are saved, one after the other. */
static void touch_regions(const hil_linux_campaign_t *c, const hil_workload_t *l) {
  const size_t page_len = (size_t)sysconf(_SC_PAGESIZE);
  const size_t lens[] = {1, l->state_len, l->input_len, l->output_len}; /* of the control block, its page */
  for (size_t slot = 0; slot < sizeof lens / sizeof lens[0]; slot++) {
    for (size_t at = 0; at < lens[slot]; at += page_len) {
      (void)*(const volatile uint8_t *)(c->pages.slot[slot] + at);
    }
  }
}

/* What the fault-free step touches and ends with. The worker and its memory are as before it then, also if this
 * fails. */
static int record_golden(hil_linux_campaign_t *c, const hil_workload_t *workload,
                         hil_campaign_opened_t *out) {
  touch_regions(c, workload);
  int status = image_find_pages(&c->pages);
  if (status == HIL_OK) status = registers_get(c->worker, &c->start);
  if (status != HIL_OK) return status;
  c->before = c->pages; /* what the step makes beyond these was zero */
  uint8_t *was = image_copy_new(&c->before);
  if (!was) return HIL_ERR_EXHAUSTED;
  image_save(&c->before, was);
  status = run_golden(c, workload, out);
  const int restored = campaign_restore(c, &c->before, was); /* removes what the step has made */
  image_copy_free(&c->before, was);
  if (status != HIL_OK || restored != HIL_OK) return status != HIL_OK ? status : restored;
  image_save(&c->pages, c->at_start);
  c->has_start = true;
  return HIL_OK;
}

static uint64_t text_len(const hil_workload_t *l) {
  return (uintptr_t)l->text_end - (uintptr_t)l->text_begin;
}

static void describe(const hil_linux_campaign_t *c, const hil_workload_t *workload,
                     hil_campaign_opened_t *out) {
  uint8_t *const *slot = c->pages.slot;
  out->arena = (uint64_t)(uintptr_t)slot[0];
  out->state_at = (uint32_t)(slot[1] - slot[0]);
  out->input_at = (uint32_t)(slot[2] - slot[0]);
  out->output_at = (uint32_t)(slot[3] - slot[0]);
  out->heap_at = (uint32_t)(slot[4] - slot[0]);
  out->stack_at = (uint32_t)(slot[5] - slot[0]);
  out->stack_len = WORKER_STACK_LEN;
  out->rest = (uint64_t)(uintptr_t)worker_trap_rest;
  out->text = (uint64_t)(uintptr_t)workload->text_begin;
  out->text_len = (uint32_t)text_len(workload);
  out->gpr_count = ARCH_GPR_COUNT;
  out->gpr_bytes = ARCH_GPR_BYTES;
  out->vector_bytes = ARCH_VECTOR_BYTES;
}

/* Agent and worker take turns and never run at once: on one core no time is lost between them. It is one of
 * those that a limit leaves the worker. */
static void share_core(hil_linux_campaign_t *c) {
  cpu_set_t may, one;
  const int here = sched_getcpu();
  size_t core = here < 0 ? CPU_SETSIZE : (size_t)here;
  if (!c->cores_are_known || sched_getaffinity(c->worker->pid, sizeof may, &may) != 0) return;
  if (core >= CPU_SETSIZE || !CPU_ISSET(core, &may)) {
    for (core = 0; core < CPU_SETSIZE - 1 && !CPU_ISSET(core, &may); core++) {
    }
  }
  CPU_ZERO(&one);
  CPU_SET(core, &one);
  (void)sched_setaffinity(0, sizeof one, &one);
  (void)sched_setaffinity(c->worker->pid, sizeof one, &one);
}

/* A fresh worker. */
static int start_worker(hil_linux_campaign_t *c, bool for_experiments) {
  int status = worker_for_experiments(c->worker, for_experiments);
  if (status == HIL_OK) status = worker_start(c->worker);
  if (status == HIL_OK) (void)knobs_worker(c->knobs, c->worker->pid); /* the next LIMIT reads it back */
  return status;
}

/* Forget an experiment that was under way when its worker was lost. */
static void forget_experiment(hil_linux_campaign_t *c) {
  count_end(c);
  c->under_way = c->struck = c->is_long = c->text_is_hit = false;
  c->following = c->tries = 0;
  c->patched_len = 0;
}

int campaign_open(hil_linux_campaign_t *c, hil_worker_t *w, const hil_step_t *step,
                  const hil_budget_t *budget, hil_campaign_opened_t *out) {
  if (!ARCH_COUNTS_STEPS) return HIL_ERR_NOSYS;
  if (!w->workload) return HIL_ERR_STATE;
  c->worker = w;
  c->open = true; /* from here on campaign_close has something to put back */
  c->has_start = false;
  forget_experiment(c);
  c->input_len = step->len;
  memcpy(c->input, w->memory.region[REGION_INPUT], step->len);
  memcpy(w->memory.region[REGION_INPUT], step->input, step->len);
  c->cores_are_known = sched_getaffinity(0, sizeof c->cores, &c->cores) == 0;
  int status = start_worker(c, true);
  if (status != HIL_OK) return status;
  share_core(c);
  c->cpu_limit_us = budget->cpu_us;
  c->instruction_limit = (uint64_t)budget->cpu_us * INSTRUCTIONS_PER_US;
  w->memory.progress->tick = 0;
  w->memory.progress->stop_tick = c->stop_tick = budget->max_ticks ? budget->max_ticks + 1u : 0;
  c->follow_count = 0;
  status = worker_slots(w, c->pages.slot, c->pages.slot_len);
  if (status == HIL_OK) status = residue_clear(w); /* as before a step of a run that is hit */
  if (status == HIL_OK) status = record_golden(c, w->workload, out);
  if (status == HIL_OK) status = campaign_rewind(c);
  if (status == HIL_OK) describe(c, w->workload, out);
  return status;
}

int campaign_close(hil_linux_campaign_t *c) {
  if (!c->open) return HIL_OK;
  int status = c->has_start ? campaign_restore(c, &c->pages, c->at_start) : HIL_OK;
  memcpy(c->worker->memory.region[REGION_INPUT], c->input, c->input_len);
  image_copy_free(&c->pages, c->at_start);
  image_copy_free(&c->pages, c->at_site);
  image_copy_free(&c->pages, c->at_end);
  image_copy_free(&c->pages, c->at_repeat);
  c->at_start = c->at_site = c->at_end = c->at_repeat = NULL;
  c->open = c->has_start = false;
  if (c->cores_are_known) (void)sched_setaffinity(0, sizeof c->cores, &c->cores);
  const int started = start_worker(c, false);
  return status == HIL_OK ? started : status;
}

int campaign_read(hil_linux_campaign_t *c, uint64_t address, uint16_t len, uint8_t *out) {
  return worker_read_at(c->worker, address, out, len);
}

/* --- the walk -------------------------------------------------------------------------------------------- */

/* Walk to |position|, or until |until_us|: far instructions take seconds, and the link waits. HIL_OK, also if it
 * is not there yet; HIL_ERR_ARG: the step ends before; HIL_ERR_IO. */
static int walk_to(hil_linux_campaign_t *c, uint64_t position, uint64_t until_us) {
  if (position < c->position) {
    const int status = campaign_rewind(c);
    if (status != HIL_OK) return status;
  }
  while (c->position < position && campaign_clock_us() < until_us) {
    hil_arch_regs_t regs;
    if (registers_get_general(c->worker, &regs) != HIL_OK) return HIL_ERR_IO;
    const uintptr_t pc = (uintptr_t)ARCH_PC(regs);
    if (c->position && pc == (uintptr_t)worker_trap_rest) return HIL_ERR_ARG;
    if (campaign_step_once(c) != HIL_OK) return HIL_ERR_IO;
    c->path = (c->path ^ pc) * 0x100000001b3u;
    c->position++;
    c->site_is_saved = false;
  }
  return HIL_OK;
}

static size_t put_varint(uint8_t *out, uint64_t v) {
  size_t n = 0;
  for (; v >= 0x80u; v >>= 7) out[n++] = (uint8_t)(v | 0x80u);
  out[n++] = (uint8_t)v;
  return n;
}

static uint64_t zigzag(uint64_t difference) { return difference << 1 ^ (0u - (difference >> 63)); }

/* Write what has changed since |before|. Returns the length. */
static size_t put_changes(uint8_t *out, const hil_arch_regs_t *before, const hil_arch_regs_t *now) {
  enum { PC = ARCH_GPR_COUNT - 1 };
  uint8_t changed = 0;
  size_t len = 1;
  len += put_varint(out + len, zigzag(registers_value(now, PC) - registers_value(before, PC)));
  for (size_t i = 0; i < PC; i++) {
    const uint64_t difference = registers_value(now, i) - registers_value(before, i);
    if (!difference) continue;
    out[len++] = (uint8_t)i;
    len += put_varint(out + len, zigzag(difference));
    changed++;
  }
  out[0] = changed;
  return len;
}

int campaign_walk(hil_linux_campaign_t *c, hil_campaign_trace_t *out) {
  enum { ENTRY_MAX = 1 + VARINT_MAX + ARCH_GPR_COUNT * (1 + VARINT_MAX) };
  if (out->position == 0 && !c->struck) {
    const int status = campaign_rewind(c);
    if (status != HIL_OK) return status;
  }
  if (out->position != c->trace_at || (!c->struck && c->position != c->trace_at)) {
    return HIL_ERR_ARG; /* a RUN came between */
  }
  size_t len = 0;
  while (!out->ended && len + ENTRY_MAX <= sizeof out->bytes) {
    hil_arch_regs_t now;
    if (registers_get_general(c->worker, &now) != HIL_OK) return HIL_ERR_IO;
    out->ended = (c->position || c->struck) && (uintptr_t)ARCH_PC(now) == (uintptr_t)worker_trap_rest;
    if (out->ended) break;
    len += put_changes(out->bytes + len, &c->traced, &now);
    c->traced = now;
    const int status =
        c->struck ? campaign_step_struck(c, &out->ended) : walk_to(c, c->position + 1u, UINT64_MAX);
    if (status != HIL_OK) return status;
    c->trace_at++;
  }
  out->len = (uint16_t)len;
  return HIL_OK;
}

/* --- experiments -------------------------------------------------------------------------------------- */

int campaign_save_site(hil_linux_campaign_t *c) {
  if (c->site_is_saved) return HIL_OK;
  image_save(&c->pages, c->at_site);
  const int status = registers_get(c->worker, &c->site);
  c->site_is_saved = status == HIL_OK;
  return status;
}

/* Put other machine code where the worker stands, or back what was there. */
static int patch(hil_linux_campaign_t *c, uint64_t kind) {
  uint8_t after[16];
  c->patched_at = (uint64_t)ARCH_PC(c->site.general);
  return worker_sefi(c->worker, (hil_sefi_t)kind, c->patched, after, &c->patched_len);
}

/* The same with one bit of the workload's own: the system keeps what the processor has fetched in step. */
static int flip_text(hil_linux_campaign_t *c, uint64_t offset, uint8_t bit) {
  c->patched_at = (uint64_t)(uintptr_t)c->worker->workload->text_begin + offset;
  const int status = worker_read_at(c->worker, c->patched_at, c->patched, 1);
  if (status != HIL_OK) return status;
  const uint8_t flipped = c->patched[0] ^ bit;
  c->patched_len = 1;
  c->text_is_hit = true;
  return worker_write_at(c->worker, c->patched_at, &flipped, 1);
}

static int unpatch(hil_linux_campaign_t *c) {
  const size_t len = c->patched_len;
  c->patched_len = 0;
  return len ? worker_write_at(c->worker, c->patched_at, c->patched, len) : HIL_OK;
}

int campaign_flip(hil_linux_campaign_t *c, const hil_campaign_site_t *site) {
  hil_arch_regs_t regs = c->site.general;
  switch (site->space) {
    case SPACE_MEMORY: c->pages.slot[0][site->byte] ^= site->bit; return HIL_OK;
    case SPACE_GPR:
      registers_flip_general(&regs, (size_t)site->byte, site->bit);
      return registers_set_general(c->worker, &regs);
    case SPACE_CPU:
      if (site->byte < SPACE_CPU_TEXT) return patch(c, site->byte);
      return flip_text(c, site->byte - SPACE_CPU_TEXT, site->bit);
    default: return registers_flip_vector(c->worker, &c->site, (size_t)site->byte, site->bit);
  }
}

/* Whether a site is one that experiments may hit. */
bool campaign_is_hittable(const hil_linux_campaign_t *c, const hil_campaign_site_t *site) {
  if (site->space == SPACE_GPR) return site->byte < (uint64_t)ARCH_GPR_COUNT * ARCH_GPR_BYTES;
  if (site->space == SPACE_VECTOR) return site->byte < ARCH_VECTOR_BYTES;
  if (site->space == SPACE_CPU && site->byte < SPACE_CPU_TEXT) {
    return site->byte == SEFI_HANG || site->byte == SEFI_CRASH;
  }
  if (site->space == SPACE_CPU) return site->byte - SPACE_CPU_TEXT < text_len(c->worker->workload);
  for (size_t slot = 1; slot < IMAGE_SLOTS; slot++) { /* all but the control block */
    const uint64_t at = (uint64_t)(c->pages.slot[slot] - c->pages.slot[0]);
    if (site->byte >= at && site->byte - at < c->pages.slot_len[slot]) return true;
  }
  return false;
}

/* Begin an experiment: at its site, with its bit flipped. HIL_OK, also if it is not there at |until_us|. */
static int begin(hil_linux_campaign_t *c, const hil_campaign_site_t *site, uint64_t until_us) {
  if (!campaign_is_hittable(c, site)) return HIL_ERR_ARG;
  int status = walk_to(c, site->position, until_us);
  if (status != HIL_OK || c->position != site->position) return status;
  status = campaign_save_site(c);
  if (status != HIL_OK) return status;
  c->began_us = 0;
  c->step_began_us = campaign_clock_us();
  c->is_long = c->text_is_hit = false;
  c->under_way = true;
  return campaign_flip(c, site);
}

int campaign_go_back(hil_linux_campaign_t *c) {
  count_end(c);
  int status = campaign_restore(c, &c->pages, c->at_site);
  if (status == HIL_OK) status = unpatch(c);
  if (status == HIL_OK) status = registers_set(c->worker, &c->site);
  c->under_way = c->struck = false;
  c->following = 0;
  return status;
}

/* Begin it again, and count its instructions; not yet if it may only have waited for a processor. */
static int begin_again(hil_linux_campaign_t *c, const hil_campaign_site_t *site) {
  const bool is_counted = c->is_long || ++c->tries == TRIES_MAX;
  int status = campaign_go_back(c);
  if (status == HIL_OK) status = begin(c, site, UINT64_MAX);
  if (is_counted) count_begin();
  return status;
}

/* The worker has stopped with |signal|, or 0 (campaign_run_on): classify that. Returns whether the experiment is
 * over, and no step that follows it is to be run. */
static bool judge(hil_linux_campaign_t *c, int signal, const hil_arch_regs_t *regs, uint8_t wanted) {
  if (c->following) return !follow_end(c, regs, signal);
  if (signal == SIGTRAP && campaign_is_runaway(c, regs)) signal = FAILURE_HANG;
  if (signal != SIGTRAP || !campaign_at_rest(regs)) {
    details_of_failure(c, signal);
    return true;
  }
  details_of_end(c, regs, wanted);
  return !follow_begin(c, wanted);
}

/* The worker has stopped: classify that, and go back to the site, unless a step follows. */
static int end(hil_linux_campaign_t *c, int signal, hil_campaign_run_t *run) {
  hil_arch_regs_t regs;
  int status = registers_get_general(c->worker, &regs);
  if (status != HIL_OK) return status;
  if (signal == SIGTRAP && campaign_passes_tick(c, &regs)) return campaign_pass_tick(c, &regs);
  if (!judge(c, signal, &regs, run->sites.details)) return HIL_OK;
  status = campaign_go_back(c);
  c->tries = 0;
  if (status == HIL_OK) sites_put_details(run, c->outcome, c->details, c->details_len);
  return status;
}

/* A slice of one experiment. HIL_OK, also if it is not at its end at |until_us|. */
static int proceed(hil_linux_campaign_t *c, hil_campaign_run_t *run, uint64_t until_us) {
  if (!c->under_way) {
    const int status = begin(c, &run->site, until_us);
    if (status != HIL_OK || !c->under_way) return status;
  }
  const int signal = campaign_run_on(c, until_us);
  if (signal == CAMPAIGN_NOT_YET) return HIL_OK;
  if (signal == CAMPAIGN_SUSPECT) return begin_again(c, &run->site);
  return signal < 0 ? HIL_ERR_IO : end(c, signal, run);
}

int campaign_run(hil_linux_campaign_t *c, hil_campaign_run_t *run) {
  const uint64_t until_us = campaign_clock_us() + SLICE_US;
  if (c->struck && campaign_go_back(c) != HIL_OK) {
    worker_kill(c->worker); /* a debugger may have it */
    return HIL_ERR_IO;
  }
  do {
    const int status = proceed(c, run, until_us);
    if (status != HIL_OK && c->under_way) worker_kill(c->worker); /* it is not what it was before */
    if (status != HIL_OK) return status;
  } while (run->site.bit && campaign_clock_us() < until_us);
  run->outcomes.position = c->position;
  run->outcomes.path = c->path;
  return HIL_OK;
}
