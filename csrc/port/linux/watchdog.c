/* The board's hardware watchdog. SPDX-License-Identifier: Apache-2.0
 *
 * It is kicked by the main loop, by the bounded wait for a program that starts (exec.c), and by nothing else: if
 * the agent hangs, is stopped or is killed, the board resets. Only an orderly end disarms it ("magic close"), where the driver allows that at all.
 * A RESET leaves it running: if the agent does not come up again, the board does.
 *
 * Interface: Documentation/watchdog/watchdog-api.rst of the kernel. */
#include <errno.h>
#include <fcntl.h>
#include <linux/watchdog.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "port_linux.h"

enum { KICKS_PER_TIMEOUT = 4, SECONDS_MAX = 65535 };

/* The driver ignores what is written, except for this one letter. */
static const char kick[] = "k", disarm[] = "V";

int watchdog_parse(hil_watchdog_t *w, const char *spec) {
  *w = (hil_watchdog_t){.fd = -1, .seconds = WATCHDOG_DEFAULT_S};
  const char *colon = strrchr(spec, ':');
  size_t len = strlen(spec);
  if (colon && colon[1] && strspn(colon + 1, "0123456789") == strlen(colon + 1)) {
    const unsigned long seconds = strtoul(colon + 1, NULL, 10);
    if (seconds < 1 || seconds > SECONDS_MAX) return -1;
    w->seconds = (int)seconds;
    len = (size_t)(colon - spec);
  }
  if (spec[0] != '/' || len >= sizeof w->path) return -1;
  memcpy(w->path, spec, len);
  return 0;
}

void watchdog_open(hil_watchdog_t *w) {
  if (!w->path[0]) return;
  w->fd = open(w->path, O_WRONLY | O_CLOEXEC | O_NONBLOCK);
  if (w->fd < 0) {
    (void)fprintf(stderr, "hil-agent: no watchdog: %s: %s%s\n", w->path, strerror(errno),
                  errno == EBUSY ? " (another program kicks it; systemd's RuntimeWatchdogSec?)" : "");
    return;
  }
  int seconds = w->seconds;
  if (ioctl(w->fd, (hil_ioctl_request_t)WDIOC_SETTIMEOUT, &seconds) != 0) {
    (void)fprintf(stderr, "hil-agent: watchdog %s takes no time-out of %d s: %s\n", w->path, w->seconds,
                  strerror(errno));
    seconds = w->seconds;
    if (ioctl(w->fd, (hil_ioctl_request_t)WDIOC_GETTIMEOUT, &seconds) != 0) seconds = w->seconds;
  }
  if (seconds < 1) seconds = 1;
  if (seconds != w->seconds) {
    (void)fprintf(stderr, "hil-agent: watchdog %s: its time-out is %d s\n", w->path, seconds);
  }
  w->period_us = (uint64_t)seconds * 1000000u / KICKS_PER_TIMEOUT;
  w->next_us = 0;
}

uint32_t watchdog_kick(hil_watchdog_t *w, uint64_t now_us) {
  if (w->fd < 0) return UINT32_MAX;
  if (now_us >= w->next_us) {
    w->next_us = now_us + w->period_us;
    const ssize_t put = write(w->fd, kick, 1);
    if (put != 1 && !w->complained) {
      w->complained = true;
      (void)fprintf(stderr, "hil-agent: watchdog %s cannot be kicked: %s\n", w->path,
                    put < 0 ? strerror(errno) : "nothing was written");
    }
  }
  return (uint32_t)(w->next_us - now_us < UINT32_MAX ? w->next_us - now_us : UINT32_MAX - 1u);
}

void watchdog_close(hil_watchdog_t *w) {
  if (w->fd < 0) return;
  if (write(w->fd, disarm, 1) != 1) {
    (void)fprintf(stderr, "hil-agent: watchdog %s cannot be disarmed: %s\n", w->path, strerror(errno));
  }
  (void)close(w->fd);
  w->fd = -1;
}
