/* hil-agent: the program on the board. SPDX-License-Identifier: Apache-2.0
 *
 * Command line, signals, and the loop that serves the host; what the agent can do on Linux is board.c. */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "port_linux.h"
#include "version.h"
#include "worker_arch.h"

enum { EXIT_USAGE = 2, REOPEN_MS = 200 };

static hil_board_t board;

/* --- command line --------------------------------------------------------------------------------- */

static void usage(FILE *to) {
  (void)fputs(
      "usage: hil-agent --port PORT [--baud N] [--knobs none|worker|system]\n"
      "                 [--watchdog DEVICE[:SECONDS]] [--exec NAME=PATH[,ARGUMENT...]]...\n"
      "                 [--token-file FILE] [--sys-root DIR]\n"
      "  --port PORT     a serial device (/dev/ttyAMA0), 'pty' (makes one and prints its path),\n"
      "                  '-' (standard input and output), tcp:PORT (this computer alone can connect) or\n"
      "                  tcp:ADDRESS:PORT (0.0.0.0 or [::]: every computer that reaches this one)\n"
      "  --token-file FILE  for tcp: a host must prove that it knows the token in FILE, 16 to 256 bytes.\n"
      "                  Nothing is encrypted: use ssh or a VPN across networks that you do not trust\n"
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
      "                  resets if the agent hangs or is killed. 10 s is the least if a limit may change its\n"
      "                  power mode. An orderly end disarms it\n"
      "  --exec NAME=PATH[,ARGUMENT...]  allow the host to load the program at this absolute path as workload\n"
      "                  exec:NAME; up to 8 of them (csrc/port/linux/EXEC.md)\n"
      "  --sys-root DIR  read and write /proc, /sys, /etc and /usr of sensors and knobs below DIR\n"
      "  --exit-with-parent[=PID]  end when the process that started this one ends; PID is its number, for\n"
      "                  the case that it ends before this one has begun\n"
      "  --version       print version and exit\n",
      to);
}

/* A whole positive number, or 0. */
static int number(const char *from) {
  char *end;
  const long value = strtol(from, &end, 10);
  return *end || value < 0 || value > INT_MAX ? 0 : (int)value;
}

static bool knobs_level(const char *name, hil_knobs_level_t *out) {
  static const char *const names[] = {"none", "worker", "system"};
  for (int i = KNOBS_NONE; i <= KNOBS_SYSTEM; i++) {
    if (strcmp(name, names[i]) != 0) continue;
    *out = (hil_knobs_level_t)i;
    return true;
  }
  return false;
}

typedef struct {
  int baud;
  hil_knobs_level_t knobs;
} hil_options_t;

/* The result of reading the command line: an exit code, or this. */
enum { GO_ON = -1 };

static int refuse_usage(void) {
  usage(stderr);
  return EXIT_USAGE;
}

/* Take over one option. Returns GO_ON, or the exit code with which the program ends. */
static int take_option(hil_options_t *o, hil_board_t *b, int option, const char *value) {
  switch (option) {
    case 'p': b->port_spec = value; return GO_ON;
    case 'b': o->baud = number(value); return GO_ON;
    case 'k': return knobs_level(value, &o->knobs) ? GO_ON : refuse_usage();
    case 'r': b->sys_root = value; return GO_ON;
    case 't': b->token_file = value; return GO_ON;
    case 'w':
      if (watchdog_parse(&b->watchdog, value) == 0) return GO_ON;
      (void)fprintf(stderr, "hil-agent: %s is not a valid watchdog; expected DEVICE[:SECONDS]\n", value);
      return refuse_usage();
    case 'e':
      if (exec_allow(&b->programs, value) == 0) return GO_ON;
      (void)fprintf(stderr, "hil-agent: --exec %s: expected NAME=/path[,argument...], each NAME once\n",
                    value);
      return refuse_usage();
    case 'x': life_follow(value ? (pid_t)number(value) : 0); return GO_ON;
    case 'v':
      (void)printf("hil-agent " HIL_VERSION ", wire version %d, %s\n", WIRE_VERSION, ARCH_NAME);
      return EXIT_SUCCESS;
    case 'h': usage(stdout); return EXIT_SUCCESS;
    default: return refuse_usage();
  }
}

