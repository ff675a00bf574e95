/* hil-agent: the program on the board. SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "port_linux.h"
#include "version.h"
#include "worker_arch.h"

enum { EXIT_USAGE = 2, EXIT_ENVIRONMENT = 3, REOPEN_MS = 200 };

/* One agent per process: the port's context. */
typedef struct {
  hil_agent_t agent;
  hil_tty_t tty;
  hil_worker_t worker;
  hil_exec_list_t programs;
  hil_exec_t exec;
  int is_exec; /* the loaded workload is a program */
  hil_knobs_t knobs;
  hil_probe_t sensors;
  hil_watchdog_t watchdog;
  const char *port_spec;
  const char *sys_root;
  char **argv;
} hil_board_t;

static hil_board_t board;
static uint64_t checkpoint_words[AGENT_CHECKPOINT_WORDS];
static uint8_t checkpoint_checks[AGENT_CHECKPOINT_WORDS];

static uint64_t now_us(void *context) {
  (void)context;
  struct timespec t;
  (void)clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

static size_t tx(void *context, const uint8_t *bytes, size_t len) {
  return tty_write(&((hil_board_t *)context)->tty, bytes, len);
}

static pid_t worker_pid(const hil_board_t *b) { return b->is_exec ? b->exec.pid : b->worker.pid; }

static void kill_worker(void *context) {
  hil_board_t *b = context;
  exec_kill(&b->exec);
  worker_kill(&b->worker);
  if (b->programs.count) life_end_children();
}

static int find(void *context, const char *name, uint64_t seed, const hil_workload_t **out) {
  hil_board_t *b = context;
  const size_t prefix = strlen(EXEC_PREFIX);
  if (strncmp(name, EXEC_PREFIX, prefix) != 0) return HIL_ERR_NOSYS;
  kill_worker(b);
  b->is_exec = 1; /* whose error is asked for if it fails */
  return exec_find(&b->exec, &b->programs, name + prefix, seed, out);
}

static int load(void *context, const hil_workload_t *workload, hil_port_memory_t *out) {
  hil_board_t *b = context;
  b->is_exec = workload == &b->exec.workload;
  if (!b->is_exec) exec_kill(&b->exec);
  const int status = worker_load(&b->worker, workload, out);
  if (b->is_exec) b->exec.memory = *out;
  if (b->is_exec && status != HIL_OK) b->exec.last_errno = b->worker.last_errno;
  return status;
}

static int start(void *context) {
  hil_board_t *b = context;
  const int status = b->is_exec ? exec_start(&b->exec) : worker_start(&b->worker);
  if (status == HIL_OK) (void)knobs_worker(&b->knobs, worker_pid(b)); /* the next LIMIT reads it back */
  return status;
}

static int step(void *context) {
  hil_board_t *b = context;
  return b->is_exec ? exec_step(&b->exec, b->agent.step.frame) : worker_step(&b->worker);
}

static hil_port_event_t poll_worker(void *context, uint8_t *out_signal) {
  hil_board_t *b = context;
  return b->is_exec ? exec_poll(&b->exec, &b->agent, out_signal)
                    : worker_poll(&b->worker, &b->agent, out_signal);
}

static int interrupt(void *context) {
  hil_board_t *b = context;
  return b->is_exec ? exec_interrupt(&b->exec) : worker_interrupt(&b->worker);
}

static int resume(void *context) {
  hil_board_t *b = context;
  return b->is_exec ? exec_resume(&b->exec) : worker_resume(&b->worker);
}

static int advance(void *context, uint32_t steps, uint32_t *out_taken) {
  hil_board_t *b = context;
  *out_taken = 0;
  return b->is_exec ? HIL_ERR_NOSYS : worker_advance(&b->worker, steps, out_taken);
}

static uint64_t cpu_us(void *context) {
  hil_board_t *b = context;
  return b->is_exec ? exec_busy_us(&b->exec) : worker_cpu_us(&b->worker);
}

static int target_len(void *context, hil_target_t target, uint64_t *out_len) {
  hil_board_t *b = context;
  return b->is_exec ? exec_target_len(&b->exec, target, out_len)
                    : worker_target_len(&b->worker, target, out_len);
}

static int target_read(void *context, hil_target_t target, uint64_t offset, uint8_t *out, size_t len) {
  hil_board_t *b = context;
  return b->is_exec ? exec_read(&b->exec, target, offset, out, len)
                    : worker_target_read(&b->worker, target, offset, out, len);
}

static int target_write(void *context, hil_target_t target, uint64_t offset, const uint8_t *bytes,
                        size_t len) {
  hil_board_t *b = context;
  return b->is_exec ? exec_write(&b->exec, target, offset, bytes, len)
                    : worker_target_write(&b->worker, target, offset, bytes, len);
}

static int sefi(void *context, hil_sefi_t kind, uint8_t before[16], uint8_t after[16], uint8_t *out_len) {
  hil_board_t *b = context;
  return b->is_exec ? exec_sefi(&b->exec, kind, before, after, out_len)
                    : worker_sefi(&b->worker, kind, before, after, out_len);
}

static uint64_t pc_offset(void *context) {
  hil_board_t *b = context;
  return b->is_exec ? UINT64_MAX : inject_pc_offset(&b->worker);
}

static void limit(void *context, const hil_limits_t *limits, hil_limited_t *out) {
  hil_board_t *b = context;
  knobs_limit(&b->knobs, worker_pid(b), limits, out);
}

/* The report of an upset that may be why the agent starts anew, over to its next life and back. */
static void keep_memory_hit(const hil_agent_t *agent) {
  hil_report_t hit;
  uint8_t bytes[WIRE_PAYLOAD_MAX];
  char text[2 * WIRE_PAYLOAD_MAX + 1] = "";
  size_t len;
  if (!agent_last_memory_hit(agent, &hit) || hil_report_pack(&hit, bytes, sizeof bytes, &len) != HIL_OK)
    return;
  for (size_t i = 0; i < len; i++) (void)snprintf(text + 2 * i, 3, "%02x", (unsigned)bytes[i]);
  (void)setenv("HIL_AGENT_WOUND", text, 1);
}

static void recall_memory_hit(hil_agent_t *agent) {
  const char *text = getenv("HIL_AGENT_WOUND");
  uint8_t bytes[WIRE_PAYLOAD_MAX];
  size_t len = 0;
  unsigned byte;
  hil_report_t hit;
  if (!text) return;
  while (len < sizeof bytes && sscanf(text + 2 * len, "%2x", &byte) == 1) bytes[len++] = (uint8_t)byte;
  if (hil_report_unpack(&hit, bytes, len) == HIL_OK) agent_recall_memory_hit(agent, &hit);
  (void)unsetenv("HIL_AGENT_WOUND");
}

/* Start anew, as a board does: a new process image that keeps only its link. */
static void reset(void *context) {
  hil_board_t *b = context;
  kill_worker(b);
  knobs_lift(&b->knobs); /* the next life does not know what was found */
  char fds[48];
  (void)snprintf(fds, sizeof fds, "%d,%d", b->tty.rx_fd, b->tty.hold_fd);
  if (b->tty.rx_fd >= 0 && strcmp(b->port_spec, "-") != 0) {
    (void)fcntl(b->tty.rx_fd, F_SETFD, 0);
    (void)setenv("HIL_AGENT_INHERIT", fds, 1);
  }
  keep_memory_hit(&b->agent);
  (void)execv("/proc/self/exe", b->argv);
  _exit(EXIT_ENVIRONMENT); /* a board that cannot start stays silent */
}

static void identify(void *context, hil_hello_t *out) {
  probe_identify(&((hil_board_t *)context)->sensors, out);
  out->gpr_count = ARCH_GPR_COUNT;
  out->vector_bytes = ARCH_VECTOR_BYTES;
  out->targets |= 1u << TARGET_CPU | 1u << TARGET_STACK | 1u << TARGET_HEAP | 1u << TARGET_TEXT |
                  1u << TARGET_GPR | 1u << TARGET_VECTOR;
}

static void health(void *context, hil_health_t *out) {
  probe_health(&((hil_board_t *)context)->sensors, out);
}

static void sensors(void *context, hil_sensors_t *out) { probe_all(&((hil_board_t *)context)->sensors, out); }

static int set_baud(void *context, uint32_t baud, int now) {
  hil_tty_t *t = &((hil_board_t *)context)->tty;
  return now ? tty_set_baud(t, baud) : tty_can_baud(t, baud);
}

static uint32_t last_error(void *context) {
  const hil_board_t *b = context;
  return b->is_exec ? b->exec.last_errno : b->worker.last_errno;
}

/* --- start-up ------------------------------------------------------------------------------------ */

static void usage(FILE *to) {
  (void)fputs(
      "usage: hil-agent --port PORT [--baud N] [--knobs none|worker|system]\n"
      "                 [--watchdog DEVICE[:SECONDS]] [--exec NAME=PATH[,ARGUMENT...]]...\n"
      "                 [--sys-root DIR]\n"
      "  --port PORT     a serial device (/dev/ttyAMA0), 'pty' (makes one and prints its path),\n"
      "                  or '-' (standard input and output)\n"
      "  --baud N        line rate of a serial device to begin with (115200): one that is safe, the host may\n"
      "                  ask for a higher one\n"
      "  --knobs WHAT    what a limit from the host may turn (worker):\n"
      "                    none    nothing but the worker's own time: duty and suspension\n"
      "                    worker  and the cores that the worker may use\n"
      "                    system  and the clock (cpufreq) and power mode (nvpmodel) of the whole\n"
      "                            machine, for boards that serve nothing else; needs root. What was\n"
      "                            found is given back when the limit is lifted and when the agent ends\n"
      "                            (unless it is killed with SIGKILL)\n"
      "  --watchdog DEVICE[:SECONDS]  kick this hardware watchdog (/dev/watchdog; 15 s), so that the board\n"
      "                  starts anew if the agent hangs or is killed. 10 s is the least if a limit may change\n"
      "                  its power mode. An orderly end disarms it\n"
      "  --exec NAME=PATH[,ARGUMENT...]  allow the host to load the program at this absolute path as workload\n"
      "                  exec:NAME; up to 8 of them (csrc/port/linux/EXEC.md)\n"
      "  --sys-root DIR  read and write /proc, /sys, /etc and /usr of sensors and knobs below DIR\n"
      "  --exit-with-parent[=PID]  end when the process that started this one ends; PID is its number, for\n"
      "                  the case that it ends before this one has begun\n"
      "  --version       print version and exit\n",
      to);
}

/* Addresses must not differ from run to run: the same upset shall do the same twice. Where the system
 * forbids the personality (some containers do) the agent goes on with random ones. */
static void fix_addresses(char **argv) {
  const int now = personality(0xffffffff);
  if (now < 0 || (now & ADDR_NO_RANDOMIZE)) return;
  if (personality((unsigned long)(unsigned)now | ADDR_NO_RANDOMIZE) < 0) return;
  (void)execv("/proc/self/exe", argv);
}

static volatile sig_atomic_t ending; /* the signal that ends us */

static void on_news(int signal) { (void)signal; }

static void on_end(int signal) { ending = signal; }

static void on_signals(sigset_t *out_wait_mask) {
  struct sigaction action;
  static const int ends[] = {SIGTERM, SIGINT, SIGHUP};
  sigset_t blocked;
  memset(&action, 0, sizeof action);
  action.sa_handler = on_news;
  (void)sigaction(SIGCHLD, &action, NULL);
  (void)sigaction(SIGCONT, &action, NULL);
  (void)signal(SIGPIPE, SIG_IGN);
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGCHLD);
  sigaddset(&blocked, SIGCONT);
  action.sa_handler = on_end;
  for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
    struct sigaction now;
    if (sigaction(ends[i], NULL, &now) != 0 || now.sa_handler == SIG_IGN) continue; /* nohup */
    (void)sigaction(ends[i], &action, NULL);
    sigaddset(&blocked, ends[i]);
  }
  (void)sigprocmask(SIG_BLOCK, &blocked, out_wait_mask); /* only ppoll lets them through */
  sigdelset(out_wait_mask, SIGCHLD);
  sigdelset(out_wait_mask, SIGCONT);
  for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) sigdelset(out_wait_mask, ends[i]);
}

