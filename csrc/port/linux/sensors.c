/* What Linux reports about the machine. SPDX-License-Identifier: Apache-2.0
 *
 * Every value may be missing: then the field keeps the "unknown" that the agent put there. Nothing is
 * guessed: a temperature is the processor's by the name of its sensor, or not reported at all.
 *
 *   temperature  thermal zone of the processor, else its hwmon driver, else the zone nearest to it;
 *                a zone that is switched off fails with EAGAIN, reads as nothing, or as -256 degrees
 *   throttled    Raspberry Pi: mailbox of its firmware (/dev/vcio), else what its kernel driver shows,
 *                else vcgencmd
 *   rails        INA3221 and the like: channels with a name, a voltage and a current. A channel that is
 *                not connected is called "NC"; the seventh is a sum of the shunts' voltages, no rail.
 *                Kernels up to JetPack 4 have them below iio, with file names of their own */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "port_linux.h"
#include "worker_arch.h"

enum {
  PATH_CAP = 256,
  ZONES_MAX = 64,
  HWMON_MAX = 64,
  CHANNELS_MAX = 3,
  IIO_MAX = 32,
  MONITORS_MAX = 8,
  ENTRIES_MAX = 64,
  POLICIES_MAX = 64,
  COLDEST_MC = -100000, /* below, and above the next, no chip runs: such a value stands for "off" */
  HOTTEST_MC = 200000,
  FASTEST_KHZ = 100000000, /* nor do these exist: */
  HIGHEST_MV = 100000,
  LARGEST_MA = 1000000,
  CONF_LINES_MAX = 20000,
  VCGENCMD_MS = 300     /* it takes some 10; the worker waits meanwhile */
};

/* First line of a file, without its newline. Returns its length, or -1. */
static int read_line(const char *root, const char *path, char *out, size_t cap) {
  char full[PATH_CAP];
  const int n = snprintf(full, sizeof full, "%s%s", root, path);
  if (n < 0 || (size_t)n >= sizeof full) return -1;
  const int fd = open(full, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return -1;
  const ssize_t got = read(fd, out, cap - 1u);
  (void)close(fd);
  if (got < 0) return -1;
  out[got] = 0;
  out[strcspn(out, "\n")] = 0;
  return (int)strlen(out);
}

/* Whether the whole line is one number. */
static bool read_number(const char *root, const char *path, int base, long long *out) {
  char line[64], *end;
  if (read_line(root, path, line, sizeof line) <= 0) return false;
  errno = 0;
  *out = strtoll(line, &end, base);
  return end != line && !errno && !end[strspn(end, " \t\r")];
}

static void copy_text(char out[MESSAGE_TEXT_LEN], const char *from) {
  (void)snprintf(out, MESSAGE_TEXT_LEN, "%.31s", from);
}

/* "Key:   123 kB" of /proc/meminfo, in MiB; -1 if it is missing, or no board has as much. */
static long long meminfo_mib(const char *root, const char *key) {
  char full[PATH_CAP], line[128];
  (void)snprintf(full, sizeof full, "%s/proc/meminfo", root);
  FILE *f = fopen(full, "re");
  long long kib = -1;
  if (!f) return kib;
  const size_t len = strlen(key);
  for (int n = 0; n < 200 && kib < 0 && fgets(line, sizeof line, f); n++) {
    if (!strncmp(line, key, len) && line[len] == ':') kib = strtoll(line + len + 1, NULL, 10);
  }
  (void)fclose(f);
  return kib >= 0 && kib / 1024 < UINT32_MAX ? kib / 1024 : -1;
}

/* "Key    : text" of /proc/cpuinfo: where an older Pi kernel shows its model and serial number. Whether
 * there is one. */
static bool cpuinfo_text(const char *root, const char *key, char *out, size_t cap) {
  char full[PATH_CAP], line[256];
  (void)snprintf(full, sizeof full, "%s/proc/cpuinfo", root);
  FILE *f = fopen(full, "re");
  bool found = false;
  if (!f) return false;
  const size_t len = strlen(key);
  for (int n = 0; n < 20000 && !found && fgets(line, sizeof line, f); n++) {
    const char *colon = strchr(line, ':');
    if (strncmp(line, key, len) != 0 || !colon || line[len + strspn(line + len, " \t")] != ':') continue;
    const char *text = colon + 1 + strspn(colon + 1, " \t");
    (void)snprintf(out, cap, "%.*s", (int)strcspn(text, "\n"), text);
    found = out[0] != 0;
  }
  (void)fclose(f);
  return found;
}

/* Whether a serial number is one that firmware writers forgot to fill in: all their boards would look like one. */
static bool placeholder(const char *serial) {
  static const char *const known[] = {"default string",       "to be filled by o.e.m.", "none",
                                      "system serial number", "not specified",          "123456789"};
  if (!serial[strspn(serial, "0")]) return true; /* what ARM's kernel shows if it was given none */
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
    if (strcasecmp(serial, known[i]) == 0) return true;
  }
  return false;
}

