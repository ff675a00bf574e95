/* What Linux lets an agent limit: cores, clock, power mode. SPDX-License-Identifier: Apache-2.0
 *
 * Nothing is taken for granted: what was set is read back, and what does not hold is refused with the
 * errno of the first failure. Names and numbers of power modes differ between boards and releases, so
 * they come from the board's own configuration.
 *
 * Order: a power mode brings its own clocks, so the clock that was found is restored first, then the
 * mode is changed, the clock found again, and only then capped.
 *
 * Invariants:
 *   1. Clock and mode belong to the whole machine: they are touched at KNOBS_SYSTEM only, and what was
 *      found is restored when a limit is lifted, at RESET and at the agent's end.
 *   2. No program runs for longer than its patience (program.c). */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "port_linux.h"

enum {
  PATH_CAP = 256,
  CONF_LINES_MAX = 20000,
  CHANGE_MODE_MS = 5000, /* it may have to wait for cores to go off line */
  ASK_MODE_MS = 2000
};

static const char cpufreq[] = "/sys/devices/system/cpu/cpufreq";
static const char nvpmodel[] = "/usr/sbin/nvpmodel";
static const char nvpmodel_conf[] = "/etc/nvpmodel.conf";

static void refuse(hil_limited_t *out, hil_limit_bit_t bit, int error) {
  out->refused |= (uint8_t)bit;
  if (!out->detail) out->detail = (uint32_t)error;
}

static int full_path(const hil_knobs_t *k, const char *path, char out[PATH_CAP]) {
  const int n = snprintf(out, PATH_CAP, "%s%s", k->root, path);
  if (n >= 0 && n < PATH_CAP) return 0;
  errno = ENAMETOOLONG;
  return -1;
}

/* --- cores ------------------------------------------------------------------------------------- */

/* The first |cores| of those that the agent itself may use now; all of them for 0. */
static int choose(uint8_t cores, cpu_set_t *out) {
  cpu_set_t mine;
  if (sched_getaffinity(0, sizeof mine, &mine) != 0) return -1;
  CPU_ZERO(out);
  int chosen = 0;
  for (size_t cpu = 0; cpu < CPU_SETSIZE && (!cores || chosen < cores); cpu++) {
    if (!CPU_ISSET(cpu, &mine)) continue;
    CPU_SET(cpu, out);
    chosen++;
  }
  return 0;
}

int knobs_worker(const hil_knobs_t *k, pid_t worker) {
  cpu_set_t set;
  if (!k->cores) return 0;
  return choose(k->cores, &set) == 0 ? sched_setaffinity(worker, sizeof set, &set) : -1;
}

static void limit_cores(hil_knobs_t *k, pid_t worker, uint8_t cores, hil_limited_t *out) {
  cpu_set_t set;
  int error = 0;
  if (cores && k->level < KNOBS_WORKER) {
    error = EPERM;
  } else if (choose(cores, &set) != 0 ||
             (worker && (cores || k->cores) && sched_setaffinity(worker, sizeof set, &set) != 0)) {
    error = errno;
  } else {
    k->cores = cores; /* also of the next worker */
  }
  /* Without a worker: what the next one will get. */
  const bool known = worker ? sched_getaffinity(worker, sizeof set, &set) == 0 : choose(k->cores, &set) == 0;
  const int held = known ? CPU_COUNT(&set) : 0;
  out->cores = (uint8_t)(held < 255 ? held : 255);
  if (!error && cores && (!held || held > cores)) error = EIO;
  if (error) refuse(out, LIMIT_CORES, error);
  if (k->cores) out->means |= MEANS_AFFINITY;
}

/* --- clock ------------------------------------------------------------------------------------- */

static int policy_path(const hil_knobs_t *k, uint16_t policy, const char *file, char out[PATH_CAP]) {
  char path[PATH_CAP];
  (void)snprintf(path, sizeof path, "%s/policy%u/%s", cpufreq, policy, file);
  return full_path(k, path, out);
}

