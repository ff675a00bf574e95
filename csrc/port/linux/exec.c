/* A worker that is any program on the board. SPDX-License-Identifier: Apache-2.0
 *
 * The program is a function from (state, input) to (state, output) behind two pipes; EXEC.md is the
 * interface to its bytes. The regions stay the agent's, so votes, repairs, checkpoints and upsets of
 * state, input and output are those of any workload. What else the program keeps to itself dies with it.
 *
 * Only programs that the agent was started with (--exec) are run, by their names: no command ever comes
 * over the wire.
 *
 *   from      to        on
 *   none      at rest   exec_find, exec_start: the program runs and has answered INIT
 *   at rest   in step   exec_step: the request is being written, the answer awaited
 *   in step   at rest   exec_poll: the whole answer is there, right in every part
 *   in step   none      exec_poll: it died, closed its output, or wrote anything else
 *   any       none      exec_kill
 *
 * Invariants:
 *   1. Of the program's output no byte is believed: length, type, frame and CRC must be the expected ones,
 *      and nothing may stand behind or before. Otherwise it is killed, and counts as crashed.
 *   2. No wait for the program is unbounded; in a step there is none at all.
 *   3. The time of a step is the clock's, less the pauses and what the program waited for a processor
 *      (busy_time.c): it may work elsewhere (a GPU), or sleep, and CPU time would show neither. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bytes.h"
#include "exec_talk.h"
#include "port_linux.h"
#include "span.h"
#include "upset.h"

enum { OWN_STATE = 8 /* [byte] of the state that a program without one is given: the next frame's number */ };

static uint8_t initial[EXEC_STATE_MAX];
static size_t initial_len;

/* --- start and end ---------------------------------------------------------------------------------- */

void exec_init(hil_exec_t *x) {
  memset(x, 0, sizeof *x);
  x->in_fd = x->out_fd = x->busy.schedstat_fd = x->err.fd = x->mem_fd = -1;
  x->init_ms = EXEC_INIT_MS;
}

void exec_kill(hil_exec_t *x) {
  if (!x->pid) return;
  talk_stop(x);
  if (x->begun) talk_note_end(x, PROGRAM_SILENT); /* else nothing is wrong with it */
  talk_forget(x);
}

typedef struct {
  uint32_t state_len, input_len, output_len;
} hil_sizes_t;

/* End a program that did not come up, for this errno. */
static void fail_to_start(hil_exec_t *x, int error) {
  const bool exited = exec_has_exited(x);
  talk_stop(x);
  if (error == ETIMEDOUT) {
    talk_note_end(x, PROGRAM_SILENT);
  } else if (error != ECANCELED) {
    talk_note_end(x, exited && error != EPROTO ? PROGRAM_EXITED : PROGRAM_VIOLATED);
  }
  talk_forget(x);
}

/* Read the answer to INIT: sizes, regions and initial state, with |out->state_len| as the program has it. Returns
 * 0, or an errno. */
static int read_answer_to_init(hil_exec_t *x, hil_sizes_t *out, const hil_wait_t *wait) {
  enum { SIZES = 12, COUNT = 4 };
  int error = talk_exchange(x, TALK_INIT, TALK_HEADER + SIZES, wait);
  if (error) return error;
  x->version = talk_answer_version();
  uint32_t count = 0;
  size_t before = SIZES; /* [byte] of the body that stand before the state */
  if (x->version == TALK_VERSION_REGIONS) {
    error = talk_exchange(x, TALK_INIT, TALK_HEADER + SIZES + COUNT, wait);
    if (error) return error;
    count = load_u32le(talk_answer() + SIZES);
    if (count > EXEC_REGIONS_MAX) return EPROTO;
    before = SIZES + COUNT + (size_t)count * MESSAGE_REGION_INFO;
  }
  *out =
      (hil_sizes_t){load_u32le(talk_answer()), load_u32le(talk_answer() + 4), load_u32le(talk_answer() + 8)};
  if (out->state_len > EXEC_STATE_MAX || out->input_len > MESSAGE_IO_MAX || !out->output_len ||
      out->output_len > EXEC_OUTPUT_MAX || talk_answer_len() != before + out->state_len) {
    return EPROTO;
  }
  const size_t want = TALK_HEADER + before + (size_t)out->state_len + TALK_CRC;
  error = talk_exchange(x, TALK_INIT, want, wait);
  if (error) return error;
  if (!talk_crc_is_right(want) || talk_chatters(x)) return EPROTO;
  initial_len = out->state_len;
  memcpy(initial, talk_answer() + before, initial_len);
  static hil_exec_regions_t declared; /* too large for the stack */
  if (!regions_declare(&declared, talk_answer() + SIZES + COUNT, count)) return EPROTO;
  if (x->regions.adopted) return regions_are_alike(&declared, &x->regions) ? 0 : EPROTO;
  x->regions = declared;
  return 0;
}