/* A whole positive number, or 0. */
static int number(const char *from) {
  char *end;
  const long value = strtol(from, &end, 10);
  return *end || value < 0 || value > INT_MAX ? 0 : (int)value;
}

static int knobs_level(const char *name, hil_knobs_level_t *out) {
  static const char *const names[] = {"none", "worker", "system"};
  for (int i = KNOBS_NONE; i <= KNOBS_SYSTEM; i++) {
    if (strcmp(name, names[i]) != 0) continue;
    *out = (hil_knobs_level_t)i;
    return 1;
  }
  return 0;
}

static int open_link(hil_board_t *b, int baud) {
  const char *inherited = getenv("HIL_AGENT_INHERIT");
  int master, hold;
  if (inherited && sscanf(inherited, "%d,%d", &master, &hold) == 2) {
    (void)unsetenv("HIL_AGENT_INHERIT");
    tty_inherit(&b->tty, b->port_spec, baud, master, hold);
    return 0;
  }
  if (tty_open(&b->tty, b->port_spec, baud) != 0) {
    (void)fprintf(stderr, "hil-agent: cannot open port %s: %s%s\n", b->port_spec, strerror(errno),
                  errno == EINVAL ? " (can it run at this baud rate?)" : "");
    return -1;
  }
  if (b->tty.pty_path[0]) {
    (void)printf("port %s\n", b->tty.pty_path);
    (void)fflush(stdout);
  }
  return 0;
}

