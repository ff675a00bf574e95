/* Reading and changing a program of the user. SPDX-License-Identifier: Apache-2.0
 *
 * State, input and output are the agent's own. What only the program has, its stack, heap, machine code and
 * registers, is reached as its parent: it is attached to (ptrace) for the hit, and left to itself before it
 * continues, so that it computes untraced and at its usual speed.
 *
 *   from        to          on
 *   free        attached    the first access to what only the program has: it stands still
 *   attached    free        exec_detach: before a step begins, when it is resumed, behind the last tick
 *   any         -           it ends
 *
 * Invariants:
 *   1. Between the first and the last access of one hit the program's first thread executes nothing.
 *   2. A signal that comes meanwhile is delivered when it continues.
 *   3. No wait is unbounded: a program that does not stop in time is not hit, and continues when it has
 *      stopped (exec_poll looks). */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "port_linux.h"
#include "span.h"

enum {
  REST_MS = 50,    /* for a program between two steps to wait for its next request */
  ATTACH_MS = 500, /* for it to stand still: a driver may hold it */
  END_MS = 200     /* for a functional interrupt to show */
};

#ifndef PTRACE_EVENT_STOP
#define PTRACE_EVENT_STOP 128
#endif

static void pause_1ms(void) { (void)poll(NULL, 0, 1); }

static char letter(const hil_exec_t *x) { return busy_time_state(x->pid); }

int exec_refused(hil_exec_t *x, int error) {
  x->last_errno = (uint32_t)error;
  return HIL_ERR_IO;
}

/* --- standing still ------------------------------------------------------------------------------------ */

bool exec_has_exited(hil_exec_t *x) {
  int status;
  if (!x->pid || x->ended) return x->ended;
  if (waitpid(x->pid, &status, WNOHANG | __WALL) != x->pid) return false;
  if (WIFSTOPPED(status)) { /* it stopped for an access that was given up */
    if (!x->attached) { /* too late: it continues, with the signal that it stopped for */
      const int held = status >> 16 == PTRACE_EVENT_STOP ? 0 : WSTOPSIG(status);
      (void)ptrace(PTRACE_DETACH, x->pid, NULL, (void *)(intptr_t)held);
      x->stops_late = false;
    }
    return false;
  }
  x->status = status;
  x->ended = true;
  return true;
}

void exec_detach(hil_exec_t *x) {
  if (x->mem_fd >= 0) (void)close(x->mem_fd);
  x->mem_fd = -1;
  if (x->attached && x->pid && !x->ended) {
    (void)ptrace(PTRACE_DETACH, x->pid, NULL, (void *)(intptr_t)x->held_signal);
  }
  x->attached = false;
  x->held_signal = 0;
}

/* Wait until a traced program stands still. Returns HIL_OK, HIL_ERR_STATE if it ended instead, HIL_ERR_IO. */
static int await_stop(hil_exec_t *x) {
  for (int i = 0; i < ATTACH_MS; i++) {
    int status = 0;
    if (waitpid(x->pid, &status, WNOHANG | __WALL) != x->pid) {
      pause_1ms();
      continue;
    }
    if (!WIFSTOPPED(status)) {
      x->status = status;
      x->ended = true;
      return HIL_ERR_STATE;
    }
    x->held_signal = status >> 16 == PTRACE_EVENT_STOP ? 0 : WSTOPSIG(status);
    return HIL_OK;
  }
  x->stops_late = true;
  return exec_refused(x, ETIMEDOUT);
}

static int attach(hil_exec_t *x) {
  char path[32];
  if (!x->pid || exec_has_exited(x)) return HIL_ERR_STATE;
  if (x->attached) return HIL_OK;
  if (x->stops_late) return exec_refused(x, ETIMEDOUT);
  /* Behind its answer it is on the way to its next request: always hit it there. */
  for (int i = 0; i < REST_MS && !x->standing && !x->frozen && letter(x) == 'R'; i++) pause_1ms();
  if (ptrace(PTRACE_SEIZE, x->pid, NULL, NULL) != 0) return exec_refused(x, errno);
  if (ptrace(PTRACE_INTERRUPT, x->pid, NULL, NULL) != 0) return exec_refused(x, errno);
  const int status = await_stop(x);
  if (status != HIL_OK) return status;
  x->attached = true;
  (void)snprintf(path, sizeof path, "/proc/%d/mem", (int)x->pid);
  x->mem_fd = open(path, O_RDWR | O_CLOEXEC);
  if (x->mem_fd >= 0) return HIL_OK;
  const int error = errno;
  exec_detach(x);
  return exec_refused(x, error);
}

