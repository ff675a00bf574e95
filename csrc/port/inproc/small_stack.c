/* A step on a stack as small as a worker's. SPDX-License-Identifier: Apache-2.0
 *
 *   low addresses                                                          high ones
 *   |  guard: no access, GUARD_LEN and more  |  |stack_len|  |  its thread  |  stack of the handler  |
 *                                                            ^ the step begins here
 *
 * Invariants:
 *   1. A touch of the guard by the step's own thread ends the step, and nothing else does.
 *   2. Handlers of signals are as before when a call returns. */
#include "small_stack.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
  THREAD_LEN = 1 << 17, /* [byte] what a thread keeps at the top of its stack, and more */
  HANDLER_LEN = 1 << 17,
  GUARD_LEN = 1 << 26 /* a local array of up to that size does not reach beyond it */
};

typedef struct {
  const hil_workload_t *workload;
  const hil_workload_io_t *io;
  hil_progress_t *progress;
  uint8_t *memory; /* the guard's begin */
  size_t stack_len;
  int status; /* of this module */
  int step_status;
} hil_small_step_t;

static _Thread_local struct {
  sigjmp_buf back;
  uintptr_t guard, guard_end; /* both 0: no step runs here */
} here;

static void on_fault(int signal, siginfo_t *info, void *context) {
  const uintptr_t at = (uintptr_t)info->si_addr;
  (void)context;
  if (at >= here.guard && at < here.guard_end) siglongjmp(here.back, 1);
  struct sigaction usual = {.sa_handler = SIG_DFL};
  (void)sigaction(signal, &usual, NULL); /* it happens again, and ends the process */
}

/* Forbid all but |stack_len| bytes below the caller's frame. */
static bool set_guard(const hil_small_step_t *s) {
  const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), first = (uintptr_t)s->memory;
  const uintptr_t frame = (uintptr_t)__builtin_frame_address(0);
  const uintptr_t end = (frame - s->stack_len) & ~(page - 1u);
  if (frame < first + GUARD_LEN + s->stack_len) return false;
  here.guard = first;
  here.guard_end = end;
  return mprotect(s->memory, end - first, PROT_NONE) == 0;
}

static void *run(void *context) {
  hil_small_step_t *s = context;
  const stack_t handlers = {.ss_sp = s->memory + GUARD_LEN + s->stack_len + THREAD_LEN,
                            .ss_size = HANDLER_LEN};
  if (sigaltstack(&handlers, NULL) != 0 || !set_guard(s)) {
    s->status = HIL_ERR_IO;
  } else if (sigsetjmp(here.back, 1) == 0) {
    s->step_status = s->workload->step(s->io, s->progress);
    s->status = HIL_OK;
  } else {
    s->status = HIL_ERR_EXHAUSTED;
  }
  here.guard = here.guard_end = 0;
  const stack_t none = {.ss_flags = SS_DISABLE};
  (void)sigaltstack(&none, NULL);
  return NULL;
}

/* Run it in a thread that has the memory as its stack. */
static void run_in_thread(hil_small_step_t *s) {
  pthread_attr_t attributes;
  pthread_t thread;
  s->status = HIL_ERR_IO;
  if (pthread_attr_init(&attributes) != 0) return;
  if (pthread_attr_setstack(&attributes, s->memory + GUARD_LEN, s->stack_len + THREAD_LEN) == 0 &&
      pthread_create(&thread, &attributes, run, s) == 0) {
    (void)pthread_join(thread, NULL);
  }
  (void)pthread_attr_destroy(&attributes);
}

int small_stack_step(const hil_workload_t *workload, const hil_workload_io_t *io, hil_progress_t *progress,
                     size_t stack_len, int *out_status) {
  if (!workload || !io || !progress || !out_status || !stack_len) return HIL_ERR_ARG;
  const size_t page = (size_t)sysconf(_SC_PAGESIZE), rounded = (stack_len + page - 1u) & ~(page - 1u);
  const size_t len = GUARD_LEN + rounded + THREAD_LEN + HANDLER_LEN;
  uint8_t *memory =
      mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return HIL_ERR_IO;
  hil_small_step_t s = {workload, io, progress, memory, rounded, HIL_ERR_IO, 0};
  struct sigaction handler = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK}, segv, bus;
  (void)sigemptyset(&handler.sa_mask);
  (void)sigaction(SIGSEGV, &handler, &segv);
  (void)sigaction(SIGBUS, &handler, &bus);
  run_in_thread(&s);
  (void)sigaction(SIGSEGV, &segv, NULL);
  (void)sigaction(SIGBUS, &bus, NULL);
  (void)munmap(memory, len);
  *out_status = s.step_status;
  return s.status;
}
