/* The conversation with a program: its process and pipes, and one message at a time. SPDX-License-Identifier: Apache-2.0
 *
 * Invariants:
 *   1. Of the program's output no byte is believed: length, type and CRC must be the expected ones, and nothing may
 *      stand behind or before.
 *   2. No wait for the program is unbounded. */
#include "exec_talk.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bytes.h"
#include "crc32c.h"

enum {
  LOOK_MS = 50, /* between two looks whether the agent is to end meanwhile */
  END_MS = 200, /* for a program whose output ended to exit */
  TURNS_MAX = 64 /* pieces moved in one poll */
};

static const uint8_t magic[4] = {'H', 'I', 'L', 'X'};

/* One agent per process, so one of each. */
static uint8_t request[TALK_HEADER + TALK_FRAME + EXEC_STATE_MAX + MESSAGE_IO_MAX + TALK_CRC];
static uint8_t answer[TALK_HEADER + TALK_FRAME + EXEC_STATE_MAX + EXEC_OUTPUT_MAX +
                      TALK_DIGEST * EXEC_REGIONS_MAX + TALK_CRC];
uint64_t talk_now_us(void) {
  struct timespec t;
  (void)clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

static void pause_1ms(void) { (void)poll(NULL, 0, 1); }

/* --- start and end ---------------------------------------------------------------------------------- */

uint64_t exec_busy_us(const hil_exec_t *x) {
  if (!x->begun) return x->used_us;
  const uint64_t until_us = x->standing ? x->stands_since_us : x->looked_us;
  return busy_time_us(&x->busy, until_us - x->began_us - x->stood_us);
}

/* Keep how the program ended, and the last of its standard error. |how| EXITED: by its status. */
void talk_note_end(hil_exec_t *x, hil_program_end_t how) {
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

void talk_forget(hil_exec_t *x) {
  close_pipes(x);
  tail_close(&x->err);
  exec_detach(x);
  x->used_us = exec_busy_us(x);
  busy_time_close(&x->busy);
  x->pid = 0;
  x->begun = x->standing = x->frozen = x->fresh = x->ended = x->stops_late = x->answered = false;
}

/* Kill the program with all that it has started. */
void talk_stop(hil_exec_t *x) {
  (void)kill(-x->pid, SIGKILL);
  (void)kill(x->pid, SIGKILL);
  /* one that a driver holds is left to the system */
  for (int i = 0; i < 2000 && !exec_has_exited(x); i++) pause_1ms();
}

bool talk_await_exit(hil_exec_t *x) {
  for (int i = 0; i < END_MS && !exec_has_exited(x); i++) pause_1ms();
  return exec_has_exited(x);
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

int talk_spawn(hil_exec_t *x) {
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

/* CRC-32 as in zlib, PNG and Ethernet. */
uint32_t talk_crc32(const uint8_t *bytes, size_t len) {
  static uint32_t table[8][256];
  if (!table[0][1]) {
    for (uint32_t i = 0; i < 256; i++) {
      uint32_t c = i;
      for (int bit = 0; bit < 8; bit++) c = c >> 1 ^ (c & 1u ? 0xEDB88320u : 0u);
      table[0][i] = c;
    }
    for (int t = 1; t < 8; t++) {
      for (uint32_t i = 0; i < 256; i++) {
        table[t][i] = table[0][table[t - 1][i] & 0xFFu] ^ table[t - 1][i] >> 8;
      }
    }
  }
  uint32_t c = 0xFFFFFFFFu;
  for (; len >= 8; bytes += 8, len -= 8) {
    const uint32_t low = c ^ load_u32le(bytes), high = load_u32le(bytes + 4);
    c = table[7][low & 0xFFu] ^ table[6][low >> 8 & 0xFFu] ^ table[5][low >> 16 & 0xFFu] ^
        table[4][low >> 24] ^ table[3][high & 0xFFu] ^ table[2][high >> 8 & 0xFFu] ^
        table[1][high >> 16 & 0xFFu] ^ table[0][high >> 24];
  }
  while (len--) c = c >> 8 ^ table[0][(c ^ *bytes++) & 0xFFu];
  return ~c;
}

/* Of a message of this version: version 2 has the CRC that programs have without any library. */
static uint32_t message_crc(uint8_t version, const uint8_t *message, size_t len) {
  return version == TALK_VERSION_REGIONS ? talk_crc32(message, len) : hil_crc32c(0, message, len);
}

/* Frame |len| body bytes that stand in place. */
void talk_seal(hil_exec_t *x, uint8_t type, size_t len) {
  const uint8_t version = type == TALK_INIT ? (uint8_t)TALK_VERSION : x->version;
  memcpy(request, magic, sizeof magic);
  request[4] = version;
  request[5] = type;
  request[6] = request[7] = 0;
  store_u32le(request + 8, (uint32_t)len);
  store_u32le(request + TALK_HEADER + len, message_crc(version, request, TALK_HEADER + len));
  x->tx_len = TALK_HEADER + len + TALK_CRC;
  x->tx_at = x->rx_at = 0;
}

/* Whether what has arrived in |answer| so far begins like the expected answer. A program says in its first one
 * which version it speaks. */
bool talk_is_plausible(const hil_exec_t *x, uint8_t type) {
  const bool is_newer = type == TALK_INIT && x->rx_at > 4 && answer[4] == TALK_VERSION_REGIONS;
  const uint8_t version = is_newer ? TALK_VERSION_REGIONS : type == TALK_INIT ? TALK_VERSION : x->version;
  const uint8_t header[8] = {magic[0], magic[1], magic[2], magic[3], version, type, 0, 0};
  return memcmp(answer, header, x->rx_at < sizeof header ? x->rx_at : sizeof header) == 0;
}

bool talk_crc_is_right(size_t len) {
  return load_u32le(answer + len - TALK_CRC) == message_crc(answer[4], answer, len - TALK_CRC);
}

/* Move what can be moved, without waiting; |want| bytes are to come. Returns 0, or -1 if the pipe ended. */
int talk_move(hil_exec_t *x, size_t want) {
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
bool talk_chatters(const hil_exec_t *x) {
  uint8_t byte;
  return read(x->out_fd, &byte, 1) > 0;
}

static uint64_t left_us(const hil_wait_t *wait, uint64_t now) {
  const uint64_t passed = busy_time_us(&wait->busy, now - wait->since_us);
  return passed < wait->patience_us ? wait->patience_us - passed : 0;
}

/* Move until |want| bytes of an answer are there. Returns 0, or an errno. */
int talk_exchange(hil_exec_t *x, uint8_t type, size_t want, const hil_wait_t *wait) {
  for (;;) {
    const int moved = talk_move(x, want);
    if (!talk_is_plausible(x, type)) return EPROTO;
    if (x->rx_at == want) return 0;
    if (moved != 0) {
      return talk_await_exit(x) && WIFEXITED(x->status) && WEXITSTATUS(x->status) == 127 ? ENOEXEC : ECHILD;
    }
    tail_drain(&x->err);
    const uint64_t now = talk_now_us();
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

uint8_t *talk_request(void) { return request + TALK_HEADER; }

const uint8_t *talk_answer(void) { return answer + TALK_HEADER; }

uint32_t talk_answer_len(void) { return load_u32le(answer + 8); }

uint8_t talk_answer_version(void) { return answer[4]; }

void talk_lose(hil_exec_t *x, int error) {
  const bool exited = exec_has_exited(x);
  x->lost = true;
  x->lost_signal = !exited ? (uint8_t)SIGKILL : WIFSIGNALED(x->status) ? (uint8_t)WTERMSIG(x->status) : 0u;
  talk_stop(x);
  talk_note_end(x, exited ? PROGRAM_EXITED : error == ETIMEDOUT ? PROGRAM_SILENT : PROGRAM_VIOLATED);
  talk_forget(x);
}

const uint8_t *talk_ask(hil_exec_t *x, uint8_t type, size_t body_len, size_t want_len) {
  hil_wait_t wait = {talk_now_us(), (uint64_t)EXEC_REGION_MS * 1000u, x->busy};
  busy_time_begin(&wait.busy);
  exec_detach(x);
  int error = talk_chatters(x) ? EPROTO : 0;
  talk_seal(x, type, body_len);
  if (!error) error = talk_exchange(x, type, TALK_HEADER, &wait);
  if (!error && load_u32le(answer + 8) != want_len) error = EPROTO;
  const size_t want = TALK_HEADER + want_len + TALK_CRC;
  if (!error) error = talk_exchange(x, type, want, &wait);
  if (!error && (!talk_crc_is_right(want) || talk_chatters(x))) error = EPROTO;
  if (!error) return answer + TALK_HEADER;
  talk_lose(x, error);
  return NULL;
}