/* --- where its memory lies ------------------------------------------------------------------------------ */

/* A walk over the program's mappings (proc(5): maps) that belong to one target. */
typedef struct {
  FILE *maps;
  hil_target_t target;
  uintptr_t stack_pointer;
  char executable[PATH_MAX];
} hil_walk_t;

static int walk_begin(hil_exec_t *x, hil_target_t which, hil_walk_t *out) {
  char path[32];
  out->target = which;
  if (registers_stack_pointer(x->pid, &out->stack_pointer) != HIL_OK) return exec_refused(x, errno);
  (void)snprintf(path, sizeof path, "/proc/%d/exe", (int)x->pid);
  const ssize_t len = readlink(path, out->executable, sizeof out->executable - 1u);
  if (len < 0) return exec_refused(x, errno);
  out->executable[len] = 0;
  (void)snprintf(path, sizeof path, "/proc/%d/maps", (int)x->pid);
  out->maps = fopen(path, "re");
  return out->maps ? HIL_OK : exec_refused(x, errno);
}

/* Whether a mapping with these rights, of this file or with this name, belongs to the target. */
static bool belongs(const hil_walk_t *w, const char *rights, const char *name, bool has_stack) {
  const bool own = !strcmp(name, w->executable);
  const bool anonymous = !name[0] || !strcmp(name, "[heap]") || !strncmp(name, "[anon", 5);
  if (w->target == TARGET_TEXT) return rights[2] == 'x' && own;
  if (w->target == TARGET_STACK) return has_stack;
  return !strncmp(rights, "rw", 2) && rights[3] == 'p' && !has_stack && (own || anonymous);
}

/* The next piece of the target. False: there is none. */
static bool walk_on(hil_walk_t *w, uintptr_t *out_begin, uintptr_t *out_end) {
  char line[PATH_MAX + 128];
  while (fgets(line, sizeof line, w->maps)) {
    char *at;
    const uintptr_t begin = (uintptr_t)strtoull(line, &at, 16);
    if (*at != '-') continue;
    const uintptr_t end = (uintptr_t)strtoull(at + 1, &at, 16);
    if (*at != ' ' || strlen(at) < 6) continue;
    const char *const rights = at + 1;
    line[strcspn(line, "\n")] = 0;
    at += 5; /* behind the rights: offset, device, inode, name */
    for (int i = 0; i < 3; i++) {
      at += strspn(at, " ");
      at += strcspn(at, " ");
    }
    at += strspn(at, " ");
    const bool has_stack = begin <= w->stack_pointer && w->stack_pointer < end;
    if (!belongs(w, rights, at, has_stack)) continue;
    *out_begin = w->target == TARGET_STACK ? w->stack_pointer : begin;
    *out_end = end;
    return true;
  }
  return false;
}

/* How long the target is, and where its byte |offset| lies, with how many behind it in one piece. */
static int locate(hil_exec_t *x, hil_target_t which, uint64_t offset, uint64_t *out_len, uintptr_t *out_at,
                  size_t *out_room) {
  hil_walk_t walk;
  uintptr_t begin, end;
  const int status = walk_begin(x, which, &walk);
  if (status != HIL_OK) return status;
  *out_len = 0;
  *out_room = 0;
  while (walk_on(&walk, &begin, &end)) {
    const uint64_t piece = end - begin;
    if (offset >= *out_len && offset - *out_len < piece) {
      *out_at = begin + (uintptr_t)(offset - *out_len);
      *out_room = (size_t)(piece - (offset - *out_len));
    }
    *out_len += piece;
  }
  (void)fclose(walk.maps);
  return *out_len ? HIL_OK : HIL_ERR_STATE; /* the stack pointer was hit before */
}

/* Read |len| bytes into |out|, or replace them by |in|; the other one is null. */
static int memory_access(hil_exec_t *x, hil_target_t which, uint64_t offset, uint8_t *out, const uint8_t *in,
                         size_t len) {
  while (len) {
    uint64_t size;
    uintptr_t at = 0;
    size_t room;
    const int status = locate(x, which, offset, &size, &at, &room);
    if (status != HIL_OK) return status;
    if (!room) return HIL_ERR_ARG;
    const size_t part = len < room ? len : room;
    const ssize_t done =
        out ? pread(x->mem_fd, out, part, (off_t)at) : pwrite(x->mem_fd, in, part, (off_t)at);
    if (done != (ssize_t)part) return exec_refused(x, done < 0 ? errno : EFAULT);
    if (out) out += part;
    if (in) in += part;
    offset += part;
    len -= part;
  }
  return HIL_OK;
}