void probe_init(hil_probe_t *s, const char *root) { *s = (hil_probe_t){.root = root}; }

void probe_identify(const hil_probe_t *s, hil_hello_t *out) {
  static const char *const models[] = {"/proc/device-tree/model", "/sys/firmware/devicetree/base/model",
                                       "/sys/class/dmi/id/product_name"};
  static const char *const serials[] = {"/proc/device-tree/serial-number",
                                        "/sys/firmware/devicetree/base/serial-number",
                                        "/sys/class/dmi/id/product_serial"};
  char line[128];
  for (size_t i = 0; i < sizeof models / sizeof models[0] && !out->board[0]; i++) {
    if (read_line(s->root, models[i], line, sizeof line) > 0) copy_text(out->board, line);
  }
  for (size_t i = 0; i < sizeof serials / sizeof serials[0] && !out->serial[0]; i++) {
    if (read_line(s->root, serials[i], line, sizeof line) > 0 && !placeholder(line)) {
      copy_text(out->serial, line);
    }
  }
  if (!out->board[0] && cpuinfo_text(s->root, "Model", line, sizeof line)) copy_text(out->board, line);
  if (!out->serial[0] && cpuinfo_text(s->root, "Serial", line, sizeof line) && !placeholder(line)) {
    copy_text(out->serial, line);
  }
  const long cores = sysconf(_SC_NPROCESSORS_ONLN);
  out->cores = (uint16_t)(cores > 0 && cores < 65536 ? cores : 1);
  const long long total_mib = meminfo_mib(s->root, "MemTotal");
  out->memory_mib = total_mib > 0 ? (uint32_t)total_mib : 0;
  (void)snprintf(out->arch, sizeof out->arch, "%s", ARCH_NAME);
  (void)snprintf(out->port, sizeof out->port, "linux");
}

/* --- temperature -------------------------------------------------------------------------------- */

static bool plausible(long long mc) { return mc > COLDEST_MC && mc < HOTTEST_MC; }

/* How near a zone is to the processor's cores, by its name; 0: somewhere else, or not known. */
static int zone_rank(const char *type) {
  static const struct {
    const char *part;
    int rank;
  } known[] = {{"cpu", 4}, /* cpu-thermal (Pi, Orin), CPU-therm (older Jetsons), cpu0-thermal */
               {"x86_pkg", 4}, /* x86_pkg_temp */
               {"tj", 3}, /* Orin: the hottest place of the chip */
               {"soc", 2}, /* soc-thermal; soc0-thermal of an Orin */
               {"bcm2835", 2}, {"acpitz", 1}}; /* where a PC's firmware measures is its secret */
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
    if (strcasestr(type, known[i].part)) return known[i].rank;
  }
  return 0;
}

/* The temperature of the zone nearest to the cores. Returns its rank, 0 if there is none. */
static int zone_temperature(const hil_probe_t *s, long long *out_mc) {
  char path[PATH_CAP], type[64];
  int best = 0, zones = 0;
  bool unnamed = false;
  long long value, unnamed_mc = 0;
  for (int i = 0; i < ZONES_MAX; i++) {
    (void)snprintf(path, sizeof path, "/sys/class/thermal/thermal_zone%d/type", i);
    if (read_line(s->root, path, type, sizeof type) <= 0) continue;
    zones++;
    const int rank = zone_rank(type);
    (void)snprintf(path, sizeof path, "/sys/class/thermal/thermal_zone%d/temp", i);
    if (!read_number(s->root, path, 10, &value) || !plausible(value)) continue;
    if (rank > best) {
      best = rank;
      *out_mc = value;
    } else if (!rank) {
      unnamed = true;
      unnamed_mc = value;
    }
  }
  if (!best && zones == 1 && unnamed) { /* one zone in all: whatever its name, it is the chip's */
    *out_mc = unnamed_mc;
    best = 2;
  }
  return best;
}

