/* Memory that a sealed worker cannot write. SPDX-License-Identifier: Apache-2.0
 *
 * A worker is a clone of the agent and has a copy of all its data. What an experiment wrote there would be
 * found by the next one. So a sealed worker makes these pages read-only: no step has any business there. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#if defined(__has_include)
#if __has_include(<sys/rseq.h>)
#include <sys/rseq.h>
#endif
#endif

#include "port_linux.h"

enum { RANGES_MAX = 64, MAPS_MAX = 1 << 15 /* [byte] */ };

typedef struct {
  uintptr_t begin;
  size_t len;
} hil_seal_range_t;

static hil_seal_range_t ranges[RANGES_MAX];
static int count;

/* Take the line of one mapping. False if there are too many. */
static bool take(const char *line, uintptr_t arena, size_t arena_len) {
  uint64_t begin, end;
  char may[5];
  if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s", &begin, &end, may) != 3 || may[1] != 'w') return true;
  if ((uintptr_t)begin >= arena && (uintptr_t)begin < arena + arena_len) return true;
  if (count == RANGES_MAX) return false;
  ranges[count++] = (hil_seal_range_t){(uintptr_t)begin, (size_t)(end - begin)};
  return true;
}

/* All of a file as a text, or false. */
static bool read_text(const char *path, char *out, size_t cap) {
  size_t len = 0;
  ssize_t got = 0;
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  while (len + 1u < cap && (got = read(fd, out + len, cap - 1u - len)) > 0) len += (size_t)got;
  (void)close(fd);
  out[len] = 0;
  return got == 0;
}

bool seal_find(const uint8_t *arena, size_t arena_len) {
  static char maps[MAPS_MAX];
  count = 0;
  errno = ENOMEM; /* unless the system says another reason */
  if (!read_text("/proc/self/maps", maps, sizeof maps)) return false;
  for (const char *line = maps; line && *line; line = strchr(line, '\n')) {
    if (*line == '\n') line++;
    if (*line && !take(line, (uintptr_t)arena, arena_len)) return false;
  }
  return true;
}

/* The system writes into the data of a thread that has registered a restartable sequence, as the C library
 * does, whenever it runs on another core: that must end before this data cannot be written. It ends only for
 * the length that was registered, which the C library does not say. */
static bool leave_rseq(void) {
#if defined(RSEQ_SIG)
  enum { SHORTEST = 32, LONGEST = 512, STEP = 4 }; /* [byte] the first by every C library so far */
  if (!__rseq_size) return true;
  char *area = (char *)__builtin_thread_pointer() + __rseq_offset;
  for (unsigned len = SHORTEST; len <= LONGEST; len += STEP) {
    if (syscall(SYS_rseq, area, len, RSEQ_FLAG_UNREGISTER, RSEQ_SIG) == 0) return true;
  }
  return false;
#else
  return true;
#endif
}

bool seal_data(void) {
  if (!leave_rseq()) return false;
  for (int i = 0; i < count; i++) {
    if (mprotect((void *)ranges[i].begin, ranges[i].len, PROT_READ) != 0) return false;
  }
  return true;
}
