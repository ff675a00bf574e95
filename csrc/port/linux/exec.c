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
#include "crc32c.h"
#include "port_linux.h"
#include "span.h"

enum {
  VERSION = 1,      /* of the first request, which every program understands */
  VERSION_REGIONS = 2,
  TYPE_INIT = 1,
  TYPE_STEP = 2,
  HEADER = 12,
  CRC = 4,
  DIGEST = 8,       /* [byte] of a region's digest */
  FRAME = 8,        /* [byte] of the frame number */
  OWN_STATE = 8,    /* [byte] of the state that a program without one is given: the next frame's number */
  LOOK_MS = 50,     /* between two looks whether the agent is to end meanwhile */
  END_MS = 200,     /* for a program whose output ended to exit */
  TURNS_MAX = 64    /* pieces moved in one poll */
};

static const uint8_t magic[4] = {'H', 'I', 'L', 'X'};

/* One agent per process, so one of each. */
static uint8_t request[HEADER + FRAME + EXEC_STATE_MAX + MESSAGE_IO_MAX + CRC];
static uint8_t answer[HEADER + FRAME + EXEC_STATE_MAX + EXEC_OUTPUT_MAX + DIGEST * EXEC_REGIONS_MAX + CRC];
static uint8_t initial[EXEC_STATE_MAX];
static size_t initial_len;

