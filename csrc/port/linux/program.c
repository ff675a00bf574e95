/* Programs that the agent starts: never by a shell, never without a bound. SPDX-License-Identifier: Apache-2.0
 *
 * Invariants:
 *   1. None gets a descriptor of the agent's but those that it was given: the link stays the agent's.
 *   2. Each leads a process group, so that it is ended with all that it started (and did not hide). */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "port_linux.h"

enum { POLL_MS = 20 };

static uint64_t now_ms(void) {
  struct timespec t;
  (void)clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000u + (uint64_t)t.tv_nsec / 1000000u;
}

/* Say why it cannot be executed, where whoever waits for the program reads it. */
static void say_why(const char *path, int error) {
  static const char before[] = "hil-agent: cannot execute ", between[] = ": ", end[] = "\n";
  const char *const why = strerror(error);
  const struct iovec parts[] = {{(void *)(uintptr_t)before, sizeof before - 1u},
                                {(void *)(uintptr_t)path, strlen(path)},
                                {(void *)(uintptr_t)between, sizeof between - 1u},
                                {(void *)(uintptr_t)why, strlen(why)},
                                {(void *)(uintptr_t)end, sizeof end - 1u}};
  const ssize_t put = writev(STDERR_FILENO, parts, sizeof parts / sizeof parts[0]);
  (void)put;
}

void program_become(const char *path, const char *const *arguments, const int fds[3], pid_t agent) {
  sigset_t none;
  const int nothing = open("/dev/null", O_RDWR);
  static const int restored[] = {SIGCHLD, SIGPIPE, SIGTERM, SIGINT, SIGHUP, SIGCONT};
  for (size_t i = 0; i < sizeof restored / sizeof restored[0]; i++) {
    (void)signal(restored[i], SIG_DFL);
  }
  sigemptyset(&none);
  (void)sigprocmask(SIG_SETMASK, &none, NULL);
  (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != agent) _exit(127); /* it ended before it could be noticed */
  if (nothing < 0) _exit(127); /* it must never read from the link */
  (void)setpgid(0, 0);
  /* Out of the way first: any of them may be 0, 1 or 2 if the agent was started with these closed. */
  int safe[3];
  for (int i = 0; i < 3; i++) {
    safe[i] = fcntl(fds[i] < 0 ? nothing : fds[i], F_DUPFD, 3);
    if (safe[i] < 0) _exit(127);
  }
  for (int i = 0; i < 3; i++) (void)dup2(safe[i], i);
  close_descriptors_from(3);
  (void)execv(path, (char *const *)(uintptr_t)arguments);
  say_why(path, errno);
  _exit(127);
}

int program_run(const char *path, const char *const *arguments, int patience_ms, char *out_text, size_t cap) {
  int fds[2];
  size_t len = 0;
  out_text[0] = 0;
  if (pipe(fds) != 0) return -1;
  (void)fcntl(fds[0], F_SETFL, O_NONBLOCK);
  const uint64_t end_ms = now_ms() + (uint64_t)patience_ms;
  const pid_t agent = getpid(), pid = fork();
  if (pid == 0) program_become(path, arguments, (const int[3]){-1, fds[1], -1}, agent); /* no input */
  const int fork_error = errno;
  (void)close(fds[1]);
  int status = 0, remaining_ms = patience_ms;
  bool ended = pid < 0;
  while (!ended && remaining_ms > 0) {
    struct pollfd wait = {fds[0], POLLIN, 0};
    (void)poll(&wait, 1, remaining_ms < POLL_MS ? remaining_ms : POLL_MS);
    ended = waitpid(pid, &status, WNOHANG) == pid; /* before reading: then all of its output is there */
    char part[256];
    ssize_t got;
    for (int i = 0; i < 64 && (got = read(fds[0], part, sizeof part)) > 0; i++) {
      const size_t room = cap - 1u - len, take = (size_t)got < room ? (size_t)got : room;
      memcpy(out_text + len, part, take);
      len += take;
    }
    const uint64_t now = now_ms();
    remaining_ms = now < end_ms ? (int)(end_ms - now) : 0;
  }
  out_text[len] = 0;
  (void)close(fds[0]);
  if (pid < 0) {
    errno = fork_error;
    return -1;
  }
  if (!ended) {
    (void)kill(-pid, SIGKILL);
    (void)kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    errno = ETIMEDOUT;
    return -1;
  }
  errno = EIO;
  return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}
