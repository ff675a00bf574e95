/* The worker process. SPDX-License-Identifier: Apache-2.0
 *
 * The worker is a clone of the agent that runs nothing but steps, on a stack of its own, traced by the
 * agent. It makes no system call: a seccomp filter stops it if a corrupted instruction tries one, so
 * that no upset can touch anything but the worker itself, and no wait can block it. It can write its regions and
 * nothing else, and all that it can read is the same in every run (worker_seal.c). Its regions are shared with
 * the agent; scratch ("heap") and stack are zero after every start, machine code is its own copy. All addresses
 * are fixed, so that the same upset does the same twice.
 *
 * Invariants:
 *   1. pid != 0 exactly while a worker exists that was not reaped.
 *   2. begun && !standing && !has_status: it runs. Otherwise it stands still.
 *   3. A worker that gets a fatal signal dies of that signal; the agent only observes. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "arena.h"
#include "port_linux.h"
#include "worker_arch.h"
#include "worker_residue.h"

__asm__(ARCH_TRAPS);

static hil_control_t *const control = (hil_control_t *)ARENA_BASE;

static int refused(hil_worker_t *w) {
  w->last_errno = (uint32_t)errno;
  return HIL_ERR_IO;
}

/* --- memory ----------------------------------------------------------------------------------- */

int worker_for_experiments(hil_worker_t *w, bool yes) {
  if (!w->workload) return HIL_ERR_STATE;
  worker_kill(w);
  w->for_experiments = yes;
  return HIL_OK;
}

int worker_load(hil_worker_t *w, const hil_workload_t *workload, hil_port_memory_t *out) {
  worker_kill(w);
  w->workload = NULL;
  w->for_experiments = false;
  if (!arena_place(w, workload)) return refused(w);
  w->workload = workload;
  *out = w->memory;
  return HIL_OK;
}

/* --- the worker's own side --------------------------------------------------------------------- */

/* It stops before it dies of one, like of any other signal. Functions of the C library that need its data, as
 * prctl() may, do not work any more. */
static void forbid_system_calls(void) {
  struct sock_filter filter[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP)};
  const struct sock_fprog program = {1, filter};
  if (syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0) {
    (void)syscall(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
  }
}

static int worker_main(void *context) {
  const hil_worker_t *w = context;
  const struct rlimit no_core = {0, 0};
  sigset_t none;
  (void)prctl(PR_SET_NAME, "hil-worker");
  (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
  (void)setrlimit(RLIMIT_CORE, &no_core);
  (void)signal(SIGCHLD, SIG_DFL);
  (void)signal(SIGCONT, SIG_DFL);
  (void)signal(SIGPIPE, SIG_DFL); /* what the agent ignores, or waits for, would not kill */
  (void)signal(SIGTERM, SIG_DFL);
  (void)signal(SIGINT, SIG_DFL);
  (void)signal(SIGHUP, SIG_DFL);
  sigemptyset(&none);
  (void)sigprocmask(SIG_SETMASK, &none, NULL);
  close_descriptors_from(0); /* the link must end when the agent does */
  if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0) _exit(errno);
  const bool is_strict = w->for_experiments; /* nothing of the agent's data is there once it is sealed */
  /* EFAULT where there are filters. */
  const bool has_filters = prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL) != 0 && errno == EFAULT;
  if (is_strict && !has_filters) _exit(ENOSYS); /* an experiment could change what no restoring reaches */
  if (is_strict) {
#ifdef PR_SET_PTRACER /* a debugger that the host starts may attach, also where only parents may (Yama) */
    if (life_parent() > 1) (void)prctl(PR_SET_PTRACER, (unsigned long)life_parent(), 0, 0, 0);
#endif
    const struct itimerval often = {{0, WORKER_TIMER_US}, {0, WORKER_TIMER_US}};
    (void)setitimer(ITIMER_VIRTUAL, &often, NULL);
  }
  const int error = seal_worker();
  if (error && is_strict) _exit(error);
  if (has_filters) forbid_system_calls();
  worker_trap_rest(); /* the agent lets it continue in worker_loop */
  return 0;
}

/* All that the worker does from its clean start on. */
static void worker_loop(void) {
  for (;;) {
    worker_trap_rest();
    (void)control->step(&control->io, &control->progress);
  }
}

/* --- the agent's side --------------------------------------------------------------------------- */

static int registers(hil_worker_t *w, hil_arch_regs_t *regs) {
  size_t len = sizeof *regs;
  return registers_of_worker(w, false, NT_PRSTATUS, regs, &len);
}

/* At which trap does the stopped worker stand? On machines whose trap is reported at itself, move on. */
static uintptr_t trap_site(hil_worker_t *w) {
  hil_arch_regs_t regs;
  if (registers(w, &regs) != HIL_OK) return 0;
  const uintptr_t site = (uintptr_t)ARCH_PC(regs) - ARCH_TRAP_REPORTED_AT;
  if (site != (uintptr_t)worker_trap_rest && site != (uintptr_t)worker_trap_tick) return 0;
  if (ARCH_TRAP_SKIP) {
    ARCH_PC(regs) += ARCH_TRAP_SKIP;
    size_t len = sizeof regs;
    if (registers_of_worker(w, true, NT_PRSTATUS, &regs, &len) != HIL_OK) return 0;
  }
  return site;
}

