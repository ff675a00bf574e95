/* How long a program has been busy. SPDX-License-Identifier: Apache-2.0
 *
 * A program may work elsewhere (a GPU), or sleep: its CPU time shows neither, and the clock counts. But while
 * it is ready to run and another program has the processor, it cannot work, and that is not its fault.
 * The system counts this waiting of a thread (schedstat, proc(5)) when the wait ends; of a wait that has not ended,
 * only the state 'R' is seen, and then the CPU time of the program is an upper bound of its work.
 *
 * Only the program's first thread is looked at. Where the system has no schedstat, the clock alone counts. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "port_linux.h"

enum { SOON_US = 1000 }; /* busy for less: a wait that has not ended is not looked for */

static uint64_t cpu_us(pid_t pid) {
  clockid_t id;
  struct timespec t;
  if (clock_getcpuclockid(pid, &id) != 0 || clock_gettime(id, &t) != 0) return 0;
  return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

/* The time that the program has waited for a processor; |otherwise| where that cannot be read. */
static uint64_t waited_us(const hil_busy_time_t *b, uint64_t otherwise) {
  char text[96];
  const ssize_t got = b->schedstat_fd < 0 ? -1 : pread(b->schedstat_fd, text, sizeof text - 1u, 0);
  if (got <= 0) return otherwise;
  text[got] = 0;
  const char *second = strchr(text, ' '); /* after the time that it ran; both in ns */
  return second ? strtoull(second, NULL, 10) / 1000u : otherwise;
}

char busy_time_state(pid_t pid) {
  char path[32], text[256];
  (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  const ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof text - 1u);
  if (fd >= 0) (void)close(fd);
  if (got <= 0) return 0;
  text[got] = 0;
  const char *end = strrchr(text, ')');
  if (!end || end[1] != ' ') return 0;
  return end[2];
}

void busy_time_open(hil_busy_time_t *b, pid_t pid) {
  char path[40];
  (void)snprintf(path, sizeof path, "/proc/%d/schedstat", (int)pid);
  *b = (hil_busy_time_t){.schedstat_fd = open(path, O_RDONLY | O_CLOEXEC), .pid = pid};
}

void busy_time_close(hil_busy_time_t *b) {
  if (b->schedstat_fd >= 0) (void)close(b->schedstat_fd);
  b->schedstat_fd = -1;
}

void busy_time_begin(hil_busy_time_t *b) {
  b->waited_us = waited_us(b, 0);
  b->cpu_us = cpu_us(b->pid);
}

uint64_t busy_time_us(const hil_busy_time_t *b, uint64_t passed_us) {
  const uint64_t waited = waited_us(b, b->waited_us) - b->waited_us;
  const uint64_t busy = waited < passed_us ? passed_us - waited : 0;
  if (busy < SOON_US || b->schedstat_fd < 0 || busy_time_state(b->pid) != 'R') return busy;
  const uint64_t ran = cpu_us(b->pid) - b->cpu_us;
  return ran < busy ? ran : busy;
}