/* Wait for bytes, for room to send, for the worker, or for the parent's end; then let the agent
 * proceed. */
static int serve(hil_board_t *b, const sigset_t *wait_mask) {
  for (;;) {
    uint32_t wait_us = agent_poll(&b->agent);
    const uint32_t kick_us = watchdog_kick(&b->watchdog, now_us(NULL));
    if (kick_us < wait_us) wait_us = kick_us;
    const int down = b->tty.rx_fd < 0;
    if (down && !b->tty.path) return 0; /* standard input ended */
    if (down && wait_us > REOPEN_MS * 1000u) wait_us = REOPEN_MS * 1000u;
    if (b->programs.count) life_reap(b->worker.pid, b->exec.pid);
    if (life_is_orphan()) return 0;
    struct pollfd fds[4] = {{b->tty.rx_fd, POLLIN, 0},
                            {agent_tx_pending(&b->agent) ? b->tty.tx_fd : -1, POLLOUT, 0},
                            {-1, POLLIN, 0},
                            {-1, POLLOUT, 0}};
    (void)exec_wants(&b->exec, &fds[2].fd, &fds[3].fd);
    const struct timespec timeout = {(time_t)(wait_us / 1000000u), (long)(wait_us % 1000000u) * 1000};
    const int ready = ppoll(fds, 4, wait_us == UINT32_MAX ? NULL : &timeout, wait_mask);
    if (ready < 0 && errno != EINTR) return EXIT_ENVIRONMENT;
    if (ending) return 0;
    if (down) tty_reopen(&b->tty);
    if (ready > 0 && fds[0].revents) {
      uint8_t bytes[4096];
      const ssize_t got = tty_read(&b->tty, bytes, sizeof bytes);
      if (got > 0) agent_receive(&b->agent, bytes, (size_t)got);
    }
  }
}