static void forget(hil_worker_t *w) {
  if (w->mem_fd > 0) (void)close(w->mem_fd);
  w->mem_fd = -1;
  w->pid = 0;
  w->watch.count = 0; /* its debug registers are gone, too */
  w->begun = w->standing = w->has_status = false;
  w->was_hit = w->code_was_hit = false;
}

/* Whether a change of the worker was there, which |out_status| then holds. */
static bool wait_for(hil_worker_t *w, int options, int *out_status) {
  pid_t got;
  do {
    got = waitpid(w->pid, out_status, options | __WALL);
  } while (got < 0 && errno == EINTR);
  return got == w->pid;
}

void worker_kill(hil_worker_t *w) {
  int status;
  if (!w->pid) return;
  (void)kill(w->pid, SIGKILL);
  while (wait_for(w, 0, &status) && !WIFEXITED(status) && !WIFSIGNALED(status)) {
  }
  forget(w);
}

/* Why a starting worker is not at rest: what it said itself, or that it crashed; otherwise it is not traced. */
static uint32_t why_not_at_rest(int status) {
  if (WIFEXITED(status)) return (uint32_t)WEXITSTATUS(status);
  const int signal = WIFSTOPPED(status) ? WSTOPSIG(status) : WTERMSIG(status);
  return signal == SIGSEGV || signal == SIGBUS || signal == SIGILL ? EFAULT : EPERM;
}

/* Whether a starting worker has stopped at rest; if not there is none. */
static bool came_to_rest(hil_worker_t *w) {
  int status = 0;
  bool stopped = false;
  do { /* its timer may come first */
    stopped = wait_for(w, 0, &status) && WIFSTOPPED(status);
  } while (stopped && WSTOPSIG(status) == SIGVTALRM && ptrace(PTRACE_CONT, w->pid, NULL, NULL) == 0);
  stopped = stopped && WSTOPSIG(status) == SIGTRAP;
  if (stopped && trap_site(w) == (uintptr_t)worker_trap_rest) return true;
  w->last_errno = why_not_at_rest(status);
  if (WIFSTOPPED(status)) worker_kill(w);
  forget(w);
  return false;
}

int worker_start(hil_worker_t *w) {
  worker_kill(w);
  if (!w->workload) return HIL_ERR_STATE;
  *control = arena_control(w);
  if (!seal_find(ARENA_BASE, ARENA_LEN) && w->for_experiments) return refused(w);
  residue_remove(w);
  const pid_t pid = clone(worker_main, w->stack + WORKER_STACK_LEN, SIGCHLD, w);
  if (pid < 0) return refused(w);
  w->pid = pid;
  if (!came_to_rest(w)) return HIL_ERR_IO;
  residue_remove(w); /* of its first moments */
  if (worker_enter(w, (uintptr_t)worker_loop, (uintptr_t)w->stack + WORKER_STACK_LEN) != HIL_OK ||
      ptrace(PTRACE_CONT, pid, NULL, NULL) != 0) {
    const int status_io = refused(w);
    worker_kill(w);
    return status_io;
  }
  if (!came_to_rest(w)) return HIL_ERR_IO;
  residue_note_rest(w);
  (void)ptrace(PTRACE_SETOPTIONS, pid, NULL, (void *)PTRACE_O_EXITKILL);
  char path[32];
  (void)snprintf(path, sizeof path, "/proc/%d/mem", (int)pid);
  w->mem_fd = open(path, O_RDWR | O_CLOEXEC);
  if (w->mem_fd < 0) {
    const int status_io = refused(w);
    worker_kill(w);
    return status_io;
  }
  return HIL_OK;
}

