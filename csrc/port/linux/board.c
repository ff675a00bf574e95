/* The Linux port itself: what agent/port.h asks for, by the parts of this folder. SPDX-License-Identifier: Apache-2.0
 *
 * A board has one worker at a time: the process of worker.c, or a program of exec.c; |is_exec| says which one a
 * callback is about. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "campaign.h"
#include "hmac_sha256.h"
#include "port_linux.h"
#include "worker_arch.h"

/* From one process image to the next, over a RESET: the open link, and the upset that may have caused it. */
#define ENV_LINK "HIL_AGENT_INHERIT"
#define ENV_MEMORY_HIT "HIL_AGENT_MEMORY_HIT"

static uint64_t checkpoint_words[AGENT_CHECKPOINT_WORDS];
static uint8_t checkpoint_checks[AGENT_CHECKPOINT_WORDS];

uint64_t board_now_us(void) {
  struct timespec t;
  (void)clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

static uint64_t now_us(void *context) {
  (void)context;
  return board_now_us();
}

static size_t tx(void *context, const uint8_t *bytes, size_t len) {
  return tty_write(&((hil_board_t *)context)->tty, bytes, len);
}

/* --- the worker ---------------------------------------------------------------------------------- */

static pid_t worker_pid(const hil_board_t *b) { return b->is_exec ? b->exec.pid : b->worker.pid; }

static void kill_worker(void *context) { board_kill_worker(context); }

void board_kill_worker(hil_board_t *b) {
  exec_kill(&b->exec);
  worker_kill(&b->worker);
  if (b->programs.count) life_end_children();
}

static int find(void *context, const char *name, uint64_t seed, const hil_workload_t **out) {
  hil_board_t *b = context;
  const size_t prefix = strlen(EXEC_PREFIX);
  if (strncmp(name, EXEC_PREFIX, prefix) != 0) return HIL_ERR_NOSYS;
  kill_worker(b);
  b->is_exec = true; /* whose error is asked for if it fails */
  return exec_find(&b->exec, &b->programs, name + prefix, seed, out);
}

static int load(void *context, const hil_workload_t *workload, hil_port_memory_t *out) {
  hil_board_t *b = context;
  b->is_exec = workload == &b->exec.workload;
  if (!b->is_exec) exec_kill(&b->exec);
  const int status = worker_load(&b->worker, b->is_exec ? &b->exec.shell : workload, out);
  if (b->is_exec && status == HIL_OK) exec_place(&b->exec, out);
  if (b->is_exec && status != HIL_OK) b->exec.last_errno = b->worker.last_errno;
  return status;
}

static int start(void *context) {
  hil_board_t *b = context;
  const int status = b->is_exec ? exec_start(&b->exec) : worker_start(&b->worker);
  if (status == HIL_OK) (void)knobs_worker(&b->knobs, worker_pid(b)); /* the next LIMIT reads it back */
  return status;
}

static void settle(void *context, bool is_to_be_hit) {
  hil_board_t *b = context;
  if (!b->is_exec) worker_settle(&b->worker, is_to_be_hit);
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
  return b->is_exec ? UINT64_MAX : worker_pc_offset(&b->worker);
}

static void limit(void *context, const hil_limits_t *limits, hil_limited_t *out) {
  hil_board_t *b = context;
  knobs_limit(&b->knobs, worker_pid(b), limits, out);
}

static void begin_watch(void *context, hil_watch_t *of) {
  hil_board_t *b = context;
  if (b->is_exec) { /* its system calls access memory, too, and debug registers do not see that */
    of->reason = UNWATCHED_TARGET;
  } else {
    watch_begin(&b->worker, of);
  }
}

static void end_watch(void *context) { watch_end(&((hil_board_t *)context)->worker); }

static const hil_watch_port_t watch_port = {.begin = begin_watch, .end = end_watch};

/* --- campaigns ------------------------------------------------------------------------------------ */

static hil_linux_campaign_t campaign; /* of the one worker */

static int open_campaign(void *context, const hil_step_t *step, const hil_budget_t *budget,
                         hil_campaign_opened_t *out) {
  hil_board_t *b = context;
  if (b->is_exec) return HIL_ERR_NOSYS;
  campaign.knobs = &b->knobs;
  return campaign_open(&campaign, &b->worker, step, budget, out);
}

static int trace_campaign(void *context, hil_campaign_trace_t *out) {
  (void)context;
  return campaign_walk(&campaign, out);
}

static int read_code(void *context, uint64_t address, uint16_t len, uint8_t *out) {
  (void)context;
  return campaign_read(&campaign, address, len, out);
}

static int follow_campaign(void *context, const hil_campaign_follow_t *follow, uint64_t *out_state_digest) {
  (void)context;
  return campaign_follow_step(&campaign, follow, out_state_digest);
}

static int run_campaign(void *context, hil_campaign_run_t *run) {
  (void)context;
  return campaign_run(&campaign, run);
}

static int strike_campaign(void *context, const hil_campaign_strike_t *strike, hil_campaign_struck_t *out) {
  (void)context;
  return campaign_inspect(&campaign, strike, out);
}

static int close_campaign(void *context) {
  (void)context;
  return campaign_close(&campaign);
}

static const hil_campaign_port_t campaign_port = {.open = open_campaign,
                                                  .trace = trace_campaign,
                                                  .code = read_code,
                                                  .follow = follow_campaign,
                                                  .run = run_campaign,
                                                  .strike = strike_campaign,
                                                  .close = close_campaign};

/* --- over a reset ---------------------------------------------------------------------------------- */

/* The report of an upset that may be why the agent resets: from this process image to the next. */
static void keep_memory_hit(const hil_agent_t *agent) {
  hil_report_t hit;
  uint8_t bytes[WIRE_PAYLOAD_MAX];
  char text[2 * WIRE_PAYLOAD_MAX + 1] = "";
  size_t len;
  if (!agent_last_memory_hit(agent, &hit) || hil_report_pack(&hit, bytes, sizeof bytes, &len) != HIL_OK)
    return;
  for (size_t i = 0; i < len; i++) (void)snprintf(text + 2 * i, 3, "%02x", (unsigned)bytes[i]);
  (void)setenv(ENV_MEMORY_HIT, text, 1);
}

static void recall_memory_hit(hil_agent_t *agent) {
  const char *text = getenv(ENV_MEMORY_HIT);
  uint8_t bytes[WIRE_PAYLOAD_MAX];
  size_t len = 0;
  unsigned byte;
  hil_report_t hit;
  if (!text) return;
  while (len < sizeof bytes && sscanf(text + 2 * len, "%2x", &byte) == 1) bytes[len++] = (uint8_t)byte;
  if (hil_report_unpack(&hit, bytes, len) == HIL_OK) agent_recall_memory_hit(agent, &hit);
  (void)unsetenv(ENV_MEMORY_HIT);
}

/* Start the agent again, as a board does: a new process image that keeps only its link. */
static void reset(void *context) {
  hil_board_t *b = context;
  (void)close_campaign(b); /* the next process would be kept to the core of this one */
  kill_worker(b);
  knobs_lift(&b->knobs); /* the next process does not know what was found */
  char fds[48];
  const int other_fd = b->tcp.is_on ? b->tcp.listen_fd : b->tty.hold_fd;
  (void)snprintf(fds, sizeof fds, "%d,%d", b->tty.rx_fd, other_fd);
  if (b->tty.rx_fd >= 0 && strcmp(b->port_spec, "-") != 0) {
    (void)fcntl(b->tty.rx_fd, F_SETFD, 0);
    if (b->tcp.is_on) (void)fcntl(other_fd, F_SETFD, 0); /* the client stays; candidates are hung up */
    (void)setenv(ENV_LINK, fds, 1);
  }
  keep_memory_hit(&b->agent);
  (void)execv("/proc/self/exe", b->argv);
  _exit(BOARD_EXIT_ENVIRONMENT); /* a board that cannot start stays silent */
}

/* --- what the machine is and measures ----------------------------------------------------------------- */

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

static int image(void *context, hil_image_t *out) {
  hil_board_t *b = context;
  _Static_assert(sizeof out->sha256 == HMAC_SHA256_LEN, "a digest is one of SHA-256");
  const int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  const bool whole = fd >= 0 && hmac_sha256_of_file(fd, out->sha256);
  if (!whole) *(b->is_exec ? &b->exec.last_errno : &b->worker.last_errno) = (uint32_t)errno;
  if (fd >= 0) (void)close(fd);
  out->known = IMAGE_MEASURED;
  return whole ? HIL_OK : HIL_ERR_IO;
}

static int program(void *context, const hil_program_query_t *query, hil_program_t *out) {
  return exec_report(&((hil_board_t *)context)->exec, query, out);
}

static int regions(void *context, hil_regions_t *out) {
  const hil_board_t *b = context;
  return b->is_exec ? regions_report(&b->exec.regions, out) : HIL_OK;
}

static int set_baud(void *context, uint32_t baud, bool now) {
  hil_tty_t *t = &((hil_board_t *)context)->tty;
  return now ? tty_set_baud(t, baud) : tty_can_baud(t, baud);
}

static uint32_t last_error(void *context) {
  const hil_board_t *b = context;
  return b->is_exec ? b->exec.last_errno : b->worker.last_errno;
}

bool board_inherit_link(hil_board_t *b, int baud) {
  const char *inherited = getenv(ENV_LINK);
  int master, hold;
  if (!inherited || sscanf(inherited, "%d,%d", &master, &hold) != 2) return false;
  (void)unsetenv(ENV_LINK);
  if (tcp_is_spec(b->port_spec)) {
    tty_wait_for_client(&b->tty, baud);
    tty_adopt(&b->tty, master);
    tcp_inherit(&b->tcp, hold);
  } else {
    tty_inherit(&b->tty, b->port_spec, baud, master, hold);
  }
  return true;
}

/* --- start --------------------------------------------------------------------------------------- */

void board_init(hil_board_t *b, char **argv) {
  b->sys_root = "";
  b->watchdog.fd = -1;
  b->argv = argv;
  exec_init(&b->exec);
  b->exec.watchdog = &b->watchdog;
}

int board_boot(hil_board_t *b) {
  const hil_port_t port = {.context = b,
                           .tx = tx,
                           .now_us = now_us,
                           .load = load,
                           .start = start,
                           .settle = settle,
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
                           .sensors = sensors,
                           .image = image,
                           .program = program,
                           .regions = regions,
                           .campaign = &campaign_port,
                           .watch = &watch_port};
  uint64_t boot_id = 0;
  if (getrandom(&boot_id, sizeof boot_id, 0) != (ssize_t)sizeof boot_id) boot_id = board_now_us();
  const int status =
      agent_init(&b->agent, &port, boot_id, checkpoint_words, checkpoint_checks, AGENT_CHECKPOINT_WORDS);
  if (status == HIL_OK) recall_memory_hit(&b->agent);
  return status;
}
