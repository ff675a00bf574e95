/* A whole port, as small as one that computes can be: its link is stdin and stdout, its worker is a call.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Copy it to begin a port of your own; .github/EXTENDING.md says how it is built, run and tested. State,
 * input and output can be hit, and the link. A step that does not end hangs the board, since nothing interrupts it:
 * a port with a worker of its own (port/linux) does not, and a hardware watchdog ends it. */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent.h"
#include "port.h"
#include "span.h"

enum { ARENA_LEN = (1 << 20) + (1 << 18), WORDS = 1024, ALIGNMENT = 64, POLL_MS_MAX = 1000 };

static struct {
  hil_agent_t agent;
  const hil_workload_t *workload;
  hil_workload_io_t io;
  hil_progress_t progress;
  bool has_worker;
  bool reset_due;
  uint64_t step_us; /* [us] that the last step took */
  uint64_t words[WORDS];
  uint8_t checks[WORDS];
  uint8_t arena[ARENA_LEN + ALIGNMENT];
} board;

static size_t tx(void *context, const uint8_t *bytes, size_t len) {
  (void)context;
  const ssize_t taken = write(STDOUT_FILENO, bytes, len);
  return taken < 0 ? 0 : (size_t)taken;
}

static uint64_t now_us(void *context) {
  (void)context;
  struct timespec now;
  (void)clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

/* The worker has reached the tick where an upset strikes: the agent does it. */
static int on_stop(void *context, uint32_t tick) {
  (void)context;
  return agent_on_tick(&board.agent, tick);
}

static size_t rounded(size_t len) { return (len + ALIGNMENT - 1u) / ALIGNMENT * ALIGNMENT; }

static int load(void *context, const hil_workload_t *w, hil_port_memory_t *out) {
  (void)context;
  const size_t state = rounded(w->state_len), input = rounded(w->input_len), output = rounded(w->output_len);
  if (state + input + output + rounded(w->scratch_len) > ARENA_LEN) return HIL_ERR_EXHAUSTED;
  uint8_t *p = board.arena + (ALIGNMENT - (uintptr_t)board.arena % ALIGNMENT) % ALIGNMENT;
  memset(p, 0, ARENA_LEN);
  board.workload = w;
  board.has_worker = false;
  board.io = (hil_workload_io_t){p, p + state, p + state + input, p + state + input + output};
  out->region[REGION_STATE] = p;
  out->region[REGION_INPUT] = p + state;
  out->region[REGION_OUTPUT] = p + state + input;
  out->progress = &board.progress;
  return HIL_OK;
}

static int start(void *context) {
  if (!board.workload) return HIL_ERR_STATE;
  board.progress = (hil_progress_t){0, 0, on_stop, context};
  board.has_worker = true;
  return HIL_OK;
}

static int step(void *context) {
  (void)context;
  return board.has_worker ? HIL_OK : HIL_ERR_STATE; /* poll computes it */
}

static hil_port_event_t poll_step(void *context, uint8_t *out_signal) {
  *out_signal = 0;
  if (!board.has_worker) return PORT_CRASHED;
  const uint64_t begun = now_us(context);
  const int status = board.workload->step(&board.io, &board.progress);
  board.step_us = now_us(context) - begun;
  return status == HIL_OK ? PORT_DONE : PORT_RUNNING; /* abandoned: the agent looks at its budget */
}

static uint64_t cpu_us(void *context) {
  (void)context;
  return board.step_us;
}

static void kill_worker(void *context) {
  (void)context;
  board.has_worker = false;
}

/* --- what upsets hit --------------------------------------------------------------------------------- */

static uint8_t *target(hil_target_t target, uint64_t *out_len) {
  const hil_workload_t *w = board.workload;
  switch (target) {
    case TARGET_STATE: *out_len = w->state_len; return board.agent.memory.region[REGION_STATE];
    case TARGET_INPUT: *out_len = w->input_len; return board.agent.memory.region[REGION_INPUT];
    case TARGET_OUTPUT: *out_len = w->output_len; return board.agent.memory.region[REGION_OUTPUT];
    default: return NULL;
  }
}

static int target_len(void *context, hil_target_t which, uint64_t *out_len) {
  (void)context;
  return target(which, out_len) ? HIL_OK : HIL_ERR_NOSYS;
}

static int target_read(void *context, hil_target_t which, uint64_t offset, uint8_t *out, size_t len) {
  (void)context;
  uint64_t size = 0;
  const uint8_t *base = target(which, &size);
  if (!base) return HIL_ERR_NOSYS;
  if (!span_within(offset, len, size)) return HIL_ERR_ARG;
  memcpy(out, base + offset, len);
  return HIL_OK;
}

static int target_write(void *context, hil_target_t which, uint64_t offset, const uint8_t *bytes,
                        size_t len) {
  (void)context;
  uint64_t size = 0;
  uint8_t *base = target(which, &size);
  if (!base) return HIL_ERR_NOSYS;
  if (!span_within(offset, len, size)) return HIL_ERR_ARG;
  memcpy(base + offset, bytes, len);
  return HIL_OK;
}

/* --- what this board cannot do ---------------------------------------------------------------------- */

static int advance(void *context, uint32_t steps, uint32_t *out_taken) {
  (void)context;
  (void)steps;
  *out_taken = 0;
  return HIL_ERR_NOSYS;
}

static int sefi(void *context, hil_sefi_t kind, uint8_t before[16], uint8_t after[16], uint8_t *out_len) {
  (void)context;
  (void)kind;
  (void)before;
  (void)after;
  *out_len = 0;
  return HIL_ERR_NOSYS;
}

static uint64_t pc_offset(void *context) {
  (void)context;
  return UINT64_MAX;
}

static void reset(void *context) {
  (void)context;
  board.reset_due = true; /* done when the agent's call stack is left */
}

static void identify(void *context, hil_hello_t *out) {
  (void)context;
  memcpy(out->port, "stdio", sizeof "stdio");
  memcpy(out->board, "a port of your own", sizeof "a port of your own");
}

static void health(void *context, hil_health_t *out) {
  (void)context;
  (void)out; /* no sensors */
}

static uint32_t last_error(void *context) {
  (void)context;
  return (uint32_t)errno;
}

/* As after power-on. */
static int boot(void) {
  const hil_port_t port = {.tx = tx,
                           .now_us = now_us,
                           .load = load,
                           .start = start,
                           .step = step,
                           .poll = poll_step,
                           .advance = advance,
                           .kill = kill_worker,
                           .cpu_us = cpu_us,
                           .target_len = target_len,
                           .target_read = target_read,
                           .target_write = target_write,
                           .sefi = sefi,
                           .pc_offset = pc_offset,
                           .reset = reset,
                           .identify = identify,
                           .health = health,
                           .last_error = last_error};
  board.workload = NULL;
  board.has_worker = board.reset_due = false;
  return agent_init(&board.agent, &port, now_us(NULL), board.words, board.checks, WORDS);
}

int main(void) {
  int status = boot();
  while (status == HIL_OK) { /* until the link ends */
    const uint32_t wait_us = agent_poll(&board.agent);
    if (board.reset_due) status = boot();
    const uint32_t wait_ms = wait_us / 1000u < POLL_MS_MAX ? wait_us / 1000u : POLL_MS_MAX;
    struct pollfd link = {.fd = STDIN_FILENO, .events = POLLIN};
    if (poll(&link, 1, (int)wait_ms) > 0) {
      uint8_t bytes[512];
      const ssize_t len = read(STDIN_FILENO, bytes, sizeof bytes);
      if (len <= 0) return 0;
      agent_receive(&board.agent, bytes, (size_t)len);
    }
  }
  return 1;
}
