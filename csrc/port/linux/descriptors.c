/* Descriptors of a child. SPDX-License-Identifier: Apache-2.0
 *
 * A child must not keep what its parent has open: a link ends when the last descriptor of it closes. */
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "port_linux.h"

enum { DESCRIPTORS_MAX = 1 << 20 /* Linux's own default bound (fs.nr_open) */ };

void close_descriptors_from(unsigned first) {
#ifdef SYS_close_range
  if (syscall(SYS_close_range, first, ~0u, 0u) == 0) return;
#endif
  struct rlimit limit; /* a kernel before 5.9: one by one, up to the most that could ever be opened */
  const bool known = getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_max < DESCRIPTORS_MAX;
  const unsigned end = known ? (unsigned)limit.rlim_max : (unsigned)DESCRIPTORS_MAX;
  for (unsigned fd = first; fd < end; fd++) (void)close((int)fd);
}