static uint64_t clock_us(const hil_worker_t *w) {
  clockid_t id;
  struct timespec t;
  if (!w->pid || clock_getcpuclockid(w->pid, &id) != 0 || clock_gettime(id, &t) != 0) return 0;
  return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

uint64_t worker_cpu_us(hil_worker_t *w) {
  const uint64_t now = clock_us(w);
  if (w->pid) w->used_us = now > w->cpu_base_us ? now - w->cpu_base_us : 0;
  return w->used_us; /* of a worker that has exited: as last seen */
}

static void begin(hil_worker_t *w) {
  if (w->begun) return;
  w->begun = true;
  w->standing = true;
  w->cpu_base_us = clock_us(w);
  w->used_us = 0;
}

int worker_resume(hil_worker_t *w) {
  if (!w->pid) return HIL_ERR_STATE;
  if (w->has_status || !w->standing) return HIL_OK; /* ended meanwhile: poll reports it */
  /* ESRCH: it was killed as it stood; poll reports it. */
  if (ptrace(PTRACE_CONT, w->pid, NULL, NULL) != 0 && errno != ESRCH) return refused(w);
  w->standing = false;
  return HIL_OK;
}

int worker_step(hil_worker_t *w) {
  if (!w->pid) return HIL_ERR_STATE;
  begin(w);
  return worker_resume(w);
}

static bool harmless(int signal) {
  return signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU ||
         signal == SIGCONT || signal == SIGCHLD || signal == SIGWINCH || signal == SIGURG;
}

/* Let it die of the signal it got. */
static hil_port_event_t die(hil_worker_t *w, int signal, uint8_t *out_signal) {
  int status = 0;
  watch_died(w);
  (void)worker_cpu_us(w);
  (void)ptrace(PTRACE_CONT, w->pid, NULL, (void *)(intptr_t)signal);
  const bool exited = wait_for(w, 0, &status) && (WIFSIGNALED(status) || WIFEXITED(status));
  *out_signal = (uint8_t)(exited && WIFSIGNALED(status) ? WTERMSIG(status) : signal);
  if (exited) {
    forget(w);
  } else {
    worker_kill(w);
  }
  return PORT_CRASHED;
}

static hil_port_event_t stopped(hil_worker_t *w, hil_agent_t *agent, int signal, uint8_t *out_signal) {
  bool executed;
  w->standing = true;
  if (signal == SIGTRAP && watch_stopped(w, &executed)) {
    (void)worker_resume(w);
    return PORT_RUNNING;
  }
  if (signal == SIGTRAP) {
    const uintptr_t site = trap_site(w);
    if (site == (uintptr_t)worker_trap_rest) {
      w->begun = w->standing = false;
      return PORT_DONE;
    }
    if (site != (uintptr_t)worker_trap_tick) return die(w, signal, out_signal);
    if (agent_on_tick(agent, control->progress.tick)) return PORT_RUNNING;
  } else if (!harmless(signal)) {
    return die(w, signal, out_signal);
  }
  (void)worker_resume(w);
  return PORT_RUNNING;
}

hil_port_event_t worker_poll(hil_worker_t *w, hil_agent_t *agent, uint8_t *out_signal) {
  *out_signal = 0;
  if (!w->pid) return PORT_CRASHED;
  int status = w->status;
  if (!w->has_status && !wait_for(w, WNOHANG, &status)) return PORT_RUNNING;
  w->has_status = false;
  if (WIFSTOPPED(status)) return stopped(w, agent, WSTOPSIG(status), out_signal);
  *out_signal = WIFSIGNALED(status) ? (uint8_t)WTERMSIG(status) : 0;
  forget(w);
  return PORT_CRASHED;
}

int worker_wait_stop(hil_worker_t *w) {
  int status = 0;
  if (w->pid && wait_for(w, 0, &status) && WIFSTOPPED(status)) return WSTOPSIG(status);
  forget(w);
  w->last_errno = ESRCH;
  return -1;
}

int worker_interrupt(hil_worker_t *w) {
  if (!w->pid || w->standing || w->has_status) return HIL_ERR_STATE;
  if (kill(w->pid, SIGSTOP) != 0) return refused(w);
  int status = 0;
  if (!wait_for(w, 0, &status)) return HIL_ERR_STATE;
  if (WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP) {
    w->standing = true;
    return HIL_OK;
  }
  w->status = status; /* it ended, or reached a tick, first; the SIGSTOP is passed over later */
  w->has_status = true;
  return HIL_ERR_STATE;
}

static int single_steps(hil_worker_t *w, uint32_t steps, uint32_t *out_taken) {
  while (*out_taken < steps) {
    hil_arch_regs_t regs;
    if (registers(w, &regs) != HIL_OK) return HIL_ERR_IO;
    if (*out_taken && (uintptr_t)ARCH_PC(regs) == (uintptr_t)worker_trap_rest) return HIL_ERR_STATE;
    if (ptrace(PTRACE_SINGLESTEP, w->pid, NULL, NULL) != 0) return refused(w);
    int status = 0;
    if (!wait_for(w, 0, &status)) return HIL_ERR_STATE;
    if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGTRAP) {
      if (WIFSTOPPED(status) && harmless(WSTOPSIG(status))) continue;
      w->status = status;
      w->has_status = true;
      return HIL_ERR_STATE;
    }
    bool executed = true;
    (void)watch_stopped(w, &executed);
    if (executed) ++*out_taken;
  }
  return HIL_OK;
}

/* Stopping at every instruction takes thousands of times as long as the instruction: that time is ours,
 * and must not use up the budget of the step. */
int worker_advance(hil_worker_t *w, uint32_t steps, uint32_t *out_taken) {
  *out_taken = 0;
  if (!ARCH_COUNTS_STEPS) return HIL_ERR_NOSYS;
  if (!w->pid || w->has_status) return HIL_ERR_STATE;
  begin(w);
  if (!w->standing) return HIL_ERR_STATE;
  const uint64_t before_us = clock_us(w);
  const int status = single_steps(w, steps, out_taken);
  const uint64_t after_us = clock_us(w);
  if (after_us > before_us) w->cpu_base_us += after_us - before_us;
  return status;
}