/* Read the command line into |o| and |b|. Returns GO_ON, or the exit code with which the program ends. */
static int read_options(int argc, char **argv, hil_options_t *o, hil_board_t *b) {
  static const struct option options[] = {{"port", required_argument, NULL, 'p'},
                                          {"baud", required_argument, NULL, 'b'},
                                          {"knobs", required_argument, NULL, 'k'},
                                          {"sys-root", required_argument, NULL, 'r'},
                                          {"token-file", required_argument, NULL, 't'},
                                          {"watchdog", required_argument, NULL, 'w'},
                                          {"exec", required_argument, NULL, 'e'},
                                          {"exit-with-parent", optional_argument, NULL, 'x'},
                                          {"version", no_argument, NULL, 'v'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
  int option;
  while ((option = getopt_long(argc, argv, "p:b:h", options, NULL)) != -1) {
    const int result = take_option(o, b, option, optarg);
    if (result != GO_ON) return result;
  }
  if (!tty_knows_baud(o->baud)) {
    (void)fputs("hil-agent: not a known baud rate\n", stderr);
    return refuse_usage();
  }
  if (!b->port_spec || optind != argc) return refuse_usage();
  if (tcp_is_spec(b->port_spec) == (b->token_file != NULL)) return GO_ON;
  (void)fputs("hil-agent: a tcp: port needs --token-file, and no other port has one\n", stderr);
  return refuse_usage();
}

/* --- start ---------------------------------------------------------------------------------------- */

/* Addresses must not differ from run to run: the same upset must have the same effect twice. Where the system
 * forbids the personality (some containers do) the agent continues with random ones. */
static void fix_addresses(char **argv) {
  const int now = personality(0xffffffff);
  if (now < 0 || (now & ADDR_NO_RANDOMIZE)) return;
  if (personality((unsigned long)(unsigned)now | ADDR_NO_RANDOMIZE) < 0) return;
  (void)execv("/proc/self/exe", argv);
}

static volatile sig_atomic_t ending; /* the signal that ends the agent; 0: none yet */

static void on_wake(int signal) { (void)signal; } /* it only ends the wait */

static void on_end(int signal) { ending = signal; }

/* Handle signals only while the agent waits: |out_wait_mask| is the mask for ppoll. */
static void handle_signals(sigset_t *out_wait_mask) {
  struct sigaction action;
  static const int ends[] = {SIGTERM, SIGINT, SIGHUP};
  sigset_t blocked;
  memset(&action, 0, sizeof action);
  action.sa_handler = on_wake;
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

/* Returns 0, or -1 after a message on standard error. */
static int open_tcp(hil_board_t *b, int baud) {
  if (tcp_listen(&b->tcp, b->port_spec) != 0) {
    (void)fprintf(stderr, "hil-agent: cannot listen at %s: %s%s\n", b->port_spec, strerror(errno),
                  errno == EINVAL ? "; expected tcp:PORT or tcp:ADDRESS:PORT with a numeric address" : "");
    return -1;
  }
  tty_wait_for_client(&b->tty, baud);
  (void)printf("port %s\n", b->tcp.name);
  (void)fflush(stdout);
  return 0;
}

/* Returns 0, or -1 after a message on standard error. */
static int open_link(hil_board_t *b, int baud) {
  const char *problem = b->token_file ? tcp_read_token(&b->tcp, b->token_file) : NULL;
  if (problem) {
    (void)fprintf(stderr, "hil-agent: the token file %s cannot be used: %s\n", b->token_file, problem);
    return -1;
  }
  if (board_inherit_link(b, baud)) return 0;
  if (tcp_is_spec(b->port_spec)) return open_tcp(b, baud);
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

/* --- service --------------------------------------------------------------------------------------- */

/* How long nothing need be done if nothing happens [us]; UINT32_MAX: no limit. */
static uint32_t idle_us(hil_board_t *b) {
  uint32_t least = agent_poll(&b->agent); /* first: it may find the link down */
  const uint64_t now_us = board_now_us();
  const uint32_t others[] = {watchdog_kick(&b->watchdog, now_us), tcp_wait_us(&b->tcp, now_us),
                             b->tty.rx_fd < 0 && b->tty.path ? REOPEN_MS * 1000u : UINT32_MAX};
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) least = others[i] < least ? others[i] : least;
  return least;
}

/* What the host sent. A client that has closed its end is gone, whatever is left to read: a new one may be
 * waiting. */
static void receive(hil_board_t *b, short revents) {
  uint8_t bytes[4096];
  if (b->tty.is_socket && (revents & (POLLRDHUP | POLLHUP | POLLERR))) {
    tty_hang_up(&b->tty);
    return;
  }
  const ssize_t got = tty_read(&b->tty, bytes, sizeof bytes);
  if (got > 0) agent_receive(&b->agent, bytes, (size_t)got);
}

static void serve_tcp(hil_board_t *b, const struct pollfd ready[TCP_FDS]) {
  const bool has_client = b->tty.rx_fd >= 0;
  const int client = tcp_serve(&b->tcp, board_now_us(), ready, has_client);
  if (client >= 0) tty_adopt(&b->tty, client);
}

/* Wait for bytes, for room to send, for the worker, or for the parent's end; then let the agent
 * proceed. Returns the exit code: 0 after standard input, the parent or a signal ended the agent. */
static int serve(hil_board_t *b, const sigset_t *wait_mask) {
  for (;;) {
    const uint32_t wait_us = idle_us(b);
    const bool down = b->tty.rx_fd < 0;
    if (down && !b->tty.path && !b->tty.is_socket) return 0; /* standard input ended */
    if (b->programs.count) life_reap(b->worker.pid, b->exec.pid);
    if (life_is_orphan()) return 0;
    enum { OWN_FDS = 5 };
    struct pollfd fds[OWN_FDS + TCP_FDS] = {{b->tty.rx_fd, POLLIN, 0},
                                            {agent_tx_pending(&b->agent) ? b->tty.tx_fd : -1, POLLOUT, 0},
                                            {-1, POLLIN, 0},
                                            {-1, POLLOUT, 0},
                                            {b->exec.err.fd, POLLIN, 0}};
    if (b->tty.is_socket) fds[0].events |= POLLRDHUP;
    (void)exec_wants(&b->exec, &fds[2].fd, &fds[3].fd);
    tcp_wants(&b->tcp, board_now_us(), fds + OWN_FDS);
    const struct timespec timeout = {(time_t)(wait_us / 1000000u), (long)(wait_us % 1000000u) * 1000};
    const int ready = ppoll(fds, OWN_FDS + TCP_FDS, wait_us == UINT32_MAX ? NULL : &timeout, wait_mask);
    if (ready < 0 && errno != EINTR) return BOARD_EXIT_ENVIRONMENT;
    if (ending) return 0;
    if (down) tty_reopen(&b->tty);
    if (ready > 0 && fds[4].revents) tail_drain(&b->exec.err);
    if (ready > 0 && fds[0].revents) receive(b, fds[0].revents);
    if (ready >= 0) serve_tcp(b, fds + OWN_FDS);
  }
}

/* End all that runs, and restore what was changed on the machine. */
static void shut_down(hil_board_t *b) {
  board_kill_worker(b);
  knobs_lift(&b->knobs);
  watchdog_close(&b->watchdog);
}

/* End by the signal that asked for it, as whoever sent it expects. */
static void end_by_signal(int signal_number) {
  sigset_t none;
  sigemptyset(&none);
  (void)signal(signal_number, SIG_DFL);
  (void)raise(signal_number);
  (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

int main(int argc, char **argv) {
  init_system(); /* before anything that needs /proc */
  fix_addresses(argv);
  seal_begin();
  (void)prctl(PR_SET_NAME, "hil-agent"); /* not "exe", after that */
  hil_board_t *b = &board;
  hil_options_t options = {.baud = 115200, .knobs = KNOBS_WORKER};
  board_init(b, argv);
  const int ended = read_options(argc, argv, &options, b);
  if (ended != GO_ON) return ended;
  knobs_init(&b->knobs, b->sys_root, options.knobs);
  probe_init(&b->sensors, b->sys_root);
  if (open_link(b, options.baud) != 0) return BOARD_EXIT_ENVIRONMENT;
  sigset_t wait_mask;
  handle_signals(&wait_mask);
  if (board_boot(b) != HIL_OK) return BOARD_EXIT_ENVIRONMENT;
  watchdog_open(&b->watchdog);
  if (b->programs.count) life_adopt();
  const int result = serve(b, &wait_mask);
  shut_down(b);
  if (ending) end_by_signal(ending);
  return result;
}
