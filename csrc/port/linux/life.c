/* What this agent ends with, and what ends with it. SPDX-License-Identifier: Apache-2.0
 *
 * Ends with it: all that its programs have started, also what has left their process group or was started by
 * one that ended. Such processes become children of the agent, and are ended with their program. If the agent
 * itself is killed, its own parent has to do that (hil does).
 *
 * Invariants:
 *   1. An agent that follows a parent ends soon after it, also if it was stopped, or the parent ended before
 *      it could be watched.
 *   2. The status of |worker| and |program| is never taken here: their starter waits for it. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "port_linux.h"

enum { ROUNDS_MAX = 500, REAPED_MAX = 64 };

static pid_t parent; /* 0: none is followed */
static bool orphan; /* it had ended before it could be followed */

void life_follow(pid_t starter) {
  parent = getppid();
  orphan = starter && starter != parent && kill(starter, 0) != 0 && errno == ESRCH;
  /* The system sends it when the thread ends that started us, and again when its process does: it wakes a
   * stopped agent, and one that waits, and does nothing else. */
  (void)prctl(PR_SET_PDEATHSIG, SIGCONT);
}

pid_t life_parent(void) { return parent; }

bool life_is_orphan(void) { return orphan || (parent && getppid() != parent); }

bool life_is_over(void) {
  sigset_t pending;
  if (life_is_orphan()) return true;
  return sigpending(&pending) == 0 &&
         (sigismember(&pending, SIGTERM) == 1 || sigismember(&pending, SIGINT) == 1 ||
          sigismember(&pending, SIGHUP) == 1);
}

void life_adopt(void) { (void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); }

void life_reap(pid_t worker, pid_t program) {
  for (int i = 0; i < REAPED_MAX; i++) {
    siginfo_t ended = {0};
    if (waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) != 0 || !ended.si_pid) return;
    if (ended.si_pid == worker || ended.si_pid == program) return;
    (void)waitpid(ended.si_pid, NULL, WNOHANG);
  }
}

/* The parent of a process; 0 if it cannot be read. */
static long parent_of(const char *name) {
  char path[300], text[512];
  long parent_pid = 0;
  (void)snprintf(path, sizeof path, "/proc/%s/stat", name);
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  const ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof text - 1u);
  if (fd >= 0) (void)close(fd);
  if (got <= 0) return 0;
  text[got] = 0;
  const char *end = strrchr(text, ')'); /* a name may also have brackets */
  return end && sscanf(end, ") %*c %ld", &parent_pid) == 1 ? parent_pid : 0;
}

static int kill_children(void) {
  DIR *d = opendir("/proc");
  const struct dirent *entry;
  int count = 0;
  while (d && (entry = readdir(d)) != NULL) {
    const pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
    if (pid <= 0 || parent_of(entry->d_name) != getpid()) continue;
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, WNOHANG | __WALL);
    count++;
  }
  if (d) (void)closedir(d);
  return count;
}

void life_end_children(void) {
  const struct timespec ms = {0, 1000000};
  /* their children are then ours: again */
  for (int i = 0; i < ROUNDS_MAX && kill_children(); i++) (void)nanosleep(&ms, NULL);
}