static uint64_t now_us(void) {
  struct timespec t;
  (void)clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

static void pause_1ms(void) { (void)poll(NULL, 0, 1); }

/* --- start and end ---------------------------------------------------------------------------------- */

/* Keep how the program ended, and the last of its standard error. |how| EXITED: by its status. */
static void note_end(hil_exec_t *x, hil_program_end_t how) {
  tail_drain(&x->err);
  const bool died = how == PROGRAM_EXITED && WIFSIGNALED(x->status);
  x->last.ends++;
  x->last.how = (uint8_t)(died ? PROGRAM_SIGNALED : how);
  x->last.code = 0;
  if (how == PROGRAM_EXITED) {
    x->last.code = died ? (uint8_t)WTERMSIG(x->status) : (uint8_t)WEXITSTATUS(x->status);
  }
  x->last.written = x->err.total;
  x->last.kept = (uint16_t)tail_copy(&x->err, x->last_stderr);
}

static void close_pipes(hil_exec_t *x) {
  if (x->in_fd >= 0) (void)close(x->in_fd);
  if (x->out_fd >= 0) (void)close(x->out_fd);
  x->in_fd = x->out_fd = -1;
}

static void forget(hil_exec_t *x) {
  close_pipes(x);
  tail_close(&x->err);
  exec_detach(x);
  x->used_us = exec_busy_us(x);
  busy_time_close(&x->busy);
  x->pid = 0;
  x->begun = x->standing = x->frozen = x->fresh = x->ended = x->stops_late = x->answered = false;
}

void exec_init(hil_exec_t *x) {
  memset(x, 0, sizeof *x);
  x->in_fd = x->out_fd = x->busy.schedstat_fd = x->err.fd = x->mem_fd = -1;
  x->init_ms = EXEC_INIT_MS;
}

/* Kill the program with all that it has started. */
static void stop(hil_exec_t *x) {
  (void)kill(-x->pid, SIGKILL);
  (void)kill(x->pid, SIGKILL);
  /* one that a driver holds is left to the system */
  for (int i = 0; i < 2000 && !exec_has_exited(x); i++) pause_1ms();
}

void exec_kill(hil_exec_t *x) {
  if (!x->pid) return;
  stop(x);
  if (x->begun) note_end(x, PROGRAM_SILENT); /* else nothing is wrong with it */
  forget(x);
}

/* Three pipes: to its standard input, from its standard output and error. Returns 0, or -1 and errno. */
static int make_pipes(int pipes[3][2]) {
  for (int i = 0; i < 3; i++) {
    if (pipe2(pipes[i], O_CLOEXEC) == 0) continue;
    const int error = errno;
    while (i-- > 0) {
      (void)close(pipes[i][0]);
      (void)close(pipes[i][1]);
    }
    errno = error;
    return -1;
  }
  return 0;
}

static int spawn(hil_exec_t *x) {
  int pipes[3][2];
  if (make_pipes(pipes) != 0) return -1;
  const pid_t agent = getpid(), pid = fork();
  if (pid == 0) {
    const int fds[3] = {pipes[0][0], pipes[1][1], pipes[2][1]};
    program_become(x->program->argument[0], x->program->argument, fds, agent);
  }
  const int error = errno;
  (void)close(pipes[0][0]);
  (void)close(pipes[1][1]);
  (void)close(pipes[2][1]);
  x->in_fd = pipes[0][1];
  x->out_fd = pipes[1][0];
  tail_begin(&x->err, pipes[2][0]);
  if (pid < 0) {
    close_pipes(x);
    tail_close(&x->err);
    errno = error;
    return -1;
  }
  (void)setpgid(pid, pid); /* here as well: it may be killed before it does so itself */
  (void)fcntl(x->in_fd, F_SETFL, O_NONBLOCK);
  (void)fcntl(x->out_fd, F_SETFL, O_NONBLOCK);
  x->pid = pid;
  busy_time_open(&x->busy, pid);
  return 0;
}

/* --- messages ----------------------------------------------------------------------------------------- */

/* Of a message of this version: version 2 has the CRC that programs have without any library. */
static uint32_t message_crc(uint8_t version, const uint8_t *message, size_t len) {
  return version == VERSION_REGIONS ? regions_crc32(message, len) : hil_crc32c(0, message, len);
}

/* Frame |len| body bytes that stand in place. */
static void seal(hil_exec_t *x, uint8_t type, size_t len) {
  const uint8_t version = type == TYPE_INIT ? (uint8_t)VERSION : x->version;
  memcpy(request, magic, sizeof magic);
  request[4] = version;
  request[5] = type;
  request[6] = request[7] = 0;
  store_u32le(request + 8, (uint32_t)len);
  store_u32le(request + HEADER + len, message_crc(version, request, HEADER + len));
  x->tx_len = HEADER + len + CRC;
  x->tx_at = x->rx_at = 0;
}

/* Whether what has arrived in |answer| so far begins like the expected answer. A program says in its first one
 * which version it speaks. */
static bool plausible(const hil_exec_t *x, uint8_t type) {
  const bool is_newer = type == TYPE_INIT && x->rx_at > 4 && answer[4] == VERSION_REGIONS;
  const uint8_t version = is_newer ? VERSION_REGIONS : type == TYPE_INIT ? VERSION : x->version;
  const uint8_t header[8] = {magic[0], magic[1], magic[2], magic[3], version, type, 0, 0};
  return memcmp(answer, header, x->rx_at < sizeof header ? x->rx_at : sizeof header) == 0;
}

static bool crc_is_right(size_t len) {
  return load_u32le(answer + len - CRC) == message_crc(answer[4], answer, len - CRC);
}

/* Move what can be moved, without waiting; |want| bytes are to come. Returns 0, or -1 if the pipe ended. */
static int move(hil_exec_t *x, size_t want) {
  for (int i = 0; i < TURNS_MAX && x->tx_at < x->tx_len; i++) {
    const ssize_t put = write(x->in_fd, request + x->tx_at, x->tx_len - x->tx_at);
    if (put < 0) break; /* full; or its end is closed, and then its output also ends */
    x->tx_at += (size_t)put;
  }
  for (int i = 0; i < TURNS_MAX && x->rx_at < want; i++) {
    const ssize_t got = read(x->out_fd, answer + x->rx_at, want - x->rx_at);
    if (got == 0) return -1;
    if (got < 0) return errno == EAGAIN || errno == EINTR ? 0 : -1;
    x->rx_at += (size_t)got;
  }
  return 0;
}

/* Whether the program has written something without a request. */
static bool chatters(const hil_exec_t *x) {
  uint8_t byte;
  return read(x->out_fd, &byte, 1) > 0;
}

/* A wait for a program: since when, and for how long. */
typedef struct {
  uint64_t since_us, patience_us;
  hil_busy_time_t
      busy; /* the time in which it had no processor does not count; without a descriptor it does */
} hil_wait_t;

static uint64_t left_us(const hil_wait_t *wait, uint64_t now) {
  const uint64_t passed = busy_time_us(&wait->busy, now - wait->since_us);
  return passed < wait->patience_us ? wait->patience_us - passed : 0;
}

/* Move until |want| bytes of an answer are there. Returns 0, or an errno. */
static int exchange(hil_exec_t *x, uint8_t type, size_t want, const hil_wait_t *wait) {
  for (;;) {
    const int moved = move(x, want);
    if (!plausible(x, type)) return EPROTO;
    if (x->rx_at == want) return 0;
    if (moved != 0) {
      for (int i = 0; i < END_MS && !exec_has_exited(x); i++) pause_1ms();
      return exec_has_exited(x) && WIFEXITED(x->status) && WEXITSTATUS(x->status) == 127 ? ENOEXEC : ECHILD;
    }
    tail_drain(&x->err);
    const uint64_t now = now_us();
    const uint64_t left = left_us(wait, now);
    if (!left) return ETIMEDOUT;
    if (life_is_over()) return ECANCELED;
    if (x->watchdog) (void)watchdog_kick(x->watchdog, now); /* the agent lives, and ends this wait */
    const int in_fd = x->tx_at < x->tx_len ? x->in_fd : -1;
    struct pollfd fds[3] = {{x->out_fd, POLLIN, 0}, {x->err.fd, POLLIN, 0}, {in_fd, POLLOUT, 0}};
    const uint64_t left_ms = left / 1000u + 1u;
    (void)poll(fds, 3, left_ms < LOOK_MS ? (int)left_ms : LOOK_MS);
  }
}

typedef struct {
  uint32_t state_len, input_len, output_len;
} hil_sizes_t;

/* End a program that did not come up, for this errno. */
static void fail_to_start(hil_exec_t *x, int error) {
  const bool exited = exec_has_exited(x);
  stop(x);
  if (error == ETIMEDOUT) {
    note_end(x, PROGRAM_SILENT);
  } else if (error != ECANCELED) {
    note_end(x, exited && error != EPROTO ? PROGRAM_EXITED : PROGRAM_VIOLATED);
  }
  forget(x);
}

/* Read the answer to INIT: sizes, regions and initial state, with |out->state_len| as the program has it. Returns
 * 0, or an errno. */
static int read_answer_to_init(hil_exec_t *x, hil_sizes_t *out, const hil_wait_t *wait) {
  enum { SIZES = 12, COUNT = 4 };
  int error = exchange(x, TYPE_INIT, HEADER + SIZES, wait);
  if (error) return error;
  x->version = answer[4];
  uint32_t count = 0;
  size_t before = SIZES; /* [byte] of the body that stand before the state */
  if (x->version == VERSION_REGIONS) {
    error = exchange(x, TYPE_INIT, HEADER + SIZES + COUNT, wait);
    if (error) return error;
    count = load_u32le(answer + HEADER + SIZES);
    if (count > EXEC_REGIONS_MAX) return EPROTO;
    before = SIZES + COUNT + (size_t)count * MESSAGE_REGION_INFO;
  }
  *out = (hil_sizes_t){load_u32le(answer + HEADER), load_u32le(answer + HEADER + 4),
                       load_u32le(answer + HEADER + 8)};
  if (out->state_len > EXEC_STATE_MAX || out->input_len > MESSAGE_IO_MAX || !out->output_len ||
      out->output_len > EXEC_OUTPUT_MAX || load_u32le(answer + 8) != before + out->state_len) {
    return EPROTO;
  }
  const size_t want = HEADER + before + (size_t)out->state_len + CRC;
  error = exchange(x, TYPE_INIT, want, wait);
  if (error) return error;
  if (!crc_is_right(want) || chatters(x)) return EPROTO;
  initial_len = out->state_len;
  memcpy(initial, answer + HEADER + before, initial_len);
  static hil_exec_regions_t declared; /* too large for the stack */
  if (!regions_declare(&declared, answer + HEADER + SIZES + COUNT, count)) return EPROTO;
  if (x->regions.adopted) return regions_are_alike(&declared, &x->regions) ? 0 : EPROTO;
  x->regions = declared;
  return 0;
}

/* Start the program, and read its sizes and initial state. Returns 0, or an errno; then there is none. */
static int begin(hil_exec_t *x, hil_sizes_t *out) {
  x->lost = false;
  if (spawn(x) != 0) return errno ? errno : EIO;
  const hil_wait_t wait = {now_us(), (uint64_t)x->init_ms * 1000u, {.schedstat_fd = -1}};
  store_u64le(request + HEADER, x->seed);
  seal(x, TYPE_INIT, 8);
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

uint8_t *exec_request_body(void) { return request + HEADER; }

void exec_lose(hil_exec_t *x, int error) {
  const bool exited = exec_has_exited(x);
  x->lost = true;
  x->lost_signal = !exited ? (uint8_t)SIGKILL : WIFSIGNALED(x->status) ? (uint8_t)WTERMSIG(x->status) : 0u;
  stop(x);
  note_end(x, exited ? PROGRAM_EXITED : error == ETIMEDOUT ? PROGRAM_SILENT : PROGRAM_VIOLATED);
  forget(x);
}

const uint8_t *exec_ask(hil_exec_t *x, uint8_t type, size_t body_len, size_t want_len) {
  hil_wait_t wait = {now_us(), (uint64_t)EXEC_REGION_MS * 1000u, x->busy};
  busy_time_begin(&wait.busy);
  exec_detach(x);
  int error = chatters(x) ? EPROTO : 0;
  seal(x, type, body_len);
  if (!error) error = exchange(x, type, HEADER, &wait);
  if (!error && load_u32le(answer + 8) != want_len) error = EPROTO;
  const size_t want = HEADER + want_len + CRC;
  if (!error) error = exchange(x, type, want, &wait);
  if (!error && (!crc_is_right(want) || chatters(x))) error = EPROTO;
  if (!error) return answer + HEADER;
  exec_lose(x, error);
  return NULL;
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
  return HEADER + FRAME + sent_state_len(x) + x->workload.output_len + DIGEST * x->regions.count + CRC;
}

int exec_step(hil_exec_t *x, uint64_t frame) {
  if (!x->pid) return x->lost ? HIL_OK : HIL_ERR_STATE;
  if (!x->frozen && !regions_push(x)) return HIL_OK; /* the next poll reports it */
  exec_detach(x);
  const size_t state_len = sent_state_len(x);
  uint8_t *body = request + HEADER;
  store_u64le(body, frame);
  memcpy(body + FRAME, x->memory.region[REGION_STATE], state_len);
  memcpy(body + FRAME + state_len, x->memory.region[REGION_INPUT], x->workload.input_len);
  seal(x, TYPE_STEP, FRAME + state_len + x->workload.input_len);
  x->frame = frame;
  x->fresh = false;
  x->begun = true;
  x->answered = false;
  x->corrupted = chatters(x);
  busy_time_begin(&x->busy);
  x->began_us = x->looked_us = now_us();
  x->stood_us = x->used_us = 0;
  return HIL_OK;
}

uint64_t exec_busy_us(const hil_exec_t *x) {
  if (!x->begun) return x->used_us;
  const uint64_t until_us = x->standing ? x->stands_since_us : x->looked_us;
  return busy_time_us(&x->busy, until_us - x->began_us - x->stood_us);
}

static hil_port_event_t violated(hil_exec_t *x, uint8_t *out_signal) {
  stop(x);
  note_end(x, PROGRAM_VIOLATED);
  forget(x);
  *out_signal = SIGKILL;
  return PORT_CRASHED;
}

static hil_port_event_t crashed(hil_exec_t *x, uint8_t *out_signal) {
  for (int i = 0; i < END_MS && !exec_has_exited(x); i++) pause_1ms();
  if (!exec_has_exited(x)) return violated(x, out_signal); /* it lives, but has closed its output */
  *out_signal = WIFSIGNALED(x->status) ? (uint8_t)WTERMSIG(x->status) : 0;
  (void)kill(-x->pid, SIGKILL); /* what it has left behind */
  note_end(x, PROGRAM_EXITED);
  forget(x);
  return PORT_CRASHED;
}

/* It has ended at a request for its regions. */
static hil_port_event_t is_lost(const hil_exec_t *x, uint8_t *out_signal) {
  *out_signal = x->lost_signal;
  return PORT_CRASHED;
}

static hil_port_event_t complete(hil_exec_t *x, hil_agent_t *agent, uint8_t *out_signal) {
  const size_t state_len = sent_state_len(x);
  const uint8_t *body = answer + HEADER;
  if (!crc_is_right(answer_len(x)) || load_u64le(body) != x->frame || chatters(x)) {
    return violated(x, out_signal);
  }
  if (x->keeps_state) {
    store_u64le(x->memory.region[REGION_STATE], x->frame + 1u);
  } else {
    memcpy(x->memory.region[REGION_STATE], body + FRAME, state_len);
  }
  memcpy(x->memory.region[REGION_OUTPUT], body + FRAME + state_len, x->workload.output_len);
  x->answered = true;
  if (!regions_pull(x, body + FRAME + state_len + x->workload.output_len)) return is_lost(x, out_signal);
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
  x->looked_us = now_us();
  if (x->frozen || x->standing) return exec_has_exited(x) ? crashed(x, out_signal) : PORT_RUNNING;
  if (x->corrupted) return violated(x, out_signal);
  const size_t want = answer_len(x);
  const int moved = move(x, want);
  if (!plausible(x, TYPE_STEP) || (x->rx_at >= HEADER && load_u32le(answer + 8) != want - HEADER - CRC)) {
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
  x->stands_since_us = now_us();
  return HIL_OK;
}

int exec_resume(hil_exec_t *x) {
  if (!x->pid) return HIL_ERR_STATE;
  if (!x->standing) return HIL_OK;
  exec_detach(x);
  if (!x->frozen && kill(-x->pid, SIGCONT) != 0 && errno != ESRCH) return exec_refused(x, errno);
  x->looked_us = now_us();
  x->stood_us += x->looked_us - x->stands_since_us;
  x->standing = false;
  return HIL_OK;
}
