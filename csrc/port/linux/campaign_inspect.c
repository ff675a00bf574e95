/* One experiment that is inspected. SPDX-License-Identifier: Apache-2.0
 *
 * It is left where it stops: at its upset, from where it can be followed by single instructions, or at its end,
 * with what it has written. Or it is handed to a debugger of the same system: the agent lets go of the worker,
 * which stays stopped until the debugger has attached. Nobody but the agent ends it then: it does so at the
 * next request, and the system does so if the agent ends first (PR_SET_PDEATHSIG). */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>

#include "campaign.h"
#include "campaign_count.h"

static int refused(hil_linux_campaign_t *c) {
  c->worker->last_errno = (uint32_t)errno;
  return HIL_ERR_IO;
}

static bool is_access(int signal) {
  return signal == SIGSEGV || signal == SIGBUS || signal == SIGILL || signal == SIGFPE;
}

/* How a worker stands that has stopped with |signal|, or 0. */
static int describe(hil_linux_campaign_t *c, int signal, hil_campaign_struck_t *out) {
  hil_worker_t *w = c->worker;
  hil_arch_regs_t regs;
  siginfo_t info;
  const int status = registers_get_general(w, &regs);
  if (status != HIL_OK) return status;
  const uintptr_t trap = (uintptr_t)ARCH_PC(regs) - ARCH_TRAP_REPORTED_AT;
  const bool ours = trap == (uintptr_t)worker_trap_rest || trap == (uintptr_t)worker_trap_tick;
  out->pc = (uint64_t)ARCH_PC(regs);
  out->pid = (uint32_t)w->pid;
  out->signal = signal == SIGTRAP && ours ? 0 : (uint8_t)signal;
  /* No address is known of what the processor itself did not understand as one (SI_KERNEL). */
  if (is_access(signal) && ptrace(PTRACE_GETSIGINFO, w->pid, NULL, &info) == 0 && info.si_code > 0 &&
      info.si_code != SI_KERNEL) {
    out->fault = (uint64_t)(uintptr_t)info.si_addr;
  }
  return HIL_OK;
}

static int begin(hil_linux_campaign_t *c, const hil_campaign_strike_t *m) {
  const hil_campaign_site_t site = {m->position, m->byte, m->space, (uint8_t)(1u << m->bit), 0, 1};
  if (m->position != c->position || !campaign_is_hittable(c, &site)) return HIL_ERR_ARG;
  const int status = campaign_save_site(c);
  if (status != HIL_OK) return status;
  c->began_us = c->trace_at = 0;
  memset(&c->traced, 0, sizeof c->traced);
  c->struck = true;
  c->text_is_hit = false;
  return campaign_flip(c, &site);
}

/* Run to the end of the step. Returns the signal, as campaign_run_on. */
static int run_to_end(hil_linux_campaign_t *c) {
  count_begin(); /* or a long loop would be judged by CPU time, and not as its experiment was */
  for (;;) {
    hil_arch_regs_t regs;
    const int signal = campaign_run_on(c, UINT64_MAX);
    if (signal != SIGTRAP) return signal;
    if (registers_get_general(c->worker, &regs) != HIL_OK) return -1;
    if (!campaign_passes_tick(c, &regs)) return signal;
    if (campaign_pass_tick(c, &regs) != HIL_OK) return -1;
  }
}

static int carry_out(hil_linux_campaign_t *c, const hil_campaign_strike_t *m, hil_campaign_struck_t *out) {
  int status = c->struck ? campaign_go_back(c) : HIL_OK;
  if (status == HIL_OK) status = begin(c, m);
  if (status != HIL_OK) return status;
  const int signal = m->stop == STOP_AT_END ? run_to_end(c) : 0;
  if (signal < 0) return HIL_ERR_IO;
  status = describe(c, signal, out);
  if (status != HIL_OK || m->stop != STOP_FOR_DEBUGGER) return status;
  return ptrace(PTRACE_DETACH, c->worker->pid, NULL, (void *)(intptr_t)SIGSTOP) == 0 ? HIL_OK : refused(c);
}

int campaign_inspect(hil_linux_campaign_t *c, const hil_campaign_strike_t *m, hil_campaign_struck_t *out) {
  const int status = carry_out(c, m, out);
  if (status == HIL_ERR_IO) worker_kill(c->worker); /* it is not what it was before */
  return status;
}