/* [kHz] 0 if there is none. */
static uint32_t read_khz(const hil_knobs_t *k, uint16_t policy, const char *file) {
  char path[PATH_CAP], text[32];
  if (policy_path(k, policy, file, path) != 0) return 0;
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  const ssize_t got = read(fd, text, sizeof text - 1u);
  const int error = errno;
  (void)close(fd);
  errno = error;
  if (got <= 0) return 0;
  text[got] = 0;
  const unsigned long value = strtoul(text, NULL, 10);
  return value < UINT32_MAX ? (uint32_t)value : 0;
}

static int write_khz(const hil_knobs_t *k, uint16_t policy, uint32_t khz) {
  char path[PATH_CAP], text[32];
  if (policy_path(k, policy, "scaling_max_freq", path) != 0) return -1;
  const int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
  if (fd < 0) return -1;
  const int len = snprintf(text, sizeof text, "%u\n", khz);
  const ssize_t put = write(fd, text, (size_t)len);
  const int error = put < 0 ? errno : EIO;
  (void)close(fd);
  errno = error;
  return put == len ? 0 : -1;
}

static void find_policies(hil_knobs_t *k) {
  char path[PATH_CAP];
  k->policies = 0;
  for (uint16_t cpu = 0; cpu < 1024 && k->policies < KNOBS_POLICIES_MAX; cpu++) {
    if (policy_path(k, cpu, "scaling_max_freq", path) != 0) return;
    if (access(path, F_OK) == 0) k->policy[k->policies++].cpu = cpu;
  }
}

static void note_clock(hil_knobs_t *k) {
  for (int i = 0; i < k->policies; i++) {
    k->policy[i].found_khz = read_khz(k, k->policy[i].cpu, "scaling_max_freq");
  }
}

/* Restore the clock that was found. Returns 0, or the first errno. */
static int free_clock(hil_knobs_t *k) {
  int error = 0;
  if (!k->clock_capped) return 0;
  for (int i = 0; i < k->policies; i++) {
    if (write_khz(k, k->policy[i].cpu, k->policy[i].found_khz) != 0 && !error) error = errno;
  }
  if (!error) k->clock_capped = false;
  return error;
}

/* As near to |khz| as each policy allows, never above what was found. Returns 0, or the first errno. */
static int cap_clock(hil_knobs_t *k, uint32_t khz) {
  int error = 0;
  if (!k->clock_capped) note_clock(k);
  k->clock_capped = true;
  for (int i = 0; i < k->policies; i++) {
    const uint32_t lowest = read_khz(k, k->policy[i].cpu, "cpuinfo_min_freq");
    uint32_t want = khz < k->policy[i].found_khz ? khz : k->policy[i].found_khz;
    if (want < lowest) want = lowest;
    if (write_khz(k, k->policy[i].cpu, want) != 0 && !error) error = errno;
  }
  return error;
}

static void limit_clock(hil_knobs_t *k, uint32_t khz, hil_limited_t *out) {
  int error = 0;
  if (k->level == KNOBS_SYSTEM) {
    error = khz ? (k->policies ? cap_clock(k, khz) : ENOENT) : free_clock(k);
  } else if (khz) {
    error = EPERM;
  }
  for (int i = 0; i < k->policies; i++) {
    const uint32_t now_khz = read_khz(k, k->policy[i].cpu, "scaling_max_freq");
    if (now_khz > out->clock_khz) out->clock_khz = now_khz;
  }
  if (!error && khz && (!out->clock_khz || out->clock_khz > khz)) error = ERANGE;
  if (error) refuse(out, LIMIT_CLOCK, error);
  if (k->clock_capped) out->means |= MEANS_CPUFREQ;
}

/* --- power mode of a Jetson ----------------------------------------------------------------------- */