/* --- the targets ------------------------------------------------------------------------------------------ */

/* State, input and output, which are the agent's; NULL: another target. */
static uint8_t *region(const hil_exec_t *x, hil_target_t which, uint64_t *out_len) {
  switch (which) {
    case TARGET_STATE: *out_len = x->workload.state_len; return x->memory.region[REGION_STATE];
    case TARGET_INPUT: *out_len = x->workload.input_len; return x->memory.region[REGION_INPUT];
    case TARGET_OUTPUT: *out_len = x->workload.output_len; return x->memory.region[REGION_OUTPUT];
    default: return NULL;
  }
}

static bool is_register(hil_target_t which) { return which == TARGET_GPR || which == TARGET_VECTOR; }

/* Attach for a target that only the program has. */
static int reach(hil_exec_t *x, hil_target_t which) {
  const bool inside =
      is_register(which) || which == TARGET_STACK || which == TARGET_HEAP || which == TARGET_TEXT;
  return inside ? attach(x) : HIL_ERR_NOSYS;
}

int exec_target_len(hil_exec_t *x, hil_target_t which, uint64_t *out_len) {
  uintptr_t at;
  size_t room;
  if (region(x, which, out_len)) return HIL_OK;
  const int status = reach(x, which);
  if (status != HIL_OK) return status;
  if (!is_register(which)) return locate(x, which, 0, out_len, &at, &room);
  *out_len = registers_len(which);
  return HIL_OK;
}

static int register_access(hil_exec_t *x, hil_target_t which, uint64_t offset, uint8_t *out,
                           const uint8_t *in, size_t len) {
  const int status = registers_access(x->pid, which, offset, out, in, len);
  return status == HIL_ERR_IO ? exec_refused(x, errno) : status;
}

int exec_read(hil_exec_t *x, hil_target_t which, uint64_t offset, uint8_t *out, size_t len) {
  uint64_t size = 0;
  const uint8_t *const base = region(x, which, &size);
  if (base) {
    if (!span_within(offset, len, size)) return HIL_ERR_ARG;
    memcpy(out, base + offset, len);
    return HIL_OK;
  }
  const int status = reach(x, which);
  if (status != HIL_OK) return status;
  return is_register(which) ? register_access(x, which, offset, out, NULL, len)
                            : memory_access(x, which, offset, out, NULL, len);
}

int exec_put(hil_exec_t *x, hil_target_t which, uint64_t offset, const uint8_t *bytes, size_t len) {
  uint64_t size = 0;
  uint8_t *const base = region(x, which, &size);
  if (base) {
    if (!span_within(offset, len, size)) return HIL_ERR_ARG;
    memcpy(base + offset, bytes, len);
    return HIL_OK;
  }
  const int status = reach(x, which);
  if (status != HIL_OK) return status;
  return is_register(which) ? register_access(x, which, offset, NULL, bytes, len)
                            : memory_access(x, which, offset, NULL, bytes, len);
}

int exec_sefi(hil_exec_t *x, hil_sefi_t kind, uint8_t before[16], uint8_t after[16], uint8_t *out_len) {
  if (!x->pid || exec_has_exited(x)) return HIL_ERR_STATE;
  exec_detach(x); /* a traced program shows another state */
  const char want = kind == SEFI_HANG ? 'T' : 'Z';
  before[0] = (uint8_t)letter(x);
  if (kill(kind == SEFI_HANG ? -x->pid : x->pid, kind == SEFI_HANG ? SIGSTOP : SIGILL) != 0) {
    return exec_refused(x, errno);
  }
  for (int i = 0; i < END_MS; i++) {
    after[0] = exec_has_exited(x) ? (uint8_t)'Z' : (uint8_t)letter(x);
    if (after[0] == (uint8_t)want) break;
    pause_1ms();
  }
  if (after[0] != (uint8_t)want) return exec_refused(x, EBUSY); /* it would not */
  x->frozen = kind == SEFI_HANG;
  *out_len = 1;
  return HIL_OK;
}