static bool hwmon_temperature(const hil_probe_t *s, long long *out_mc) {
  static const char *const drivers[] = {"coretemp", "k10temp", "zenpower", "cpu_thermal"};
  char path[PATH_CAP], name[64];
  for (int h = 0; h < HWMON_MAX; h++) {
    (void)snprintf(path, sizeof path, "/sys/class/hwmon/hwmon%d/name", h);
    if (read_line(s->root, path, name, sizeof name) <= 0) continue;
    for (size_t i = 0; i < sizeof drivers / sizeof drivers[0]; i++) {
      if (strcmp(name, drivers[i]) != 0) continue;
      (void)snprintf(path, sizeof path, "/sys/class/hwmon/hwmon%d/temp1_input", h);
      if (read_number(s->root, path, 10, out_mc) && plausible(*out_mc)) return true;
    }
  }
  return false;
}

static void cpu_temperature(const hil_probe_t *s, hil_health_t *out) {
  long long zone_mc = 0, hwmon_mc = 0;
  const int rank = zone_temperature(s, &zone_mc);
  if (rank < 4 && hwmon_temperature(s, &hwmon_mc)) {
    out->cpu_temp_mc = (int32_t)hwmon_mc;
  } else if (rank) {
    out->cpu_temp_mc = (int32_t)zone_mc;
  }
}

/* --- clock ---------------------------------------------------------------------------------------- */

/* Of core 0, or of the first cluster that reports it: core 0 has no folder of its own on some kernels. */
static void cpu_clock(const hil_probe_t *s, hil_health_t *out) {
  char path[PATH_CAP];
  long long khz;
  bool found = read_number(s->root, "/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq", 10, &khz);
  for (int i = 0; i < POLICIES_MAX && !found; i++) {
    (void)snprintf(path, sizeof path, "/sys/devices/system/cpu/cpufreq/policy%d/scaling_cur_freq", i);
    found = read_number(s->root, path, 10, &khz);
  }
  if (found && khz > 0 && khz < FASTEST_KHZ) out->clock_khz = (uint32_t)khz;
}

/* --- throttling of a Raspberry Pi -------------------------------------------------------------------- */

/* The firmware's property mailbox: one tag, GET_THROTTLED. The value sent with it names the "has
 * occurred" bits to clear: none, they are not ours to forget. */
static bool mailbox_throttled(const hil_probe_t *s, uint32_t *out) {
  enum { TAG_GET_THROTTLED = 0x00030046, REQUEST = 0, WORDS = 7 };
  static const uint32_t answered = 0x80000000u;
  char path[PATH_CAP];
  _Alignas(16) uint32_t message[8] = {WORDS * 4, REQUEST, TAG_GET_THROTTLED, 4, 0, 0, 0};
  (void)snprintf(path, sizeof path, "%s/dev/vcio", s->root);
  const int fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return false;
  const int status = ioctl(fd, (hil_ioctl_request_t)_IOWR(100, 0, char *), message);
  (void)close(fd);
  if (status < 0 || message[1] != answered || message[4] != (answered | 4u)) return false;
  *out = message[5];
  return true;
}

static bool vcgencmd_throttled(hil_probe_t *s, uint32_t *out) {
  char path[PATH_CAP], output[128];
  unsigned value;
  if (s->vcgencmd_failed) return false; /* one that hangs must not cost its time-out every second */
  (void)snprintf(path, sizeof path, "%s/usr/bin/vcgencmd", s->root);
  if (access(path, X_OK) != 0) return false;
  const char *const arguments[] = {path, "get_throttled", NULL};
  if (program_run(path, arguments, VCGENCMD_MS, output, sizeof output) != 0 ||
      sscanf(output, "throttled=%x", &value) != 1) {
    s->vcgencmd_failed = true;
    return false;
  }
  *out = value;
  return true;
}

static void throttling(hil_probe_t *s, hil_health_t *out) {
  static const char *const shown[] = {"/sys/devices/platform/soc/soc:firmware/get_throttled",
                                      "/sys/devices/platform/axi/axi:firmware/get_throttled"};
  long long value;
  if (mailbox_throttled(s, &out->throttled)) return;
  for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++) {
    if (!read_number(s->root, shown[i], 16, &value) || value < 0 || value >= UINT32_MAX) continue;
    out->throttled = (uint32_t)value;
    return;
  }
  (void)vcgencmd_throttled(s, &out->throttled);
}

/* --- rails ------------------------------------------------------------------------------------------ */

static bool within(long long value, long long limit) { return value > -limit && value < limit; }

static bool within_i32(long long value) { return value > INT32_MIN && value <= INT32_MAX; }

/* A name has seven letters. Rails of a TX2 or a Nano would all be "VDD_SYS" or "POM_5V_": of these the
 * first word is left out. */
