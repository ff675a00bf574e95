/* The agent as the first process of a machine (an emulated board). SPDX-License-Identifier: Apache-2.0
 *
 * No other program has set up the machine then: the file systems that agent and sensors read are mounted, and drivers put
 * beside the agent are loaded (the watchdog's, without which the kernel cannot restart the board).
 * What fails is left out: a board with less is better than none. */
#include <dirent.h>
#include <fcntl.h>
#include <linux/random.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "port_linux.h"

static void mount_at(const char *type, const char *where) {
  (void)mkdir(where, 0755);
  (void)mount(type, where, type, MS_NOSUID | MS_NOEXEC, NULL);
}

static void load_drivers(const char *folder) {
  DIR *d = opendir(folder);
  const struct dirent *entry;
  while (d && (entry = readdir(d)) != NULL) {
    char path[300];
    if (!strstr(entry->d_name, ".ko")) continue;
    (void)snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) continue;
    (void)syscall(SYS_finit_module, fd, "", 0);
    (void)close(fd);
  }
  if (d) (void)closedir(d);
}

/* Randomness that was put beside the agent: the kernel would take seconds to collect as much. */
static void add_entropy(const char *path) {
  enum { BYTES = 32 };
  int32_t pool[2 + BYTES / 4] = {8 * BYTES, BYTES}; /* as struct rand_pool_info */
  const int from = open(path, O_RDONLY | O_CLOEXEC), to = open("/dev/urandom", O_WRONLY | O_CLOEXEC);
  if (from >= 0 && to >= 0 && read(from, pool + 2, BYTES) == BYTES) {
    (void)ioctl(to, RNDADDENTROPY, pool);
  }
  if (from >= 0) (void)close(from);
  if (to >= 0) (void)close(to);
}

void init_system(void) {
  struct stat s;
  if (getpid() != 1 || stat("/proc/self/exe", &s) == 0) return; /* or it was done before a restart */
  mount_at("proc", "/proc");
  mount_at("sysfs", "/sys");
  mount_at("devtmpfs", "/dev");
  mount_at("devpts", "/dev/pts");
  add_entropy("/seed");
  load_drivers("/drivers");
}