/* Start the program, and read its sizes and initial state. Returns 0, or an errno; then there is none. */
static int begin(hil_exec_t *x, hil_sizes_t *out) {
  x->lost = false;
  if (talk_spawn(x) != 0) return errno ? errno : EIO;
  const hil_wait_t wait = {talk_now_us(), (uint64_t)x->init_ms * 1000u, {.schedstat_fd = -1}};
  store_u64le(talk_request(), x->seed);
  talk_seal(x, TALK_INIT, 8);
  const int error = read_answer_to_init(x, out, &wait);
  if (error) {
    (void)fprintf(stderr, "hil-agent: program %s (%s) did not come up: %s\n", x->program->name,
                  x->program->argument[0], strerror(error));
    fail_to_start(x, error);
    return error;
  }
  x->fresh = true;
  return 0;
}

static void write_initial(uint8_t *state, uint64_t seed) {
  (void)seed; /* the program has it from INIT */
  if (initial_len) {
    memcpy(state, initial, initial_len);
  } else {
    memset(state, 0, OWN_STATE);
  }
}

int exec_find(hil_exec_t *x, const hil_exec_list_t *list, const char *name, uint64_t seed,
              const hil_workload_t **out) {
  const hil_exec_program_t *program = exec_named(list, name);
  exec_kill(x);
  if (!program) return HIL_ERR_NOSYS;
  hil_sizes_t sizes;
  x->program = program;
  x->seed = seed;
  regions_unmap(&x->regions);
  int error = begin(x, &sizes);
  if (error) return exec_refused(x, error);
  x->keeps_state = sizes.state_len == 0;
  const uint32_t own_len = x->keeps_state ? (uint32_t)OWN_STATE : sizes.state_len;
  error = regions_map(&x->regions, own_len);
  if (error) {
    exec_kill(x);
    return exec_refused(x, error);
  }
  x->shell = (hil_workload_t){.name = program->name,
                              .state_len = own_len,
                              .input_len = sizes.input_len,
                              .output_len = sizes.output_len,
                              .ticks = 1,
                              .init = write_initial};
  x->workload = x->shell;
  x->workload.state_len += x->regions.len;
  *out = &x->workload;
  return HIL_OK;
}

void exec_place(hil_exec_t *x, hil_port_memory_t *memory) {
  if (x->regions.memory) memory->region[REGION_STATE] = x->regions.memory;
  x->memory = *memory;
}

/* A program that has just started, or been started again, is in step with the agent's copy of its regions. */
static int settle_regions(hil_exec_t *x) { return regions_begin(x) ? HIL_OK : exec_refused(x, EPROTO); }

int exec_start(hil_exec_t *x) {
  if (!x->program || !x->memory.progress) return HIL_ERR_STATE;
  memset(x->memory.progress, 0, sizeof *x->memory.progress);
  if (x->pid && x->fresh && !exec_has_exited(x)) return settle_regions(x);
  exec_kill(x);
  hil_sizes_t sizes;
  const int error = begin(x, &sizes);
  if (error) return exec_refused(x, error);
  if ((sizes.state_len ? sizes.state_len : OWN_STATE) != x->shell.state_len ||
      sizes.input_len != x->workload.input_len || sizes.output_len != x->workload.output_len) {
    fail_to_start(x, EPROTO); /* it is another than it was */
    return exec_refused(x, EPROTO);
  }
  return settle_regions(x);
}