static void rail_name(char out[8], const char *label) {
  static const char *const same[] = {"VDD_SYS_", "VDD_4V0_", "POM_5V_"};
  size_t skip = 0;
  for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
    if (strlen(label) > 7 && strncmp(label, same[i], strlen(same[i])) == 0) skip = 4;
  }
  (void)snprintf(out, 8, "%.7s", label + skip);
}

/* One channel: files of its name, its voltage [mV] and its current [mA], in |folder|. Whether it has
 * all three. */
static bool read_rail(const hil_probe_t *s, const char *folder, const char *files[3], int channel,
                      hil_rail_t *out) {
  char path[PATH_CAP], file[32], label[64];
  long long value[2];
  const long long limit[2] = {HIGHEST_MV, LARGEST_MA};
  for (int i = 0; i < 3; i++) {
    (void)snprintf(file, sizeof file, files[i], channel);
    const int n = snprintf(path, sizeof path, "%s/%s", folder, file);
    if (n < 0 || (size_t)n >= sizeof path) return false;
    if (i == 0) {
      if (read_line(s->root, path, label, sizeof label) <= 0 || !strcmp(label, "NC") ||
          strstr(label, "sum of shunt")) {
        return false;
      }
    } else if (!read_number(s->root, path, 10, &value[i - 1]) || !within(value[i - 1], limit[i - 1])) {
      return false;
    }
  }
  memset(out, 0, sizeof *out);
  rail_name(out->name, label);
  out->mv = (int32_t)value[0];
  out->ma = (int32_t)value[1];
  return true;
}

/* The channels of one monitor, numbered from |first|. */
static void monitor_rails(const hil_probe_t *s, const char *folder, const char *files[3], int first,
                          hil_health_t *out) {
  for (int n = first; n < first + CHANNELS_MAX && out->rails < MESSAGE_RAILS_MAX; n++) {
    if (read_rail(s, folder, files, n, &out->rail[out->rails])) out->rails++;
  }
}

/* The entry of |folder| that comes next after |after| in the order of names, and begins with |prefix|. Whether
 * there is one. */
static bool next_entry(const char *folder, const char *prefix, const char *after, char *out, size_t cap) {
  DIR *d = opendir(folder);
  bool found = false;
  for (int i = 0; d && i < ENTRIES_MAX; i++) {
    const struct dirent *e = readdir(d);
    if (!e) break;
    if (e->d_name[0] == '.' || strncmp(e->d_name, prefix, strlen(prefix)) != 0) continue;
    if (strlen(e->d_name) >= cap || strcmp(e->d_name, after) <= 0) continue;
    if (found && strcmp(e->d_name, out) >= 0) continue;
    (void)snprintf(out, cap, "%s", e->d_name);
    found = true;
  }
  if (d) (void)closedir(d);
  return found;
}

/* NVIDIA's driver up to JetPack 4: below its devices, by bus and address ("0-0041"), which is the
 * order of the rails. */
static void rails_of_ina3221x(const hil_probe_t *s, const char *files[3], hil_health_t *out) {
  static const char driver[] = "/sys/bus/i2c/drivers/ina3221x";
  char full[PATH_CAP], address[64] = "", next[64], device[64];
  for (int i = 0; i < MONITORS_MAX; i++) {
    (void)snprintf(full, sizeof full, "%s%s", s->root, driver);
    if (!next_entry(full, "", address, next, sizeof next)) return;
    (void)snprintf(address, sizeof address, "%s", next);
    const int n = snprintf(full, sizeof full, "%s%s/%s", s->root, driver, address);
    if (n < 0 || (size_t)n >= sizeof full) return;
    if (!next_entry(full, "iio:device", "", device, sizeof device)) continue;
    (void)snprintf(full, sizeof full, "%s/%s/%s", driver, address, device);
    monitor_rails(s, full, files, 0, out);
  }
}

static void power_rails(const hil_probe_t *s, hil_health_t *out) {
  static const char *hwmon[3] = {"in%d_label", "in%d_input", "curr%d_input"};
  static const char *iio[3] = {"rail_name_%d", "in_voltage%d_input", "in_current%d_input"};
  char folder[PATH_CAP];
  for (int h = 0; h < HWMON_MAX; h++) {
    (void)snprintf(folder, sizeof folder, "/sys/class/hwmon/hwmon%d", h);
    monitor_rails(s, folder, hwmon, 1, out);
  }
  if (!out->rails) rails_of_ina3221x(s, iio, out);
  if (out->rails) return;
  for (int d = 0; d < IIO_MAX; d++) { /* the same devices, below a driver of another name */
    (void)snprintf(folder, sizeof folder, "/sys/bus/iio/devices/iio:device%d", d);
    monitor_rails(s, folder, iio, 0, out);
  }
}