/* The number of a mode, by its name in the board's configuration; -1 and errno if it has none. */
static int mode_id(const hil_knobs_t *k, const char *name) {
  char path[PATH_CAP], line[256], found[MESSAGE_TEXT_LEN];
  int id, result = -1;
  if (full_path(k, nvpmodel_conf, path) != 0) return -1;
  FILE *f = fopen(path, "re");
  if (!f) return -1;
  for (int n = 0; result < 0 && n < CONF_LINES_MAX && fgets(line, sizeof line, f); n++) {
    if (sscanf(line, " < POWER_MODEL ID = %d NAME = %31[^ \t>\r\n]", &id, found) == 2 && id >= 0 &&
        strcmp(found, name) == 0) {
      result = id;
    }
  }
  (void)fclose(f);
  errno = EINVAL;
  return result;
}

/* The name of the mode in force. Returns 0; -1 and errno if the board cannot report it. */
static int mode_now(const hil_knobs_t *k, char out[MESSAGE_TEXT_LEN]) {
  char path[PATH_CAP], report[1024];
  if (full_path(k, nvpmodel, path) != 0 || access(path, X_OK) != 0) return -1;
  const char *const arguments[] = {path, "-q", NULL};
  if (program_run(path, arguments, ASK_MODE_MS, report, sizeof report) != 0) return -1;
  const char *label = strstr(report, "NV Power Mode:");
  errno = EIO;
  return label && sscanf(label, "NV Power Mode: %31[^ \t\r\n]", out) == 1 ? 0 : -1;
}

static int set_mode(const hil_knobs_t *k, const char *name) {
  char path[PATH_CAP], number[16], output[1024];
  if (full_path(k, nvpmodel, path) != 0 || access(path, X_OK) != 0) return -1;
  const int id = mode_id(k, name);
  if (id < 0) return -1;
  (void)snprintf(number, sizeof number, "%d", id);
  const char *const arguments[] = {path, "-m", number, NULL};
  return program_run(path, arguments, CHANGE_MODE_MS, output, sizeof output);
}

/* Returns 0, or an errno. */
static int change_mode(hil_knobs_t *k, const char *wanted, const char *now) {
  if (strcmp(wanted, now) == 0) return 0;
  const int error = free_clock(k);
  if (error) return error;
  if (set_mode(k, wanted) != 0) return errno;
  k->mode_changed = strcmp(wanted, k->found_mode) != 0;
  return 0;
}

static void limit_mode(hil_knobs_t *k, const char *mode, hil_limited_t *out) {
  if (k->level < KNOBS_SYSTEM) {
    if (mode[0]) refuse(out, LIMIT_MODE, EPERM);
    return;
  }
  if (mode_now(k, out->mode) != 0) {
    if (mode[0] || k->mode_changed) refuse(out, LIMIT_MODE, errno);
    return;
  }
  if (!k->mode_changed) memcpy(k->found_mode, out->mode, sizeof k->found_mode);
  const char *const wanted = mode[0] ? mode : k->found_mode;
  int error = change_mode(k, wanted, out->mode);
  if (strcmp(wanted, out->mode) != 0) { /* was it really changed? Some modes want a reboot */
    memset(out->mode, 0, sizeof out->mode);
    if (mode_now(k, out->mode) != 0 && !error) error = errno;
    if (strcmp(wanted, out->mode) != 0 && !error) error = EIO;
  }
  if (error) refuse(out, LIMIT_MODE, error);
  if (k->mode_changed) out->means |= MEANS_NVPMODEL;
}

/* --- all of them ------------------------------------------------------------------------------------ */

void knobs_init(hil_knobs_t *k, const char *root, hil_knobs_level_t level) {
  memset(k, 0, sizeof *k);
  k->root = root;
  k->level = level;
  find_policies(k);
}

void knobs_limit(hil_knobs_t *k, pid_t worker, const hil_limits_t *limits, hil_limited_t *out) {
  limit_mode(k, limits->mode, out);
  limit_cores(k, worker, limits->cores, out);
  limit_clock(k, limits->clock_khz, out);
}

void knobs_lift(hil_knobs_t *k) {
  k->cores = 0;
  (void)free_clock(k);
  if (k->mode_changed && set_mode(k, k->found_mode) == 0) k->mode_changed = false;
}
