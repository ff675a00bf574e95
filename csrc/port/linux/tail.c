/* The last of what a program writes on standard error. SPDX-License-Identifier: Apache-2.0
 *
 * The pipe is emptied whenever the agent looks, so that a program never waits for its own messages; what is
 * older than the last bytes that fit is dropped.
 *
 * Invariants:
 *   1. ring[i % TAIL_MAX] is the byte number i of the stream, for the last min(total, TAIL_MAX) bytes.
 *   2. One look takes a bounded time, however fast the program writes. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "port_linux.h"

enum {
  READS_MAX = 64, /* in one look: more than a pipe holds */
  READ_LEN = 2048 /* [byte] */
};

static void keep(hil_tail_t *t, const uint8_t *bytes, size_t len) {
  for (size_t i = 0; i < len; i++) t->ring[(t->total + i) % TAIL_MAX] = bytes[i];
  t->total += len;
}

void tail_begin(hil_tail_t *t, int fd) {
  (void)fcntl(fd, F_SETFL, O_NONBLOCK);
  t->fd = fd;
  t->total = 0;
}

void tail_drain(hil_tail_t *t) {
  uint8_t bytes[READ_LEN];
  for (int i = 0; i < READS_MAX && t->fd >= 0; i++) {
    const ssize_t got = read(t->fd, bytes, sizeof bytes);
    if (got > 0) {
      keep(t, bytes, (size_t)got);
    } else if (got < 0 && errno == EINTR) {
      continue;
    } else if (got < 0 && errno == EAGAIN) {
      return;
    } else {
      tail_close(t); /* nobody writes any more */
    }
  }
}

void tail_close(hil_tail_t *t) {
  if (t->fd >= 0) (void)close(t->fd);
  t->fd = -1;
}

size_t tail_copy(const hil_tail_t *t, uint8_t out[TAIL_MAX]) {
  const size_t len = t->total < TAIL_MAX ? (size_t)t->total : TAIL_MAX;
  for (size_t i = 0; i < len; i++) out[i] = t->ring[(t->total - len + i) % TAIL_MAX];
  return len;
}