void probe_health(hil_probe_t *s, hil_health_t *out) {
  cpu_temperature(s, out);
  cpu_clock(s, out);
  throttling(s, out);
  power_rails(s, out);
  char line[128];
  if (read_line("", "/proc/self/statm", line, sizeof line) > 0) {
    long long size, resident;
    if (sscanf(line, "%lld %lld", &size, &resident) == 2) {
      out->rss_kib = (uint32_t)(resident * (sysconf(_SC_PAGESIZE) / 1024));
    }
  }
  const long long free_mib = meminfo_mib(s->root, "MemAvailable");
  if (free_mib >= 0) out->free_mib = (uint32_t)free_mib;
}

/* --- what HEALTH has no room for ------------------------------------------------------------------------ */

static void add(hil_sensors_t *out, hil_reading_kind_t kind, const char *name, long long value) {
  if (out->readings == MESSAGE_READINGS_MAX || !within_i32(value)) return;
  hil_reading_t *r = &out->reading[out->readings++];
  r->kind = (uint8_t)kind;
  (void)snprintf(r->name, sizeof r->name, "%.15s", name);
  r->value = (int32_t)value;
}

static void all_temperatures(const hil_probe_t *s, hil_sensors_t *out) {
  char path[PATH_CAP], type[64];
  long long value;
  for (int i = 0; i < ZONES_MAX; i++) {
    (void)snprintf(path, sizeof path, "/sys/class/thermal/thermal_zone%d/type", i);
    if (read_line(s->root, path, type, sizeof type) <= 0) continue;
    (void)snprintf(path, sizeof path, "/sys/class/thermal/thermal_zone%d/temp", i);
    if (!read_number(s->root, path, 10, &value) || !plausible(value)) continue;
    add(out, READING_TEMPERATURE, type, value);
  }
}

/* pwm1 from 0 to 255, fan1_input; a Jetson has its tachometer apart, with a file of its own name. */
static void fans(const hil_probe_t *s, hil_sensors_t *out) {
  static const char *const speeds[] = {"fan1_input", "rpm"};
  char path[PATH_CAP], name[64];
  long long value;
  for (int h = 0; h < HWMON_MAX; h++) {
    (void)snprintf(path, sizeof path, "/sys/class/hwmon/hwmon%d/name", h);
    if (read_line(s->root, path, name, sizeof name) <= 0) continue;
    for (size_t i = 0; i < sizeof speeds / sizeof speeds[0]; i++) {
      (void)snprintf(path, sizeof path, "/sys/class/hwmon/hwmon%d/%s", h, speeds[i]);
      if (read_number(s->root, path, 10, &value)) add(out, READING_FAN_SPEED, name, value);
    }
    (void)snprintf(path, sizeof path, "/sys/class/hwmon/hwmon%d/pwm1", h);
    if (read_number(s->root, path, 10, &value) && value >= 0 && value <= 255) {
      add(out, READING_FAN_DRIVE, name, (value * 1000 + 127) / 255);
    }
  }
}

/* The mode that a Jetson was last set to, without asking nvpmodel: its number, named by the board's own
 * configuration. */
static void power_mode(const hil_probe_t *s, hil_sensors_t *out) {
  char line[256], path[PATH_CAP], name[MESSAGE_TEXT_LEN];
  int now, id;
  if (read_line(s->root, "/var/lib/nvpmodel/status", line, sizeof line) <= 0 ||
      sscanf(line, "pmode:%d", &now) != 1) {
    return;
  }
  const int n = snprintf(path, sizeof path, "%s/etc/nvpmodel.conf", s->root);
  FILE *f = n > 0 && (size_t)n < sizeof path ? fopen(path, "re") : NULL;
  for (int i = 0; f && i < CONF_LINES_MAX && !out->mode[0] && fgets(line, sizeof line, f); i++) {
    if (sscanf(line, " < POWER_MODEL ID = %d NAME = %31[^ \t>\r\n]", &id, name) == 2 && id == now) {
      copy_text(out->mode, name);
    }
  }
  if (f) (void)fclose(f);
}

void probe_all(const hil_probe_t *s, hil_sensors_t *out) {
  power_mode(s, out);
  fans(s, out); /* first: the zones of a big board could take all the room */
  all_temperatures(s, out);
}