/* --- one step ----------------------------------------------------------------------------------------- */

static size_t sent_state_len(const hil_exec_t *x) { return x->keeps_state ? 0 : x->shell.state_len; }

static size_t answer_len(const hil_exec_t *x) {
  return TALK_HEADER + TALK_FRAME + sent_state_len(x) + x->workload.output_len +
         TALK_DIGEST * x->regions.count + TALK_CRC;
}

int exec_step(hil_exec_t *x, uint64_t frame) {
  if (!x->pid) return x->lost ? HIL_OK : HIL_ERR_STATE;
  if (!x->frozen && !regions_push(x)) return HIL_OK; /* the next poll reports it */
  exec_detach(x);
  const size_t state_len = sent_state_len(x);
  uint8_t *body = talk_request();
  store_u64le(body, frame);
  memcpy(body + TALK_FRAME, x->memory.region[REGION_STATE], state_len);
  memcpy(body + TALK_FRAME + state_len, x->memory.region[REGION_INPUT], x->workload.input_len);
  talk_seal(x, TALK_STEP, TALK_FRAME + state_len + x->workload.input_len);
  x->frame = frame;
  x->fresh = false;
  x->begun = true;
  x->answered = false;
  x->corrupted = talk_chatters(x);
  busy_time_begin(&x->busy);
  x->began_us = x->looked_us = talk_now_us();
  x->stood_us = x->used_us = 0;
  return HIL_OK;
}

static hil_port_event_t violated(hil_exec_t *x, uint8_t *out_signal) {
  talk_stop(x);
  talk_note_end(x, PROGRAM_VIOLATED);
  talk_forget(x);
  *out_signal = SIGKILL;
  return PORT_CRASHED;
}

static hil_port_event_t crashed(hil_exec_t *x, uint8_t *out_signal) {
  if (!talk_await_exit(x)) return violated(x, out_signal); /* it lives, but has closed its output */
  *out_signal = WIFSIGNALED(x->status) ? (uint8_t)WTERMSIG(x->status) : 0;
  (void)kill(-x->pid, SIGKILL); /* what it has left behind */
  talk_note_end(x, PROGRAM_EXITED);
  talk_forget(x);
  return PORT_CRASHED;
}

/* It has ended at a request for its regions. */
static hil_port_event_t is_lost(const hil_exec_t *x, uint8_t *out_signal) {
  *out_signal = x->lost_signal;
  return PORT_CRASHED;
}

static hil_port_event_t complete(hil_exec_t *x, hil_agent_t *agent, uint8_t *out_signal) {
  const size_t state_len = sent_state_len(x);
  const uint8_t *body = talk_answer();
  if (!talk_crc_is_right(answer_len(x)) || load_u64le(body) != x->frame || talk_chatters(x)) {
    return violated(x, out_signal);
  }
  if (x->keeps_state) {
    store_u64le(x->memory.region[REGION_STATE], x->frame + 1u);
  } else {
    memcpy(x->memory.region[REGION_STATE], body + TALK_FRAME, state_len);
  }
  memcpy(x->memory.region[REGION_OUTPUT], body + TALK_FRAME + state_len, x->workload.output_len);
  x->answered = true;
  if (!regions_pull(x, body + TALK_FRAME + state_len + x->workload.output_len)) return is_lost(x, out_signal);
  x->memory.progress->tick = 1; /* the one tick: the result is there, and can be hit */
  if (x->memory.progress->stop_tick == 1 && agent_on_tick(agent, 1)) return PORT_RUNNING;
  if (x->lost) return is_lost(x, out_signal);
  exec_detach(x);
  if (x->ended) return crashed(x, out_signal); /* by an upset there */
  if (x->frozen) return PORT_RUNNING;
  x->used_us = exec_busy_us(x);
  x->begun = false;
  return PORT_DONE;
}