int main(int argc, char **argv) {
  static const struct option options[] = {{"port", required_argument, NULL, 'p'},
                                          {"baud", required_argument, NULL, 'b'},
                                          {"knobs", required_argument, NULL, 'k'},
                                          {"sys-root", required_argument, NULL, 'r'},
                                          {"watchdog", required_argument, NULL, 'w'},
                                          {"exec", required_argument, NULL, 'e'},
                                          {"exit-with-parent", optional_argument, NULL, 'x'},
                                          {"version", no_argument, NULL, 'v'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
  init_system(); /* before anything that needs /proc */
  fix_addresses(argv);
  (void)prctl(PR_SET_NAME, "hil-agent"); /* not "exe", after that */
  hil_board_t *b = &board;
  int baud = 115200, option;
  hil_knobs_level_t level = KNOBS_WORKER;
  b->sys_root = "";
  b->watchdog.fd = -1;
  b->argv = argv;
  exec_init(&b->exec);
  while ((option = getopt_long(argc, argv, "p:b:h", options, NULL)) != -1) {
    switch (option) {
      case 'p': b->port_spec = optarg; break;
      case 'b': baud = number(optarg); break;
      case 'k':
        if (knobs_level(optarg, &level)) break;
        usage(stderr);
        return EXIT_USAGE;
      case 'r': b->sys_root = optarg; break;
      case 'w':
        if (watchdog_parse(&b->watchdog, optarg) == 0) break;
        (void)fprintf(stderr, "hil-agent: %s is no watchdog\n", optarg);
        usage(stderr);
        return EXIT_USAGE;
      case 'e':
        if (exec_allow(&b->programs, optarg) == 0) break;
        (void)fprintf(stderr, "hil-agent: --exec %s: not NAME=/path[,argument...], or one too many\n",
                      optarg);
        usage(stderr);
        return EXIT_USAGE;
      case 'x': life_follow(optarg ? (pid_t)number(optarg) : 0); break;
      case 'v':
        (void)printf("hil-agent " HIL_VERSION ", wire version %d, %s\n", WIRE_VERSION, ARCH_NAME);
        return 0;
      case 'h': usage(stdout); return 0;
      default: usage(stderr); return EXIT_USAGE;
    }
  }
  if (!tty_knows_baud(baud)) {
    (void)fputs("hil-agent: not a known baud rate\n", stderr);
    usage(stderr);
    return EXIT_USAGE;
  }
  if (!b->port_spec || optind != argc) {
    usage(stderr);
    return EXIT_USAGE;
  }
  knobs_init(&b->knobs, b->sys_root, level);
  probe_init(&b->sensors, b->sys_root);
  if (open_link(b, baud) != 0) return EXIT_ENVIRONMENT;
  sigset_t wait_mask;
  on_signals(&wait_mask);
  uint64_t boot_id = 0;
  if (getrandom(&boot_id, sizeof boot_id, 0) != (ssize_t)sizeof boot_id) boot_id = now_us(NULL);
  const hil_port_t port = {.context = b,
                           .tx = tx,
                           .now_us = now_us,
                           .load = load,
                           .start = start,
                           .step = step,
                           .poll = poll_worker,
                           .interrupt = interrupt,
                           .resume = resume,
                           .advance = advance,
                           .kill = kill_worker,
                           .cpu_us = cpu_us,
                           .target_len = target_len,
                           .target_read = target_read,
                           .target_write = target_write,
                           .sefi = sefi,
                           .pc_offset = pc_offset,
                           .limit = limit,
                           .reset = reset,
                           .identify = identify,
                           .health = health,
                           .last_error = last_error,
                           .set_baud = set_baud,
                           .find = find,
                           .sensors = sensors};
  if (agent_init(&b->agent, &port, boot_id, checkpoint_words, checkpoint_checks, AGENT_CHECKPOINT_WORDS) !=
      HIL_OK) {
    return EXIT_ENVIRONMENT;
  }
  recall_memory_hit(&b->agent);
  watchdog_open(&b->watchdog);
  if (b->programs.count) life_adopt();
  const int result = serve(b, &wait_mask);
  kill_worker(b);
  knobs_lift(&b->knobs);
  watchdog_close(&b->watchdog);
  if (ending) { /* of the signal that was meant to, once all is given back */
    sigset_t none;
    sigemptyset(&none);
    (void)signal(ending, SIG_DFL);
    (void)raise(ending);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
  }
  return result;
}
