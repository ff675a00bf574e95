/* What Linux tells about the machine. SPDX-License-Identifier: Apache-2.0
 *
 * Every value may be missing: then the field keeps the "unknown" that the agent put there. Nothing is
 * guessed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "port_linux.h"
#include "worker_arch.h"

enum { PATH_CAP = 256, ZONES_MAX = 32, HWMON_MAX = 32 };

/* First line of a file, without its newline. Returns its length, or -1. */
static int read_line(const char *root, const char *path, char *out, size_t cap) {
  char full[PATH_CAP];
  const int n = snprintf(full, sizeof full, "%s%s", root, path);
  if (n < 0 || (size_t)n >= sizeof full) return -1;
  FILE *f = fopen(full, "re");
  if (!f) return -1;
  const size_t got = fread(out, 1, cap - 1u, f);
  (void)fclose(f);
  out[got] = 0;
  out[strcspn(out, "\n")] = 0;
  return (int)strlen(out);
}

static int read_number(const char *root, const char *path, int base, long long *out) {
  char line[64], *end;
  if (read_line(root, path, line, sizeof line) <= 0) return 0;
  *out = strtoll(line, &end, base);
  return end != line;
}

static void copy_text(char out[MESSAGE_TEXT_LEN], const char *from) {
  (void)snprintf(out, MESSAGE_TEXT_LEN, "%.31s", from);
}

/* "Key:   123 kB" of /proc/meminfo, in KiB. */
static long long meminfo_kib(const char *root, const char *key) {
  char full[PATH_CAP], line[128];
  (void)snprintf(full, sizeof full, "%s/proc/meminfo", root);
  FILE *f = fopen(full, "re");
  long long value = -1;
  if (!f) return value;
  const size_t len = strlen(key);
  while (value < 0 && fgets(line, sizeof line, f)) {
    if (!strncmp(line, key, len) && line[len] == ':') value = atoll(line + len + 1);
  }
  (void)fclose(f);
  return value;
}

void sensors_identify(const char *root, hello_t *out) {
  char line[128];
  if (read_line(root, "/proc/device-tree/model", line, sizeof line) > 0 ||
      read_line(root, "/sys/class/dmi/id/product_name", line, sizeof line) > 0) {
    copy_text(out->board, line);
  }
  if (read_line(root, "/proc/device-tree/serial-number", line, sizeof line) > 0) {
    copy_text(out->serial, line);
  }
  const long cores = sysconf(_SC_NPROCESSORS_ONLN);
  out->cores = (uint16_t)(cores > 0 && cores < 65536 ? cores : 1);
  const long long total = meminfo_kib(root, "MemTotal");
  out->memory_mib = total > 0 ? (uint32_t)(total / 1024) : 0;
  (void)snprintf(out->arch, sizeof out->arch, "%s", ARCH_NAME);
  (void)snprintf(out->port, sizeof out->port, "linux");
}

/* The processor's thermal zone by its name, else the first one. */
static void cpu_temperature(const char *root, health_t *out) {
  char path[PATH_CAP], type[64];
  long long value;
  int found = 0;
  for (int i = 0; i < ZONES_MAX && found < 2; i++) {
    (void)snprintf(path, sizeof path, "/sys/class/thermal/thermal_zone%d/temp", i);
    if (!read_number(root, path, 10, &value)) continue;
    (void)snprintf(path, sizeof path, "/sys/class/thermal/thermal_zone%d/type", i);
    const int named = read_line(root, path, type, sizeof type) > 0 &&
                      (strstr(type, "cpu") || strstr(type, "CPU") || strstr(type, "x86_pkg"));
    if (named || !found) out->cpu_temp_mc = (int32_t)value;
    found = named ? 2 : 1;
  }
}

/* INA3221-style monitors: inN_label, inN_input [mV], currN_input [mA]. */
static void power_rails(const char *root, health_t *out) {
  char path[PATH_CAP], label[64];
  for (int h = 0; h < HWMON_MAX; h++) {
    for (int n = 1; n <= 3 && out->rails < MESSAGE_RAILS_MAX; n++) {
      long long mv, ma;
      (void)snprintf(path, sizeof path, "/sys/class/hwmon/hwmon%d/curr%d_input", h, n);
      if (!read_number(root, path, 10, &ma)) continue;
      (void)snprintf(path, sizeof path, "/sys/class/hwmon/hwmon%d/in%d_input", h, n);
      if (!read_number(root, path, 10, &mv)) continue;
      (void)snprintf(path, sizeof path, "/sys/class/hwmon/hwmon%d/in%d_label", h, n);
      if (read_line(root, path, label, sizeof label) <= 0) continue;
      rail_t *rail = &out->rail[out->rails++];
      (void)snprintf(rail->name, sizeof rail->name, "%.7s", label);
      rail->mv = (int32_t)mv;
      rail->ma = (int32_t)ma;
    }
  }
}

void sensors_health(const char *root, health_t *out) {
  long long value;
  cpu_temperature(root, out);
  power_rails(root, out);
  if (read_number(root, "/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq", 10, &value)) {
    out->clock_khz = (uint32_t)value;
  }
  if (read_number(root, "/sys/devices/platform/soc/soc:firmware/get_throttled", 16, &value)) {
    out->throttled = (uint32_t)value;
  }
  char line[128];
  if (read_line("", "/proc/self/statm", line, sizeof line) > 0) {
    long long size, resident;
    if (sscanf(line, "%lld %lld", &size, &resident) == 2) {
      out->rss_kib = (uint32_t)(resident * (sysconf(_SC_PAGESIZE) / 1024));
    }
  }
  value = meminfo_kib(root, "MemAvailable");
  if (value >= 0) out->free_mib = (uint32_t)(value / 1024);
}