hil_port_event_t exec_poll(hil_exec_t *x, hil_agent_t *agent, uint8_t *out_signal) {
  *out_signal = 0;
  if (!x->pid) return x->lost ? is_lost(x, out_signal) : PORT_CRASHED;
  tail_drain(&x->err);
  if (x->stops_late) (void)exec_has_exited(x);
  x->looked_us = talk_now_us();
  if (x->frozen || x->standing) return exec_has_exited(x) ? crashed(x, out_signal) : PORT_RUNNING;
  if (x->corrupted) return violated(x, out_signal);
  const size_t want = answer_len(x);
  const int moved = talk_move(x, want);
  if (!talk_is_plausible(x, TALK_STEP) ||
      (x->rx_at >= TALK_HEADER && talk_answer_len() != want - TALK_HEADER - TALK_CRC)) {
    return violated(x, out_signal);
  }
  if (x->rx_at == want) return complete(x, agent, out_signal);
  return moved == 0 ? PORT_RUNNING : crashed(x, out_signal);
}

bool exec_wants(const hil_exec_t *x, int *out_read_fd, int *out_write_fd) {
  const bool waits = x->pid && x->begun && !x->standing && !x->frozen;
  *out_read_fd = waits ? x->out_fd : -1;
  *out_write_fd = waits && x->tx_at < x->tx_len ? x->in_fd : -1;
  return waits;
}

int exec_report(hil_exec_t *x, const hil_program_query_t *query, hil_program_t *out) {
  const uint32_t init_ms = query->init_ms ? query->init_ms : x->init_ms;
  if (init_ms < EXEC_INIT_MS_MIN || init_ms > EXEC_INIT_MS_MAX || query->offset > x->last.kept) {
    return HIL_ERR_ARG;
  }
  x->init_ms = init_ms;
  *out = x->last;
  const size_t left = (size_t)x->last.kept - query->offset;
  out->init_ms = init_ms;
  out->offset = query->offset;
  out->len = (uint16_t)(left < MESSAGE_PART_MAX ? left : MESSAGE_PART_MAX);
  memcpy(out->bytes, x->last_stderr + query->offset, out->len);
  return HIL_OK;
}

/* --- pauses ------------------------------------------------------------------------------------ */

int exec_interrupt(hil_exec_t *x) {
  if (!x->pid || !x->begun || x->standing) return HIL_ERR_STATE;
  if (kill(-x->pid, SIGSTOP) != 0) return exec_refused(x, errno);
  x->standing = true;
  x->stands_since_us = talk_now_us();
  return HIL_OK;
}

int exec_resume(hil_exec_t *x) {
  if (!x->pid) return HIL_ERR_STATE;
  if (!x->standing) return HIL_OK;
  exec_detach(x);
  if (!x->frozen && kill(-x->pid, SIGCONT) != 0 && errno != ESRCH) return exec_refused(x, errno);
  x->looked_us = talk_now_us();
  x->stood_us += x->looked_us - x->stands_since_us;
  x->standing = false;
  return HIL_OK;
}

/* --- upsets ------------------------------------------------------------------------------------------ */

/* Write state of which a part is a region: the program is asked to write it, and the state is what can be
 * read back from it then. While it computes it cannot be asked. */
static int write_region(hil_exec_t *x, uint64_t offset, const uint8_t *bytes, size_t len) {
  uint8_t *const at = x->memory.region[REGION_STATE] + offset;
  uint8_t before[UPSET_WINDOW_MAX];
  if (len > sizeof before) return HIL_ERR_ARG;
  if (x->begun && !x->answered) return HIL_ERR_NOSYS;
  if (!x->pid || x->frozen || x->standing || exec_has_exited(x)) return HIL_ERR_STATE;
  memcpy(before, at, len);
  memcpy(at, bytes, len);
  if (regions_write(x, offset, len)) return HIL_OK;
  memcpy(at, before, len); /* whatever it did: it is lost, and was not read back */
  return exec_refused(x, EPROTO);
}

int exec_write(hil_exec_t *x, hil_target_t which, uint64_t offset, const uint8_t *bytes, size_t len) {
  const bool reaches_region = which == TARGET_STATE && x->regions.count && offset + len > x->shell.state_len;
  if (!reaches_region) return exec_put(x, which, offset, bytes, len);
  if (!span_within(offset, len, x->workload.state_len)) return HIL_ERR_ARG;
  return write_region(x, offset, bytes, len);
}
