/* The agent on a port that a test scripts. SPDX-License-Identifier: Apache-2.0
 *
 * The stub port runs real workloads inside poll, on a clock set by hand; its steps can be made to hang,
 * to die or to take a while, its link to take few bytes, and its Nth callback to fail. A small host
 * speaks to the agent in real frames, and sees only what comes back. */
#include <stdint.h>

#include "agent.h"
#include "digest.h"
#include "golden.h"
#include "message.h"
#include "unit.h"

enum {
  TICK_US = 10,
  SENT_CAP = 2 << 20,
  ANSWERS_MAX = 4096,
  TURNS_MAX = 100000,
  MEMORY_LEN = 1200 << 10,
  STACK_LEN = 512,
  TEXT_LEN = 256,
  SIGNAL_KILL = 9,
  SIGNAL_FAULT = 11
};

/* --- the stub port -------------------------------------------------------------------------------- */

typedef enum { STEP_RUNS, STEP_HANGS, STEP_DIES, STEP_WAITS } hil_step_kind_t;

static struct {
  hil_agent_t agent;
  uint64_t clock_us;
  const hil_workload_t *workload;
  hil_workload_io_t io;
  hil_progress_t progress;
  hil_step_kind_t kind;
  int worker, begun, frozen, crashed, in_step;
  uint64_t cpu_us;
  uint32_t instructions;     /* counted in this step by advance */
  uint32_t instructions_max; /* the step ends after these */
  uint64_t stack_len;        /* as deep as the stack is now */
  uint8_t stack[STACK_LEN], text[TEXT_LEN];
  size_t link_takes; /* bytes per call */
  int link_down;
  unsigned calls, fail_at;
  unsigned kills, starts, loads, steps, resets, advances, interrupts, resumes, limitings;
  int stands; /* between interrupt and resume */
  hil_limits_t limits;
  int resetted;
  unsigned finds;
  hil_watch_t *watch;  /* begun last, until its end */
  hil_watch_t watched; /* as it was begun */
  unsigned watches;
  uint8_t first; /* what the worker does first with it */
  uint32_t baud;       /* 0: as at the start */
  int bauds_busy;      /* so often bytes wait to leave */
  int baud_breaks;     /* the line refuses a rate that it said it knows */
  uint8_t sent[SENT_CAP];
  size_t sent_len;
  uint64_t words[AGENT_CHECKPOINT_WORDS];
  uint8_t checks[AGENT_CHECKPOINT_WORDS];
  _Alignas(64) uint8_t memory[MEMORY_LEN];
} s;

/* Is it this call's turn to fail? */
static int fails(void) { return ++s.calls == s.fail_at; }

static size_t stub_tx(void *context, const uint8_t *bytes, size_t len) {
  (void)context;
  if (fails() || s.link_down) return 0;
  const size_t room = SENT_CAP - s.sent_len;
  size_t take = len < s.link_takes ? len : s.link_takes;
  if (take > room) take = room;
  memcpy(s.sent + s.sent_len, bytes, take);
  s.sent_len += take;
  return take;
}

static uint64_t stub_now_us(void *context) {
  (void)context;
  return s.clock_us;
}

static int on_stop(void *context, uint32_t tick) {
  (void)context;
  return agent_on_tick(&s.agent, tick) || s.frozen || s.crashed;
}

static size_t rounded(size_t len) { return (len + 63u) / 64u * 64u; }

static int stub_load(void *context, const hil_workload_t *w, hil_port_memory_t *out) {
  (void)context;
  s.loads++;
  s.worker = s.begun = 0;
  memset(s.memory, 0xEE, sizeof s.memory); /* the previous memory is discarded */
  if (fails()) return HIL_ERR_IO;
  uint8_t *p = s.memory;
  uint8_t *const state = p, *const in = state + rounded(w->state_len);
  uint8_t *const output = in + rounded(w->input_len), *const scratch = output + rounded(w->output_len);
  memset(s.memory, 0, rounded(w->state_len) + rounded(w->input_len) + rounded(w->output_len));
  s.workload = w;
  s.io = (hil_workload_io_t){state, in, output, scratch};
  *out = (hil_port_memory_t){{state, in, output}, &s.progress};
  return HIL_OK;
}

static int stub_start(void *context) {
  (void)context;
  s.starts++;
  if (fails()) return HIL_ERR_IO;
  s.progress = (hil_progress_t){0, 0, on_stop, NULL};
  s.worker = 1;
  s.begun = s.frozen = s.crashed = s.stands = 0;
  memset(s.stack, 0, sizeof s.stack);
  memset(s.text, 0, sizeof s.text);
  return HIL_OK;
}

static int stub_step(void *context) {
  (void)context;
  CHECK(s.worker);
  if (fails()) return HIL_ERR_IO;
  s.steps++;
  s.begun = 1;
  s.cpu_us = 0;
  return HIL_OK;
}

static hil_port_event_t stub_poll(void *context, uint8_t *out_signal) {
  (void)context;
  *out_signal = 0;
  if (fails() || !s.worker) {
    s.worker = 0;
    *out_signal = SIGNAL_KILL;
    return PORT_CRASHED;
  }
  s.clock_us += 100;
  if (s.stands) return PORT_RUNNING;
  s.cpu_us += 100;
  if (!s.begun || s.kind == STEP_HANGS || s.kind == STEP_WAITS || s.frozen) return PORT_RUNNING;
  s.begun = 0;
  int status = s.crashed || s.kind == STEP_DIES ? HIL_ERR_STATE : s.workload->step(&s.io, &s.progress);
  s.cpu_us = (uint64_t)s.progress.tick * TICK_US;
  if (s.crashed || s.kind == STEP_DIES) {
    s.worker = 0;
    *out_signal = SIGNAL_FAULT;
    return PORT_CRASHED;
  }
  return status == HIL_OK ? PORT_DONE : PORT_RUNNING;
}

static int stub_interrupt(void *context) {
  (void)context;
  if (fails()) return HIL_ERR_IO;
  CHECK(!s.stands);
  s.interrupts++;
  s.stands = 1;
  return HIL_OK;
}

static int stub_resume(void *context) {
  (void)context;
  if (fails()) return HIL_ERR_IO;
  CHECK(s.stands);
  s.resumes++;
  s.stands = 0;
  return HIL_OK;
}

static void stub_limit(void *context, const hil_limits_t *limits, hil_limited_t *out) {
  (void)context;
  s.limitings++;
  s.limits = *limits;
  if (fails()) {
    out->refused |= LIMIT_CORES;
    out->detail = 5;
    return;
  }
  out->cores = limits->cores ? limits->cores : 4;
  out->means |= MEANS_AFFINITY;
  memcpy(out->mode, limits->mode, sizeof out->mode);
}

static int stub_advance(void *context, uint32_t steps, uint32_t *out_taken) {
  (void)context;
  s.advances++;
  *out_taken = 0;
  if (fails()) return HIL_ERR_IO;
  while (*out_taken < steps) {
    if (s.instructions >= s.instructions_max) return HIL_ERR_STATE;
    s.instructions++;
    ++*out_taken;
  }
  return HIL_OK;
}

static void stub_kill(void *context) {
  (void)context;
  s.kills++;
  s.worker = s.begun = s.frozen = s.crashed = s.stands = 0;
}

static uint64_t stub_cpu_us(void *context) {
  (void)context;
  return s.frozen ? UINT64_MAX : s.cpu_us;
}

static int locate(hil_target_t target, uint8_t **out_base, uint64_t *out_len) {
  switch (target) {
    case TARGET_STATE:
      *out_base = s.io.state;
      *out_len = s.workload->state_len;
      return HIL_OK;
    case TARGET_INPUT:
      *out_base = s.memory + (s.io.input - s.memory);
      *out_len = s.workload->input_len;
      return HIL_OK;
    case TARGET_OUTPUT:
      *out_base = s.io.output;
      *out_len = s.workload->output_len;
      return HIL_OK;
    case TARGET_TEXT:
      *out_base = s.text;
      *out_len = TEXT_LEN;
      return HIL_OK;
    case TARGET_STACK:
      *out_base = s.stack + STACK_LEN - s.stack_len;
      *out_len = s.stack_len;
      return HIL_OK;
    default: return HIL_ERR_NOSYS;
  }
}

static int stub_target_len(void *context, hil_target_t target, uint64_t *out_len) {
  (void)context;
  uint8_t *base;
  return fails() ? HIL_ERR_IO : locate(target, &base, out_len);
}

static int stub_target_read(void *context, hil_target_t target, uint64_t offset, uint8_t *out, size_t len) {
  (void)context;
  uint8_t *base;
  uint64_t size;
  if (fails()) return HIL_ERR_IO;
  const int status = locate(target, &base, &size);
  if (status != HIL_OK) return status;
  CHECK(offset + len <= size);
  memcpy(out, base + offset, len);
  return HIL_OK;
}

static int stub_target_write(void *context, hil_target_t target, uint64_t offset, const uint8_t *bytes,
                             size_t len) {
  (void)context;
  uint8_t *base;
  uint64_t size;
  if (fails()) return HIL_ERR_IO;
  const int status = locate(target, &base, &size);
  if (status != HIL_OK) return status;
  CHECK(offset + len <= size);
  memcpy(base + offset, bytes, len);
  return HIL_OK;
}

static int stub_sefi(void *context, hil_sefi_t kind, uint8_t before[16], uint8_t after[16],
                     uint8_t *out_len) {
  (void)context;
  if (fails()) return HIL_ERR_IO;
  before[0] = 0;
  after[0] = (uint8_t)kind;
  *out_len = 1;
  s.frozen = kind == SEFI_HANG;
  s.crashed = kind == SEFI_CRASH;
  return HIL_OK;
}

static uint64_t stub_pc_offset(void *context) {
  (void)context;
  return s.instructions;
}

static void stub_reset(void *context) {
  (void)context;
  s.resets++;
  s.resetted = 1;
}

static void stub_identify(void *context, hil_hello_t *out) {
  (void)context;
  out->targets |= 1u << TARGET_CPU | 1u << TARGET_TEXT | 1u << TARGET_STACK;
  memcpy(out->port, "stub", 5);
}

static void stub_health(void *context, hil_health_t *out) {
  (void)context;
  out->cpu_temp_mc = 42000;
}

static uint32_t stub_last_error(void *context) {
  (void)context;
  return 5;
}

static int stub_set_baud(void *context, uint32_t baud, bool now) {
  (void)context;
  if (baud && baud != 460800 && baud != 921600) return HIL_ERR_ARG;
  if (!now) return HIL_OK;
  if (s.bauds_busy) {
    s.bauds_busy--;
    return HIL_ERR_STATE;
  }
  if (baud && s.baud_breaks) return HIL_ERR_IO;
  s.baud = baud;
  return HIL_OK;
}

/* A program of the board, called "exec:echo"; another one does not come up. */
static int stub_find(void *context, const char *name, uint64_t seed, const hil_workload_t **out) {
  (void)context;
  static hil_workload_t made;
  s.finds++;
  if (strcmp(name, "exec:echo") != 0) return strcmp(name, "exec:bad") ? HIL_ERR_NOSYS : HIL_ERR_IO;
  CHECK_EQ(seed, 7);
  made = *workload_find("sha256");
  made.name = "echo";
  *out = &made;
  return HIL_OK;
}

static void stub_sensors(void *context, hil_sensors_t *out) {
  (void)context;
  memcpy(out->mode, "15W", 4);
}

static int stub_image(void *context, hil_image_t *out) {
  (void)context;
  out->known = IMAGE_CLAIMED;
  return HIL_OK;
}

static int stub_program(void *context, const hil_program_query_t *query, hil_program_t *out) {
  (void)context;
  if (query->offset > 3) return HIL_ERR_ARG;
  out->init_ms = query->init_ms;
  out->kept = 3;
  out->offset = query->offset;
  out->len = (uint16_t)(3u - query->offset);
  static const char why[] = "why";
  memcpy(out->bytes, why + query->offset, out->len);
  return HIL_OK;
}

static int stub_regions(void *context, hil_regions_t *out) {
  (void)context;
  if (out->first > 1) return HIL_ERR_ARG;
  out->total = 1;
  out->len = MESSAGE_REGION_INFO;
  memset(out->bytes, 'w', out->len);
  return HIL_OK;
}

static void stub_watch_begin(void *context, hil_watch_t *w) {
  (void)context;
  CHECK(w->changed && !w->first && !w->reason);
  s.watch = w;
  s.watched = *w;
  s.watches++;
}

static void stub_watch_end(void *context) {
  (void)context;
  if (s.watch) s.watch->first = s.first;
  s.watch = NULL;
}

static const hil_watch_port_t stub_watch = {.begin = stub_watch_begin, .end = stub_watch_end};

static const hil_port_t stub_port = {.tx = stub_tx,
                                     .now_us = stub_now_us,
                                     .load = stub_load,
                                     .start = stub_start,
                                     .step = stub_step,
                                     .poll = stub_poll,
                                     .interrupt = stub_interrupt,
                                     .resume = stub_resume,
                                     .advance = stub_advance,
                                     .kill = stub_kill,
                                     .cpu_us = stub_cpu_us,
                                     .target_len = stub_target_len,
                                     .target_read = stub_target_read,
                                     .target_write = stub_target_write,
                                     .sefi = stub_sefi,
                                     .pc_offset = stub_pc_offset,
                                     .limit = stub_limit,
                                     .reset = stub_reset,
                                     .identify = stub_identify,
                                     .health = stub_health,
                                     .last_error = stub_last_error,
                                     .set_baud = stub_set_baud,
                                     .find = stub_find,
                                     .sensors = stub_sensors,
                                     .image = stub_image,
                                     .program = stub_program,
                                     .regions = stub_regions,
                                     .watch = &stub_watch};

/* --- the host -------------------------------------------------------------------------------------- */

typedef struct {
  uint8_t type;
  uint16_t seq, len;
  uint8_t payload[WIRE_PAYLOAD_MAX];
} hil_answer_t;

static hil_answer_t answers[ANSWERS_MAX];
static int answer_count;
static hil_wire_decoder_t host_decoder;
static uint16_t next_seq;

static const uint64_t SEED = 7;

/* Run the agent until it waits for the host; collect what it sends. */
static void hear(void) {
  size_t at = 0, used;
  hil_wire_frame_t frame;
  answer_count = 0;
  while (at < s.sent_len) {
    const int status = wire_decoder_push(&host_decoder, s.sent + at, s.sent_len - at, &used, &frame);
    at += used;
    CHECK(status >= 0);
    if (status != 1 || answer_count == ANSWERS_MAX) continue;
    hil_answer_t *a = &answers[answer_count++];
    a->type = frame.type;
    a->seq = frame.seq;
    a->len = frame.len;
    if (frame.len) memcpy(a->payload, frame.payload, frame.len);
  }
  s.sent_len = 0;
}

static void settle(void) {
  for (int turn = 0; turn < TURNS_MAX; turn++) {
    const size_t before = s.sent_len;
    const uint32_t wait_us = agent_poll(&s.agent);
    if (s.resetted) break;
    if (s.kind == STEP_WAITS && s.sent_len == before) break;
    if (wait_us != UINT32_MAX) s.clock_us += wait_us < 1000 ? wait_us : 1000;
    if (!s.agent.worker.running && !agent_tx_pending(&s.agent)) break;
    if (!s.agent.worker.running && s.sent_len == before && (s.link_down || !s.link_takes)) break;
  }
  hear();
}

static void give(uint8_t type, uint16_t seq, const uint8_t *payload, size_t len) {
  uint8_t frame[WIRE_FRAME_MAX];
  size_t frame_len;
  CHECK_EQ(wire_encode(type, seq, payload, len, frame, sizeof frame, &frame_len), HIL_OK);
  agent_receive(&s.agent, frame, frame_len);
}

static void say(uint8_t type, uint16_t seq, const uint8_t *payload, size_t len) {
  give(type, seq, payload, len);
  settle();
}

static void boot(void) {
  memset(&s, 0, sizeof s);
  s.link_takes = SIZE_MAX;
  s.stack_len = 128;
  s.instructions_max = UINT32_MAX;
  next_seq = 0;
  wire_decoder_init(&host_decoder);
  CHECK_EQ(agent_init(&s.agent, &stub_port, 99, s.words, s.checks, AGENT_CHECKPOINT_WORDS), HIL_OK);
  settle();
}

/* The one answer to the last request, or null (and a failed check). */
static const hil_answer_t *only(uint8_t type) {
  CHECK_EQ(answer_count, 1);
  if (answer_count != 1) return NULL;
  CHECK_EQ(answers[0].type, type);
  return answers[0].type == type ? &answers[0] : NULL;
}

static void expect_done(uint8_t request) {
  hil_done_t m = {0, 0};
  const hil_answer_t *a = only((uint8_t)(request | HIL_MSG_ANSWER));
  CHECK(a && hil_done_unpack(&m, a->payload, a->len) == HIL_OK);
  CHECK_EQ(m.request, request);
}

static void expect_refusal(uint8_t request, int status) {
  hil_refusal_t m = {0, 0, 0};
  const hil_answer_t *a = only(HIL_MSG_ERROR);
  CHECK(a && hil_refusal_unpack(&m, a->payload, a->len) == HIL_OK);
  CHECK_EQ(m.request, request);
  CHECK_EQ(m.status, status);
}

static uint8_t payload[WIRE_PAYLOAD_MAX];
static size_t payload_len;
static uint8_t last_type;

/* One request with a fresh seq and the payload that was just packed. */
static void ask(uint8_t type) {
  last_type = type;
  say(type, ++next_seq, payload, payload_len);
}

static void ask_empty(uint8_t type) {
  payload_len = 0;
  ask(type);
}

static void pack_load(const char *name) {
  hil_load_t m;
  memset(&m, 0, sizeof m);
  strncpy(m.workload, name, sizeof m.workload - 1);
  m.seed = SEED;
  CHECK_EQ(hil_load_pack(&m, payload, sizeof payload, &payload_len), HIL_OK);
}

static void load(const char *name) {
  pack_load(name);
  ask(HIL_MSG_LOAD);
  CHECK(only(HIL_MSG_LOAD | HIL_MSG_ANSWER) != NULL);
}

static void budget(hil_budget_t m) {
  CHECK_EQ(hil_budget_pack(&m, payload, sizeof payload, &payload_len), HIL_OK);
  ask(HIL_MSG_BUDGET);
  expect_done(HIL_MSG_BUDGET);
}

static uint8_t golden_memory_bytes[MEMORY_LEN];
static hil_golden_t golden;

static void golden_begin(const char *name) {
  CHECK_EQ(golden_init(&golden, workload_find(name), SEED, golden_memory_bytes, sizeof golden_memory_bytes),
           HIL_OK);
}

static void pack_step(uint64_t frame) {
  hil_step_t m;
  memset(&m, 0, sizeof m);
  m.frame = frame;
  m.len = (uint16_t)golden.workload->input_len;
  golden.workload->input(m.input, SEED, frame);
  CHECK_EQ(hil_step_pack(&m, payload, sizeof payload, &payload_len), HIL_OK);
}

static hil_reply_t reply;

static int read_reply(void) {
  const hil_answer_t *a = only(HIL_MSG_STEP | HIL_MSG_ANSWER);
  memset(&reply, 0, sizeof reply);
  CHECK(a && hil_reply_unpack(&reply, a->payload, a->len) == HIL_OK);
  return a != NULL;
}

/* One STEP; the reply is in |reply|. */
static void step(uint64_t frame) {
  pack_step(frame);
  ask(HIL_MSG_STEP);
  if (read_reply()) CHECK_EQ(reply.frame, frame);
}

/* One STEP of the next frame, which must be golden. */
static void golden_frame(uint64_t frame) {
  CHECK_EQ(golden.next_frame, frame);
  CHECK_EQ(golden_step(&golden), HIL_OK);
  step(frame);
  CHECK_EQ(reply.status, WORKER_DONE);
  CHECK_EQ(reply.output_digest, golden.output_digest);
  CHECK_EQ(reply.state_digest, golden.state_digest);
  CHECK_EQ(reply.len, golden.workload->output_len);
  CHECK(memcmp(reply.output, golden.output, reply.len) == 0);
}

static void begin(const char *name) {
  boot();
  load(name);
  golden_begin(name);
}

static hil_arm_t flip(uint32_t id, uint64_t frame, uint8_t target, uint32_t tick, uint64_t bit) {
  return (hil_arm_t){.id = id, .frame = frame, .target = target, .at = tick, .kind = UPSET_BIT, .bit = bit};
}

static void ask_arm(const hil_arm_t *m) {
  CHECK_EQ(hil_arm_pack(m, payload, sizeof payload, &payload_len), HIL_OK);
  ask(HIL_MSG_ARM);
}

static void arm(const hil_arm_t *m) {
  ask_arm(m);
  expect_done(HIL_MSG_ARM);
}

static hil_report_t report(uint32_t id) {
  hil_report_t r;
  memset(&r, 0, sizeof r);
  CHECK_EQ(hil_id_pack(id, payload, sizeof payload, &payload_len), HIL_OK);
  ask(HIL_MSG_REPORT);
  const hil_answer_t *a = only(HIL_MSG_REPORT | HIL_MSG_ANSWER);
  CHECK(a && hil_report_unpack(&r, a->payload, a->len) == HIL_OK);
  CHECK_EQ(r.id, id);
  return r;
}

static void ask_sync(uint64_t frame, uint64_t digest) {
  const hil_sync_t m = {frame, digest};
  CHECK_EQ(hil_sync_pack(&m, payload, sizeof payload, &payload_len), HIL_OK);
  ask(HIL_MSG_SYNC);
}

/* Keep the state as it is now; restore what was kept last. */
static hil_sync_t kept;

static void ask_checkpoint(void) {
  kept = (hil_sync_t){s.agent.done_frame, hil_digest64(s.memory, golden.workload->state_len, 0)};
  CHECK_EQ(hil_sync_pack(&kept, payload, sizeof payload, &payload_len), HIL_OK);
  ask(HIL_MSG_CHECKPOINT);
}

static void ask_restore(void) {
  CHECK_EQ(hil_sync_pack(&kept, payload, sizeof payload, &payload_len), HIL_OK);
  ask(HIL_MSG_RESTORE);
}

static void ask_read(uint8_t region, uint32_t offset, uint32_t len) {
  const hil_range_t m = {region, offset, len};
  CHECK_EQ(hil_range_pack(&m, payload, sizeof payload, &payload_len), HIL_OK);
  ask(HIL_MSG_READ);
}

static hil_data_t content;

static void ask_write(uint8_t region, uint32_t offset, const uint8_t *bytes, uint16_t len) {
  memset(&content, 0, sizeof content);
  content.region = region;
  content.offset = offset;
  content.len = len;
  memcpy(content.bytes, bytes, len);
  CHECK_EQ(hil_data_pack(&content, payload, sizeof payload, &payload_len), HIL_OK);
  ask(HIL_MSG_WRITE);
}

static hil_health_t health(void) {
  hil_health_t m;
  memset(&m, 0, sizeof m);
  ask_empty(HIL_MSG_HEALTH);
  const hil_answer_t *a = only(HIL_MSG_HEALTH | HIL_MSG_ANSWER);
  CHECK(a && hil_health_unpack(&m, a->payload, a->len) == HIL_OK);
  return m;
}

/* --- every request in every state ------------------------------------------------------------------ */

enum { STATES = 4 };

static void come_to(hil_agent_state_t state) {
  boot();
  golden_begin("sha256");
  CHECK_EQ(agent_state(&s.agent), AGENT_EMPTY);
  if (state == AGENT_EMPTY) return;
  load("sha256");
  budget((hil_budget_t){.cpu_us = 100000, .max_ticks = 1000});
  if (state == AGENT_RUNNING) {
    s.kind = STEP_WAITS;
    pack_step(0);
    give(HIL_MSG_STEP, 500, payload, payload_len);
    (void)agent_poll(&s.agent);
    CHECK(s.agent.worker.running);
  }
  if (state == AGENT_NO_WORKER) {
    s.kind = STEP_DIES;
    step(0);
    CHECK_EQ(reply.status, WORKER_CRASHED);
    CHECK_EQ(reply.signal, SIGNAL_FAULT);
    s.kind = STEP_RUNS;
  }
  CHECK_EQ(agent_state(&s.agent), state);
}

/* A well-formed request of each type. */
static void pack_request(uint8_t type) {
  const hil_arm_t a = flip(1, 0, TARGET_STATE, 3, 5);
  const hil_budget_t b = {.cpu_us = 1000};
  const hil_spans_query_t q = {REGION_STATE, 16, 0, 2};
  const hil_range_t r = {REGION_STATE, 0, 8};
  const hil_limits_t l = {.duty_permille = 1000};
  const hil_sync_t y = {3, hil_digest64(s.memory, golden.workload->state_len, 0)};
  const hil_sync_t now = {s.agent.done_frame, y.state_digest};
  payload_len = 0;
  memset(&content, 0, sizeof content);
  content.len = 4;
  memcpy(content.bytes, s.memory, 4);
  switch (type) {
    case HIL_MSG_LOAD: pack_load("sha256"); break;
    case HIL_MSG_BUDGET: (void)hil_budget_pack(&b, payload, sizeof payload, &payload_len); break;
    case HIL_MSG_STEP: pack_step(0); break;
    case HIL_MSG_ARM: (void)hil_arm_pack(&a, payload, sizeof payload, &payload_len); break;
    case HIL_MSG_ACTIVATION:
    case HIL_MSG_REPORT: (void)hil_id_pack(1, payload, sizeof payload, &payload_len); break;
    case HIL_MSG_SPANS: (void)hil_spans_query_pack(&q, payload, sizeof payload, &payload_len); break;
    case HIL_MSG_READ: (void)hil_range_pack(&r, payload, sizeof payload, &payload_len); break;
    case HIL_MSG_WRITE: (void)hil_data_pack(&content, payload, sizeof payload, &payload_len); break;
    case HIL_MSG_SYNC: (void)hil_sync_pack(&y, payload, sizeof payload, &payload_len); break;
    case HIL_MSG_CHECKPOINT:
    case HIL_MSG_RESTORE: (void)hil_sync_pack(&now, payload, sizeof payload, &payload_len); break;
    case HIL_MSG_LIMIT: (void)hil_limits_pack(&l, payload, sizeof payload, &payload_len); break;
    case HIL_MSG_PROGRAM:
      (void)hil_program_query_pack(&(hil_program_query_t){0, 1}, payload, sizeof payload, &payload_len);
      break;
    case HIL_MSG_REGIONS:
      (void)hil_regions_query_pack(&(hil_regions_query_t){1}, payload, sizeof payload, &payload_len);
      break;
    case HIL_MSG_BAUD:
      (void)hil_baud_pack(&(hil_baud_t){460800}, payload, sizeof payload, &payload_len);
      break;
    default: break;
  }
}

enum { OK = 0 };

static const struct {
  uint8_t type;
  int want[STATES]; /* OK: the right answer; else the refusal */
} expected[] = {{HIL_MSG_HELLO, {OK, OK, OK, OK}},
                {HIL_MSG_LOAD, {OK, OK, HIL_ERR_STATE, OK}},
                {HIL_MSG_BUDGET, {OK, OK, HIL_ERR_STATE, OK}},
                {HIL_MSG_STEP, {HIL_ERR_STATE, OK, HIL_ERR_STATE, OK}},
                {HIL_MSG_ARM, {HIL_ERR_STATE, OK, HIL_ERR_STATE, OK}},
                {HIL_MSG_REPORT, {HIL_ERR_ARG, HIL_ERR_ARG, HIL_ERR_STATE, HIL_ERR_ARG}},
                {HIL_MSG_SPANS, {HIL_ERR_STATE, OK, HIL_ERR_STATE, OK}},
                {HIL_MSG_READ, {HIL_ERR_STATE, OK, HIL_ERR_STATE, OK}},
                {HIL_MSG_WRITE, {HIL_ERR_STATE, OK, HIL_ERR_STATE, OK}},
                {HIL_MSG_SYNC, {HIL_ERR_STATE, OK, HIL_ERR_STATE, OK}},
                {HIL_MSG_CHECKPOINT, {HIL_ERR_STATE, OK, HIL_ERR_STATE, OK}},
                {HIL_MSG_RESTORE, {HIL_ERR_STATE, HIL_ERR_STATE, HIL_ERR_STATE, HIL_ERR_STATE}},
                {HIL_MSG_RESTART, {HIL_ERR_STATE, OK, HIL_ERR_STATE, OK}},
                {HIL_MSG_RESET, {OK, OK, OK, OK}},
                {HIL_MSG_HEALTH, {OK, OK, OK, OK}},
                {0x00, {HIL_ERR_NOSYS, HIL_ERR_NOSYS, HIL_ERR_STATE, HIL_ERR_NOSYS}},
                {HIL_MSG_LIMIT, {OK, OK, OK, OK}},
                {HIL_MSG_BAUD, {OK, OK, HIL_ERR_STATE, OK}},
                {HIL_MSG_SENSORS, {OK, OK, HIL_ERR_STATE, OK}},
                {HIL_MSG_PROGRAM, {OK, OK, HIL_ERR_STATE, OK}},
                {HIL_MSG_CAMPAIGN_OPEN, {HIL_ERR_NOSYS, HIL_ERR_NOSYS, HIL_ERR_STATE, HIL_ERR_NOSYS}},
                {HIL_MSG_CAMPAIGN_TRACE, {HIL_ERR_NOSYS, HIL_ERR_NOSYS, HIL_ERR_STATE, HIL_ERR_NOSYS}},
                {HIL_MSG_CAMPAIGN_CODE, {HIL_ERR_NOSYS, HIL_ERR_NOSYS, HIL_ERR_STATE, HIL_ERR_NOSYS}},
                {HIL_MSG_CAMPAIGN_RUN, {HIL_ERR_NOSYS, HIL_ERR_NOSYS, HIL_ERR_STATE, HIL_ERR_NOSYS}},
                {HIL_MSG_CAMPAIGN_STRIKE, {HIL_ERR_NOSYS, HIL_ERR_NOSYS, HIL_ERR_STATE, HIL_ERR_NOSYS}},
                {HIL_MSG_CAMPAIGN_DRAW, {HIL_ERR_NOSYS, HIL_ERR_NOSYS, HIL_ERR_STATE, HIL_ERR_NOSYS}},
                {HIL_MSG_CAMPAIGN_CLOSE, {HIL_ERR_NOSYS, HIL_ERR_NOSYS, HIL_ERR_STATE, HIL_ERR_NOSYS}},
                {HIL_MSG_ACTIVATION, {HIL_ERR_ARG, HIL_ERR_ARG, HIL_ERR_STATE, HIL_ERR_ARG}},
                {HIL_MSG_REGIONS, {HIL_ERR_STATE, OK, HIL_ERR_STATE, OK}},
                {HIL_MSG_IMAGE, {OK, OK, HIL_ERR_STATE, OK}},
                {0x23, {HIL_ERR_NOSYS, HIL_ERR_NOSYS, HIL_ERR_STATE, HIL_ERR_NOSYS}},
                {0x7f, {HIL_ERR_NOSYS, HIL_ERR_NOSYS, HIL_ERR_STATE, HIL_ERR_NOSYS}}};
enum { EXPECTED = sizeof expected / sizeof expected[0] };

static void it_announces_itself(void) {
  boot();
  const hil_answer_t *a = only(HIL_MSG_HELLO | HIL_MSG_ANSWER);
  hil_hello_t m;
  CHECK(a && a->seq == 0 && hil_hello_unpack(&m, a->payload, a->len) == HIL_OK);
  CHECK_EQ(m.boot_id, 99);
  CHECK_EQ(m.wire_version, WIRE_VERSION);
  CHECK(strcmp(m.port, "stub") == 0);
  CHECK(m.targets >> TARGET_TEXT & 1u);
  CHECK(!(m.targets >> TARGET_LINK & 1u));
}

static void every_request_in_every_state_has_exactly_one_answer(void) {
  for (size_t i = 0; i < EXPECTED; i++) {
    for (int state = AGENT_EMPTY; state < STATES; state++) {
      come_to((hil_agent_state_t)state);
      pack_request(expected[i].type);
      ask(expected[i].type);
      if (expected[i].want[state] != OK) {
        expect_refusal(expected[i].type, expected[i].want[state]);
      } else {
        CHECK(only((uint8_t)(expected[i].type | HIL_MSG_ANSWER)) != NULL);
      }
      CHECK_EQ(answers[0].seq, next_seq);
      CHECK_EQ(s.resets, expected[i].type == HIL_MSG_RESET);
      if (state == AGENT_RUNNING && expected[i].type != HIL_MSG_RESET) CHECK(s.agent.worker.running);
    }
  }
}

/* The arrows that agent_state.c draws, and no others: what a request of that state leads to. */
static void every_request_leads_to_the_state_that_is_drawn(void) {
  for (size_t i = 0; i < EXPECTED; i++) {
    for (int state = AGENT_EMPTY; state < STATES; state++) {
      if (expected[i].type == HIL_MSG_RESET) continue; /* the port does it */
      come_to((hil_agent_state_t)state);
      pack_request(expected[i].type);
      ask(expected[i].type);
      int want = state;
      if (expected[i].want[state] == OK) {
        if (expected[i].type == HIL_MSG_LOAD) want = AGENT_READY;
        if (expected[i].type == HIL_MSG_RESTART) want = AGENT_READY;
      }
      CHECK_EQ(agent_state(&s.agent), want);
      if (want == AGENT_EMPTY) CHECK(!s.agent.worker.alive && !s.agent.worker.running);
      if (want == AGENT_RUNNING) CHECK(s.agent.worker.alive && s.agent.workload != NULL);
    }
  }
}

static void bit_n_of_the_agents_memory_is_the_same_bit_as_in_every_release(void) {
  enum { LINK = offsetof(hil_agent_t, link) };
  static const struct {
    size_t got, want;
  } places[] = {{offsetof(hil_agent_t, link.tx), 1097},
                {offsetof(hil_agent_t, link.tx_head), 9412},
                {offsetof(hil_agent_t, answer), 9448},
                {offsetof(hil_agent_t, stream), 10496},
                {offsetof(hil_agent_t, budget), 10512},
                {offsetof(hil_agent_t, done_frame), 10528},
                {offsetof(hil_agent_t, worker), 10536},
                {offsetof(hil_agent_t, resetting), 10539},
                {offsetof(hil_agent_t, reset_by_us), 10544},
                {offsetof(hil_agent_t, step), 10552},
                {offsetof(hil_agent_t, last_reply), 10568},
                {offsetof(hil_agent_t, limits), 11084},
                {offsetof(hil_agent_t, timing), 11096},
                {offsetof(hil_agent_t, reply), 11144},
                {offsetof(hil_agent_t, baud), 11448},
                {offsetof(hil_agent_t, counters), 11488},
                {offsetof(hil_agent_t, counters.restarts), 11500}};
  for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
    CHECK_EQ(places[i].got - LINK, places[i].want);
}

static void a_payload_of_the_wrong_length_is_refused_and_changes_nothing(void) {
  static const uint8_t types[] = {HIL_MSG_LOAD,   HIL_MSG_BUDGET, HIL_MSG_STEP, HIL_MSG_ARM,
                                  HIL_MSG_REPORT, HIL_MSG_SPANS,  HIL_MSG_READ, HIL_MSG_WRITE,
                                  HIL_MSG_SYNC,   HIL_MSG_LIMIT,  HIL_MSG_BAUD, HIL_MSG_ACTIVATION};
  for (size_t i = 0; i < sizeof types; i++) {
    come_to(AGENT_READY);
    for (int longer = 0; longer < 2; longer++) {
      pack_request(types[i]);
      payload[payload_len] = 0;
      payload_len = longer ? payload_len + 1 : payload_len - 1;
      ask(types[i]);
      expect_refusal(types[i], HIL_ERR_PAYLOAD);
    }
    golden_frame(0);
  }
}

static void answers_and_echoes_are_not_requests(void) {
  come_to(AGENT_READY);
  for (unsigned type = 0x80; type < 0x100; type++) {
    say((uint8_t)type, 9, NULL, 0);
    CHECK_EQ(answer_count, 0);
  }
}

static void arguments_out_of_range_are_refused(void) {
  come_to(AGENT_READY);
  const uint32_t len = golden.workload->state_len;
  ask_read(REGION_STATE, len, 1);
  expect_refusal(HIL_MSG_READ, HIL_ERR_ARG);
  ask_read(REGION_STATE, 0, len + 1);
  expect_refusal(HIL_MSG_READ, HIL_ERR_ARG);
  ask_read(REGION_STATE, UINT32_MAX, UINT32_MAX);
  expect_refusal(HIL_MSG_READ, HIL_ERR_ARG);
  ask_read(REGION_STATE, 0, 0);
  expect_refusal(HIL_MSG_READ, HIL_ERR_ARG);
  const uint8_t bytes[2] = {1, 2};
  ask_write(REGION_OUTPUT, golden.workload->output_len - 1, bytes, 2);
  expect_refusal(HIL_MSG_WRITE, HIL_ERR_ARG);
  const hil_spans_query_t beyond = {REGION_INPUT, 16, 100, 1};
  (void)hil_spans_query_pack(&beyond, payload, sizeof payload, &payload_len);
  ask(HIL_MSG_SPANS);
  expect_refusal(HIL_MSG_SPANS, HIL_ERR_ARG);
  const hil_budget_t none = {.cpu_us = 0};
  (void)hil_budget_pack(&none, payload, sizeof payload, &payload_len);
  ask(HIL_MSG_BUDGET);
  expect_refusal(HIL_MSG_BUDGET, HIL_ERR_PAYLOAD);
  pack_load("no such thing");
  ask(HIL_MSG_LOAD);
  expect_refusal(HIL_MSG_LOAD, HIL_ERR_NOSYS);
  golden_frame(0); /* and what was loaded is so still */
  pack_step(2);
  ask(HIL_MSG_STEP);
  expect_refusal(HIL_MSG_STEP, HIL_ERR_ARG);
}

/* --- repetition ------------------------------------------------------------------------------------- */

static void a_repeated_request_is_done_once_and_answered_alike(void) {
  static const uint8_t types[] = {HIL_MSG_LOAD,    HIL_MSG_BUDGET, HIL_MSG_STEP, HIL_MSG_ARM,
                                  HIL_MSG_SPANS,   HIL_MSG_WRITE,  HIL_MSG_SYNC, HIL_MSG_CHECKPOINT,
                                  HIL_MSG_RESTART, HIL_MSG_LIMIT};
  for (size_t i = 0; i < sizeof types; i++) {
    come_to(AGENT_READY);
    pack_request(types[i]);
    const unsigned loads = s.loads, steps = s.steps, starts = s.starts;
    ask(types[i]);
    CHECK_EQ(answer_count, 1);
    const hil_answer_t first = answers[0];
    const unsigned done = s.loads - loads + s.steps - steps + s.starts - starts;
    for (int again = 0; again < 3; again++) {
      say(types[i], next_seq, payload, payload_len);
      CHECK_EQ(answer_count, 1);
      CHECK(memcmp(&answers[0], &first, sizeof first - WIRE_PAYLOAD_MAX + first.len) == 0);
    }
    CHECK_EQ(s.loads - loads + s.steps - steps + s.starts - starts, done);
    CHECK_EQ(s.limitings, types[i] == HIL_MSG_LIMIT);
    CHECK_EQ(s.agent.link.duplicates, 3);
  }
}

static void while_a_step_runs_every_other_request_is_answered_busy(void) {
  come_to(AGENT_RUNNING);
  pack_step(0);
  hil_refusal_t m;
  for (int again = 0; again < 3; again++) {
    say(HIL_MSG_STEP, 500, payload, payload_len);
    const hil_answer_t *a = only(HIL_MSG_ERROR);
    CHECK(a && hil_refusal_unpack(&m, a->payload, a->len) == HIL_OK);
    CHECK_EQ(m.status, HIL_ERR_STATE);
    CHECK_EQ(m.detail, 1);
  }
  say(HIL_MSG_STEP, 501, payload, payload_len);
  const hil_answer_t *a = only(HIL_MSG_ERROR);
  CHECK(a && hil_refusal_unpack(&m, a->payload, a->len) == HIL_OK);
  CHECK_EQ(m.detail, 1);
  CHECK_EQ(s.agent.link.duplicates, 3); /* another seq is not a repeat */
  s.kind = STEP_RUNS;
  settle();
  CHECK(read_reply());
  CHECK_EQ(answers[0].seq, 500);
  CHECK_EQ(reply.status, WORKER_DONE);
  CHECK_EQ(s.steps, 1);
}

static void the_last_frame_may_be_asked_for_again_with_a_new_seq(void) {
  begin("sha256");
  golden_frame(0);
  golden_frame(1);
  const hil_reply_t first = reply;
  step(1);
  CHECK(memcmp(&first, &reply, sizeof reply) == 0);
  CHECK_EQ(s.steps, 2);
  pack_step(0); /* but not the one before it */
  ask(HIL_MSG_STEP);
  expect_refusal(HIL_MSG_STEP, HIL_ERR_ARG);
}

static void a_frame_that_failed_never_answers_for_the_one_before(void) {
  begin("sha256");
  golden_frame(0);
  const hil_reply_t good = reply;
  s.kind = STEP_DIES;
  step(1);
  CHECK_EQ(reply.status, WORKER_CRASHED);
  s.kind = STEP_RUNS;
  step(1);
  CHECK_EQ(reply.status, WORKER_ABSENT);
  pack_step(0);
  ask(HIL_MSG_STEP);
  if (answer_count == 1 && answers[0].type == (HIL_MSG_STEP | HIL_MSG_ANSWER)) {
    CHECK(read_reply());
    CHECK_EQ(reply.frame, 0);
    CHECK_EQ(reply.status == WORKER_ABSENT || reply.output_digest == good.output_digest, 1);
  }
  ask_empty(HIL_MSG_RESTART);
  expect_done(HIL_MSG_RESTART);
  golden_frame(1);
}

static void hello_is_never_answered_from_the_cache(void) {
  come_to(AGENT_READY);
  const uint16_t seq = ++next_seq;
  pack_request(HIL_MSG_SYNC);
  say(HIL_MSG_SYNC, seq, payload, payload_len);
  say(HIL_MSG_HELLO, 1, NULL, 0);
  CHECK(only(HIL_MSG_HELLO | HIL_MSG_ANSWER) != NULL);
  pack_request(HIL_MSG_SYNC);
  say(HIL_MSG_SYNC, seq, payload,
      payload_len); /* a new host, whose seq begins again: it must be done again */
  CHECK_EQ(s.agent.link.duplicates, 0);
  CHECK(only(HIL_MSG_SYNC | HIL_MSG_ANSWER) != NULL);
}

/* --- steps ------------------------------------------------------------------------------------------- */

static void every_workload_equals_the_golden_run(void) {
  for (int i = 0; workload_at(i); i++) {
    begin(workload_at(i)->name);
    for (uint64_t frame = 0; frame < 20; frame++) golden_frame(frame);
    CHECK_EQ(reply.ticks, workload_at(i)->ticks);
  }
}

static void a_step_that_uses_up_its_budget_is_hung(void) {
  begin("sha256");
  budget((hil_budget_t){.cpu_us = 5000});
  golden_frame(0);
  s.kind = STEP_HANGS;
  const unsigned kills = s.kills;
  step(1);
  CHECK_EQ(reply.status, WORKER_HUNG);
  CHECK(reply.cpu_us >= 5000 && reply.cpu_us < 6000);
  CHECK_EQ(reply.output_digest, 0);
  CHECK_EQ(reply.len, 0);
  CHECK_EQ(s.kills, kills + 1);
  s.kind = STEP_RUNS;
  step(1);
  CHECK_EQ(reply.status, WORKER_ABSENT);
  ask_empty(HIL_MSG_RESTART);
  expect_done(HIL_MSG_RESTART);
  golden_frame(1);
  const hil_health_t h = health();
  CHECK_EQ(h.hangs, 1);
  CHECK_EQ(h.crashes, 0);
  CHECK_EQ(h.restarts, 1);
  CHECK_EQ(h.steps, 3);
  CHECK_EQ(h.cpu_temp_mc, 42000);
}

static void ticks_beyond_the_budget_are_a_hang_too(void) {
  begin("sha256");
  const uint32_t ticks = golden.workload->ticks;
  budget((hil_budget_t){.cpu_us = 1000000, .max_ticks = ticks});
  golden_frame(0);
  budget((hil_budget_t){.cpu_us = 1000000, .max_ticks = ticks - 1});
  step(1);
  CHECK_EQ(reply.status, WORKER_HUNG);
  CHECK_EQ(reply.ticks, ticks);
  budget((hil_budget_t){.cpu_us = 1000000, .max_ticks = UINT32_MAX}); /* no limit that could wrap */
  load("sha256");
  golden_begin("sha256");
  budget((hil_budget_t){.cpu_us = 1000000, .max_ticks = UINT32_MAX});
  golden_frame(0);
}

static void poll_returns_the_time_until_the_agent_has_work(void) {
  come_to(AGENT_RUNNING);
  const uint32_t wait_us = agent_poll(&s.agent);
  CHECK(wait_us > 0 && wait_us <= 100000);
  come_to(AGENT_READY);
  CHECK_EQ(agent_poll(&s.agent), UINT32_MAX);
}

static void a_restart_keeps_the_state(void) {
  begin("matmul");
  golden_frame(0);
  ask_empty(HIL_MSG_RESTART);
  expect_done(HIL_MSG_RESTART);
  golden_frame(1);
}

/* --- state transfer ---------------------------------------------------------------------------------- */

static void sync_adopts_a_frame_only_with_the_right_digest(void) {
  begin("sha256");
  golden_frame(0);
  const uint64_t digest = golden.state_digest;
  ask_sync(41, digest ^ 1);
  expect_refusal(HIL_MSG_SYNC, HIL_ERR_DAMAGED);
  pack_step(42);
  ask(HIL_MSG_STEP);
  expect_refusal(HIL_MSG_STEP, HIL_ERR_ARG);
  ask_sync(41, digest);
  expect_done(HIL_MSG_SYNC);
  pack_step(41); /* was never computed here */
  ask(HIL_MSG_STEP);
  expect_refusal(HIL_MSG_STEP, HIL_ERR_ARG);
  step(42);
  CHECK_EQ(reply.status, WORKER_DONE);
}

static void a_read_streams_over_a_link_that_takes_little_at_a_time(void) {
  static const size_t takes[] = {1, 7, 100, 1038, 5000, SIZE_MAX};
  static uint8_t got[20000];
  for (size_t i = 0; i < sizeof takes / sizeof takes[0]; i++) {
    begin("matmul");
    const uint32_t len = golden.workload->state_len;
    s.link_takes = takes[i];
    ask_read(REGION_STATE, 3, len - 5);
    memset(got, UNIT_GUARD, sizeof got);
    uint32_t at = 3;
    for (int k = 0; k < answer_count; k++) {
      hil_data_t d;
      CHECK_EQ(answers[k].type, HIL_MSG_READ | HIL_MSG_ANSWER);
      CHECK_EQ(answers[k].seq, next_seq);
      CHECK_EQ(hil_data_unpack(&d, answers[k].payload, answers[k].len), HIL_OK);
      CHECK_EQ(d.offset, at);
      memcpy(got + d.offset, d.bytes, d.len);
      at += d.len;
    }
    CHECK_EQ(at, len - 2);
    CHECK(memcmp(got + 3, s.io.state + 3, len - 5) == 0);
    CHECK_EQ(got[len - 2], UNIT_GUARD);
  }
}

static void a_slow_link_does_not_keep_requests_from_being_answered(void) {
  begin("archive");
  s.link_down = 1;
  ask_read(REGION_STATE, 0, golden.workload->state_len);
  CHECK(agent_tx_pending(&s.agent));
  payload_len = 0;
  give(HIL_MSG_HELLO, 900, NULL, 0); /* queued among the data */
  s.link_down = 0;
  settle();
  int hellos = 0;
  uint64_t bytes = 0;
  for (int k = 0; k < answer_count; k++) {
    if (answers[k].type == (HIL_MSG_HELLO | HIL_MSG_ANSWER)) hellos++;
    if (answers[k].type == (HIL_MSG_READ | HIL_MSG_ANSWER)) bytes += answers[k].len - 7u;
  }
  CHECK_EQ(hellos, 1);
  CHECK_EQ(bytes, golden.workload->state_len);
}

static void a_read_ends_when_its_memory_goes_away(void) {
  begin("archive");
  s.link_down = 1;
  ask_read(REGION_STATE, 0, golden.workload->state_len);
  pack_load("attitude");
  give(HIL_MSG_LOAD, 800, payload, payload_len);
  s.link_down = 0;
  settle();
  const uint32_t len = workload_find("attitude")->state_len;
  int after = 0;
  for (int k = 0; k < answer_count; k++) {
    if (answers[k].type == (HIL_MSG_LOAD | HIL_MSG_ANSWER)) after = 1;
    if (after && answers[k].type == (HIL_MSG_READ | HIL_MSG_ANSWER)) {
      hil_data_t d;
      CHECK_EQ(hil_data_unpack(&d, answers[k].payload, answers[k].len), HIL_OK);
      CHECK(d.offset + d.len <= len);
    }
  }
  CHECK(after);
}

static void a_reset_waits_for_its_answer_within_its_patience(void) {
  begin("archive");
  s.link_takes = 100; /* a READ of a megabyte is under way */
  ask_read(REGION_STATE, 0, golden.workload->state_len);
  s.link_down = 1;
  ask_read(REGION_STATE, 0, golden.workload->state_len);
  s.link_down = 0;
  s.link_takes = SIZE_MAX;
  ask_empty(HIL_MSG_RESET);
  CHECK_EQ(s.resets, 1);
  CHECK_EQ(answers[answer_count - 1].type, HIL_MSG_RESET | HIL_MSG_ANSWER);
  CHECK(answer_count < 20);

  begin("sha256");
  s.link_down = 1;
  give(HIL_MSG_RESET, 5, NULL, 0);
  const uint32_t wait_us = agent_poll(&s.agent);
  CHECK_EQ(s.resets, 0);
  CHECK(wait_us > 0 && wait_us <= AGENT_RESET_PATIENCE_US);
  s.clock_us += wait_us;
  (void)agent_poll(&s.agent);
  CHECK_EQ(s.resets, 1);
}

static void span_digests_are_those_of_the_region(void) {
  begin("matmul");
  golden_frame(0);
  for (uint8_t region = 0; region < 3; region++) {
    const uint32_t len = region == 0 ? 9216 : 64;
    const uint8_t *base = region == 0 ? golden.state : region == 1 ? golden.input : golden.output;
    const hil_spans_query_t q = {region, 48, 0, (uint16_t)(region == 0 ? 64 : 2)};
    (void)hil_spans_query_pack(&q, payload, sizeof payload, &payload_len);
    ask(HIL_MSG_SPANS);
    hil_spans_t m;
    const hil_answer_t *a = only(HIL_MSG_SPANS | HIL_MSG_ANSWER);
    CHECK(a && hil_spans_unpack(&m, a->payload, a->len) == HIL_OK);
    for (uint32_t i = 0; i < q.count; i++) {
      const uint32_t part = len - i * 48 < 48 ? len - i * 48 : 48;
      CHECK_EQ(m.digests[i], hil_digest64(base + i * 48, part, 0));
    }
  }
}

/* --- checkpoints -------------------------------------------------------------------------------------- */

static void checkpoints_are_taken_when_asked_and_restored(void) {
  begin("sha256");
  for (uint64_t frame = 0; frame < 8; frame++) golden_frame(frame);
  ask_checkpoint();
  hil_sync_t m;
  const hil_answer_t *a = only(HIL_MSG_CHECKPOINT | HIL_MSG_ANSWER);
  CHECK(a && hil_sync_unpack(&m, a->payload, a->len) == HIL_OK);
  CHECK_EQ(m.frame, 7);
  CHECK_EQ(m.state_digest, golden.state_digest);
  golden_frame(8);
  golden_frame(9);
  ask_restore();
  a = only(HIL_MSG_RESTORE | HIL_MSG_ANSWER);
  CHECK(a && hil_sync_unpack(&m, a->payload, a->len) == HIL_OK);
  CHECK_EQ(m.frame, 7);
  CHECK_EQ(m.state_digest, kept.state_digest);
  golden_begin("sha256");
  for (uint64_t frame = 0; frame < 8; frame++) CHECK_EQ(golden_step(&golden), HIL_OK);
  golden_frame(8);
  golden_frame(9);
}

static void a_state_that_is_not_the_agreed_one_is_not_kept(void) {
  begin("sha256");
  golden_frame(0);
  ask_checkpoint();
  golden_frame(1);
  const hil_sync_t good = {1, golden.state_digest};
  const hil_sync_t other_state = {good.frame, good.state_digest ^ 1}, other_frame = {0, good.state_digest};
  CHECK_EQ(hil_sync_pack(&other_state, payload, sizeof payload, &payload_len), HIL_OK);
  ask(HIL_MSG_CHECKPOINT);
  expect_refusal(HIL_MSG_CHECKPOINT, HIL_ERR_DAMAGED);
  CHECK_EQ(hil_sync_pack(&other_frame, payload, sizeof payload, &payload_len), HIL_OK);
  ask(HIL_MSG_CHECKPOINT);
  expect_refusal(HIL_MSG_CHECKPOINT, HIL_ERR_STATE);
  ask_restore(); /* the one before is there still */
  CHECK(only(HIL_MSG_RESTORE | HIL_MSG_ANSWER) != NULL);
}

static void a_checkpoint_that_it_does_not_have_is_not_restored(void) {
  begin("sha256");
  golden_frame(0);
  ask_checkpoint();
  golden_frame(1);
  kept.state_digest ^= 1;
  ask_restore();
  expect_refusal(HIL_MSG_RESTORE, HIL_ERR_STATE);
  golden_frame(2); /* its state is as it was */
}

static void a_checkpoint_before_the_first_frame_goes_back_to_none(void) {
  begin("sha256");
  ask_checkpoint();
  golden_frame(0);
  ask_restore();
  hil_sync_t m;
  const hil_answer_t *a = only(HIL_MSG_RESTORE | HIL_MSG_ANSWER);
  CHECK(a && hil_sync_unpack(&m, a->payload, a->len) == HIL_OK);
  CHECK_EQ(m.frame, UINT64_MAX);
  golden_begin("sha256");
  golden_frame(0);
}

static void a_flipped_bit_of_a_checkpoint_is_put_right_by_scrubbing(void) {
  begin("sha256");
  const uint32_t words = golden.workload->state_len / 8;
  budget((hil_budget_t){.cpu_us = 1000000, .scrub_words = 8});
  golden_frame(0);
  const uint64_t digest = golden.state_digest;
  ask_checkpoint();
  const hil_arm_t a = flip(5, 1, TARGET_CHECKPOINT, 2, 77);
  arm(&a);
  golden_frame(1);
  const hil_report_t r = report(5);
  CHECK_EQ(r.state, UPSET_INJECTED);
  CHECK_EQ(r.verified, 1);
  CHECK_EQ(r.bit, 77);
  CHECK_EQ(r.space, golden.workload->state_len * 8);
  for (uint64_t frame = 2; frame < 2 + words; frame++) golden_frame(frame);
  const hil_health_t h = health();
  CHECK_EQ(h.corrected, 1);
  CHECK_EQ(h.uncorrected, 0);
  ask_restore();
  hil_sync_t m;
  const hil_answer_t *answer = only(HIL_MSG_RESTORE | HIL_MSG_ANSWER);
  CHECK(answer && hil_sync_unpack(&m, answer->payload, answer->len) == HIL_OK);
  CHECK_EQ(m.state_digest, digest);
}

static void two_flipped_bits_of_a_checkpoint_word_are_not_restored(void) {
  begin("sha256");
  golden_frame(0);
  ask_checkpoint();
  const hil_arm_t first = flip(1, 1, TARGET_CHECKPOINT, 0, 64), second = flip(2, 1, TARGET_CHECKPOINT, 0, 90);
  arm(&first);
  arm(&second);
  golden_frame(1);
  CHECK_EQ(report(2).verified, 1);
  ask_restore();
  expect_refusal(HIL_MSG_RESTORE, HIL_ERR_DAMAGED);
  CHECK_EQ(health().uncorrected, 1);
}

static void without_a_checkpoint_its_upset_is_missed(void) {
  begin("sha256");
  const hil_arm_t a = flip(5, 0, TARGET_CHECKPOINT, 2, 77);
  arm(&a);
  golden_frame(0);
  CHECK_EQ(report(5).state, UPSET_MISSED);
}

/* --- upsets -------------------------------------------------------------------------------------------- */

static void an_upset_hits_at_its_position_and_tick(void) {
  static const uint8_t targets[] = {TARGET_STATE, TARGET_INPUT, TARGET_OUTPUT};
  for (size_t t = 0; t < sizeof targets; t++) {
    for (uint32_t tick = 0; tick <= 16; tick++) {
      begin("sha256");
      golden_frame(0);
      const uint64_t bit = tick * 131u + 17u;
      const hil_arm_t a = flip(40 + tick, 1, targets[t], tick, bit);
      arm(&a);
      CHECK_EQ(report(40 + tick).state, UPSET_ARMED);
      step(1);
      CHECK_EQ(reply.pending, 1);
      const hil_report_t r = report(40 + tick);
      CHECK_EQ(r.state, UPSET_INJECTED);
      CHECK_EQ(r.verified, 1);
      CHECK_EQ(r.changed, 1);
      CHECK_EQ(r.frame, 1);
      CHECK_EQ(r.tick, tick);
      CHECK_EQ(r.steps, 0);
      CHECK_EQ(r.bit, bit % r.space);
      CHECK_EQ(r.len, 1);
      CHECK_EQ(r.before[0] ^ r.after[0], 1u << r.bit % 8);
      if (tick == 0) CHECK_EQ(r.at_us, 0); /* nothing of this step has run yet */
    }
  }
}

static void a_position_that_is_not_reached_is_missed(void) {
  begin("sha256");
  const hil_arm_t late = flip(1, 0, TARGET_STATE, golden.workload->ticks + 1, 3),
                  never = flip(2, 0, TARGET_STATE, UINT32_MAX, 3);
  arm(&late);
  arm(&never);
  golden_frame(0);
  CHECK_EQ(reply.pending, 2);
  for (uint32_t id = 1; id <= 2; id++) {
    const hil_report_t r = report(id);
    CHECK_EQ(r.state, UPSET_MISSED);
    CHECK_EQ(r.verified, 0);
    CHECK_EQ(r.detail, HIL_ERR_STATE);
  }
}

static hil_activation_t activation(uint32_t id) {
  hil_activation_t m;
  memset(&m, 0, sizeof m);
  CHECK_EQ(hil_id_pack(id, payload, sizeof payload, &payload_len), HIL_OK);
  ask(HIL_MSG_ACTIVATION);
  const hil_answer_t *a = only(HIL_MSG_ACTIVATION | HIL_MSG_ANSWER);
  CHECK(a && hil_activation_unpack(&m, a->payload, a->len) == HIL_OK);
  CHECK_EQ(m.id, id);
  return m;
}

static void the_bytes_that_an_upset_changed_are_watched_until_the_step_ends(void) {
  begin("sha256");
  hil_arm_t across = flip(1, 0, TARGET_STATE, 3, 15);
  across.kind = UPSET_ADJACENT;
  across.width = 2;
  arm(&across);
  s.first = FIRST_OVERWRITTEN;
  step(0);
  CHECK_EQ(s.watches, 1);
  CHECK_EQ(s.watched.target, TARGET_STATE);
  CHECK_EQ(s.watched.offset, 1);
  CHECK_EQ(s.watched.changed, 3);
  CHECK(!s.watch);
  CHECK_EQ(activation(1).first, FIRST_OVERWRITTEN);
  CHECK_EQ(activation(1).reason, UNWATCHED_NOT);
  CHECK_EQ(hil_id_pack(2, payload, sizeof payload, &payload_len), HIL_OK);
  ask(HIL_MSG_ACTIVATION);
  expect_refusal(HIL_MSG_ACTIVATION, HIL_ERR_ARG);
}

static void what_has_no_first_access_is_not_watched(void) {
  begin("sha256");
  golden_frame(0);
  ask_checkpoint();
  CHECK(only(HIL_MSG_CHECKPOINT | HIL_MSG_ANSWER) != NULL);
  const hil_arm_t kept_copy = flip(1, 1, TARGET_CHECKPOINT, 0, 5);
  hil_arm_t stuck = flip(2, 1, TARGET_STATE, 0, 5), same = flip(3, 1, TARGET_STACK, 0, 0);
  const hil_arm_t missed = flip(4, 1, TARGET_STATE, 1000000, 5);
  stuck.kind = UPSET_STUCK;
  stuck.value = !(s.memory[0] >> 5 & 1u);
  same.kind = UPSET_ZERO_WORD;
  same.width = 8;
  arm(&kept_copy);
  arm(&stuck);
  arm(&same);
  arm(&missed);
  step(1);
  CHECK_EQ(s.watches, 0);
  CHECK_EQ(activation(1).reason, UNWATCHED_TARGET);
  CHECK_EQ(activation(2).reason, UNWATCHED_STUCK);
  CHECK(report(3).state == UPSET_INJECTED && !report(3).changed);
  CHECK_EQ(activation(3).reason, UNWATCHED_NOT);
  CHECK_EQ(activation(4).reason, UNWATCHED_NOT);
  for (uint32_t id = 1; id <= 4; id++) CHECK_EQ(activation(id).first, FIRST_UNKNOWN);
}

static void a_board_that_can_watch_nothing_refuses_to_be_asked(void) {
  begin("sha256");
  s.agent.port.watch = NULL;
  const hil_arm_t a = flip(1, 0, TARGET_STATE, 3, 5);
  arm(&a);
  step(0);
  CHECK_EQ(report(1).state, UPSET_INJECTED);
  CHECK_EQ(hil_id_pack(1, payload, sizeof payload, &payload_len), HIL_OK);
  ask(HIL_MSG_ACTIVATION);
  expect_refusal(HIL_MSG_ACTIVATION, HIL_ERR_NOSYS);
}

static void a_board_that_does_not_know_its_image_refuses_to_be_asked(void) {
  begin("sha256");
  s.agent.port.image = NULL;
  payload_len = 0;
  ask(HIL_MSG_IMAGE);
  expect_refusal(HIL_MSG_IMAGE, HIL_ERR_NOSYS);
}

static void a_step_that_dies_misses_the_upsets_behind(void) {
  begin("sha256");
  const hil_arm_t crash = {.id = 1, .target = TARGET_CPU, .at = 5, .kind = SEFI_CRASH};
  const hil_arm_t behind = flip(2, 0, TARGET_STATE, 6, 3);
  arm(&crash);
  arm(&behind);
  step(0);
  CHECK_EQ(reply.status, WORKER_CRASHED);
  CHECK_EQ(reply.ticks, 5);
  CHECK_EQ(report(1).state, UPSET_INJECTED);
  CHECK_EQ(report(1).verified, 1);
  CHECK_EQ(report(2).state, UPSET_MISSED);
}

static void a_frozen_processor_is_hung(void) {
  begin("sha256");
  const hil_arm_t hang = {.id = 1, .target = TARGET_CPU, .at = 5, .kind = SEFI_HANG};
  arm(&hang);
  step(0);
  CHECK_EQ(reply.status, WORKER_HUNG);
  CHECK_EQ(report(1).state, UPSET_INJECTED);
}

static void a_board_that_resets_sends_nothing_more(void) {
  for (uint32_t tick = 0; tick < 8; tick += 7) {
    begin("sha256");
    const hil_arm_t reset = {.id = 1, .target = TARGET_CPU, .at = tick, .kind = SEFI_RESET};
    arm(&reset);
    pack_step(0);
    ask(HIL_MSG_STEP);
    CHECK_EQ(answer_count, 0);
    CHECK_EQ(s.resets, 1);
  }
}

static void instructions_are_counted_from_the_tick_for_each_upset_alone(void) {
  begin("sha256");
  hil_arm_t a = flip(1, 0, TARGET_STATE, 3, 8), b = flip(2, 0, TARGET_STATE, 3, 9),
            c = flip(3, 0, TARGET_STATE, 3, 10);
  a.steps = 50;
  b.steps = 20;
  c.steps = 50;
  arm(&a);
  arm(&b);
  arm(&c);
  step(0);
  CHECK_EQ(s.instructions, 50);
  CHECK_EQ(report(1).steps, 50);
  CHECK_EQ(report(1).pc_offset, 50);
  CHECK_EQ(report(2).steps, 20);
  CHECK_EQ(report(2).pc_offset, 20);
  CHECK_EQ(report(3).pc_offset, 50);
  CHECK_EQ(report(3).tick, 3);
}

static void a_step_that_ends_while_instructions_are_counted_misses(void) {
  begin("sha256");
  s.instructions_max = 30;
  hil_arm_t a = flip(1, 0, TARGET_STATE, 3, 8);
  a.steps = 50;
  arm(&a);
  step(0);
  const hil_report_t r = report(1);
  CHECK_EQ(r.state, UPSET_MISSED);
  CHECK_EQ(r.steps, 30);
}

static void more_instructions_than_can_be_waited_for_are_refused(void) {
  begin("sha256");
  hil_arm_t a = flip(1, 0, TARGET_STATE, 3, 8);
  a.steps = AGENT_ADVANCE_MAX + 1;
  ask_arm(&a);
  expect_refusal(HIL_MSG_ARM, HIL_ERR_ARG);
  a.steps = UINT32_MAX;
  ask_arm(&a);
  expect_refusal(HIL_MSG_ARM, HIL_ERR_ARG);
}

static hil_report_t hit_exactly(uint8_t kind, uint8_t width, uint64_t bit) {
  begin("sha256");
  hil_arm_t a = flip(1, 0, TARGET_STATE, 0, bit | (uint64_t)1 << ARM_EXACT_SHIFT);
  a.kind = kind;
  a.width = width;
  arm(&a);
  step(0);
  return report(1);
}

static void a_position_that_was_named_is_hit_or_nothing_is(void) {
  begin("sha256");
  const uint64_t bits = golden.workload->state_len * 8u;
  const struct {
    uint8_t kind, width;
    uint64_t last;
  } cases[] = {{UPSET_BIT, 1, bits - 1},       {UPSET_STUCK, 1, bits - 1},
               {UPSET_ADJACENT, 2, bits - 2},  {UPSET_ADJACENT, 64, bits - 64},
               {UPSET_ZERO_WORD, 8, bits - 1}, {UPSET_RANDOM_WORD, 64, bits - 1}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    hil_report_t r = hit_exactly(cases[i].kind, cases[i].width, cases[i].last);
    CHECK_EQ(r.state, UPSET_INJECTED);
    CHECK_EQ(r.bit, cases[i].last);
    const uint64_t beyond[] = {cases[i].last + 1, bits, UINT64_MAX >> 1};
    for (size_t k = 0; k < 3; k++) {
      r = hit_exactly(cases[i].kind, cases[i].width, beyond[k]);
      CHECK_EQ(r.state, UPSET_FAILED);
      CHECK_EQ(r.detail, HIL_ERR_ARG);
      CHECK_EQ(r.space, bits);
      CHECK_EQ(r.changed, 0);
      CHECK_EQ(r.len, 0);
    }
  }
}

static void what_cannot_be_armed_is_refused(void) {
  begin("sha256");
  golden_frame(0);
  hil_arm_t a = flip(1, 0, TARGET_STATE, 3, 8); /* that frame is over */
  ask_arm(&a);
  expect_refusal(HIL_MSG_ARM, HIL_ERR_STATE);
  a = flip(1, 1, TARGET_LINK, 3, 8);
  ask_arm(&a);
  expect_refusal(HIL_MSG_ARM, HIL_ERR_ARG);
  a = flip(1, 1, TARGET_GPR, 3, 8);
  a.kind = UPSET_STUCK;
  ask_arm(&a);
  expect_refusal(HIL_MSG_ARM, HIL_ERR_ARG);
  a = flip(9, 1, TARGET_GPR, 3, 8); /* this port has no registers: the report shows it */
  arm(&a);
  golden_frame(1);
  CHECK_EQ(report(9).state, UPSET_FAILED);
  CHECK_EQ(report(9).detail, HIL_ERR_NOSYS);
}

static void the_table_of_upsets_is_full_only_with_armed_ones(void) {
  begin("sha256");
  hil_arm_t a = flip(1, 1000, TARGET_STATE, 0, 0); /* waits for long */
  arm(&a);
  for (uint64_t frame = 0; frame < 10; frame++) { /* many come and go meanwhile */
    for (uint32_t i = 0; i < 20; i++) {
      a = flip((uint32_t)(100 + frame * 20 + i), frame, TARGET_OUTPUT, 0, i);
      arm(&a);
    }
    golden_frame(frame);
    CHECK_EQ(reply.pending, 20);
  }
  CHECK_EQ(report(1).state, UPSET_ARMED);
  CHECK_EQ(report(299).state, UPSET_INJECTED); /* the newest reports are kept */
  CHECK_EQ(report(280).state, UPSET_INJECTED);
  for (uint32_t i = 0; i < AGENT_UPSETS_MAX - 1; i++) {
    a = flip(1000 + i, 1000, TARGET_STATE, 0, i);
    arm(&a);
  }
  a = flip(5000, 1000, TARGET_STATE, 0, 0);
  for (int again = 0; again < 3; again++) {
    ask_arm(&a);
    expect_refusal(HIL_MSG_ARM, HIL_ERR_EXHAUSTED);
  }
  a = flip(1000, 10, TARGET_OUTPUT, 0, 0); /* the same id: in its place */
  arm(&a);
  golden_frame(10);
  a = flip(5000, 1000, TARGET_STATE, 0, 0);
  arm(&a);
}

static void frames_that_are_passed_over_miss_their_upsets(void) {
  begin("sha256");
  golden_frame(0);
  const hil_arm_t a = flip(1, 5, TARGET_STATE, 0, 0), later = flip(2, 11, TARGET_STATE, 0, 0);
  arm(&a);
  arm(&later);
  ask_sync(10, golden.state_digest);
  expect_done(HIL_MSG_SYNC);
  CHECK_EQ(report(1).state, UPSET_MISSED);
  CHECK_EQ(report(2).state, UPSET_ARMED);
  step(11);
  CHECK_EQ(reply.pending, 1);
  CHECK_EQ(agent_quiet_ready(&s.agent, 12), HIL_OK);
}

static void a_frame_done_again_does_not_report_its_upsets_again(void) {
  begin("sha256");
  golden_frame(0);
  ask_checkpoint();
  const hil_arm_t a = flip(1, 1, TARGET_STATE, 20, 0), b = flip(2, 1, TARGET_STATE, 16, 8 * 200);
  arm(&a);
  arm(&b);
  step(1);
  CHECK_EQ(reply.pending, 2);
  const hil_report_t first = report(2);
  CHECK_EQ(first.state, UPSET_INJECTED);
  CHECK_EQ(first.persisted, 1);
  ask_restore();
  golden_frame(1); /* it does not strike twice */
  CHECK_EQ(reply.pending, 0);
  const hil_report_t again = report(2);
  CHECK(memcmp(&first, &again, sizeof first) == 0);
  CHECK_EQ(report(1).state, UPSET_MISSED);
}

/* --- stuck cells ------------------------------------------------------------------------------------- */

static hil_arm_t stick(uint32_t id, uint64_t frame, uint8_t target, uint64_t bit, uint64_t value,
                       uint32_t hold) {
  hil_arm_t a = flip(id, frame, target, 0, bit);
  a.kind = UPSET_STUCK;
  a.value = value;
  a.hold_frames = hold;
  return a;
}

static void a_stuck_cell_holds_against_writes_and_steps_until_released(void) {
  begin("sha256");
  golden_frame(0);
  const uint64_t bit = 8 * 50 + 2; /* of the links, which steps overwrite */
  const uint8_t was = s.io.state[50] >> 2 & 1u;
  const hil_arm_t a = stick(1, 1, TARGET_STATE, bit, !was, 3);
  arm(&a);
  const uint8_t zero = 0, ones = 0xff;
  for (uint64_t frame = 1; frame <= 3; frame++) {
    step(frame);
    CHECK_EQ(s.io.state[50] >> 2 & 1u, !was);
    ask_write(REGION_STATE, 50, was ? &ones : &zero, 1);
    expect_done(HIL_MSG_WRITE);
    CHECK_EQ(s.io.state[50] >> 2 & 1u, frame < 3 ? !was : was); /* released with its last frame */
  }
  CHECK_EQ(report(1).verified, 1);
  CHECK_EQ(agent_quiet_ready(&s.agent, 4), HIL_OK);
}

static void a_stuck_cell_makes_sync_refuse_and_outlives_a_restart(void) {
  begin("sha256");
  golden_frame(0);
  const uint8_t was = s.io.state[60] & 1u;
  const hil_arm_t a = stick(1, 1, TARGET_STATE, 8 * 60, !was, 0);
  arm(&a);
  CHECK_EQ(golden_step(&golden), HIL_OK);
  step(1);
  for (uint32_t at = 0; at < golden.workload->state_len; at += 8) {
    ask_write(REGION_STATE, at, golden.state + at, 8);
    expect_done(HIL_MSG_WRITE);
  }
  ask_sync(1, golden.state_digest);
  expect_refusal(HIL_MSG_SYNC, HIL_ERR_DAMAGED);
  ask_empty(HIL_MSG_RESTART);
  ask_write(REGION_STATE, 60, golden.state + 60, 1);
  CHECK_EQ(s.io.state[60] & 1u, !was);
  ask_checkpoint();
  load("sha256"); /* fresh memory is sound */
  golden_begin("sha256");
  golden_frame(0);
}

static void a_stuck_stack_cell_stays_where_it_is_when_the_stack_moves(void) {
  begin("sha256");
  const hil_arm_t a = stick(1, 0, TARGET_STACK, 8 * 10, 1, 0); /* 10 above the top of 128: fixed place 394 */
  arm(&a);
  step(0);
  CHECK_EQ(s.stack[STACK_LEN - 128 + 10], 1);
  memset(s.stack, 0, sizeof s.stack);
  s.stack_len = 200;
  step(1);
  CHECK_EQ(s.stack[STACK_LEN - 128 + 10], 1);
  CHECK_EQ(s.stack[STACK_LEN - 200 + 10], 0);
  memset(s.stack, 0, sizeof s.stack);
  s.stack_len = 16; /* shrunk past it: out of reach */
  step(2);
  CHECK_EQ(s.stack[STACK_LEN - 128 + 10], 0);
  CHECK_EQ(s.stack[STACK_LEN - 16 + 10], 0);
}

static void more_stuck_cells_than_can_be_held_are_refused(void) {
  begin("sha256");
  for (uint32_t i = 0; i <= AGENT_STUCK_MAX; i++) {
    const hil_arm_t a = stick(i + 1, 0, TARGET_INPUT, 8 * i, 1, 0);
    arm(&a);
  }
  step(0);
  for (uint32_t i = 0; i < AGENT_STUCK_MAX; i++) CHECK_EQ(report(i + 1).state, UPSET_INJECTED);
  CHECK_EQ(report(AGENT_STUCK_MAX + 1).state, UPSET_FAILED);
  CHECK_EQ(report(AGENT_STUCK_MAX + 1).detail, HIL_ERR_EXHAUSTED);
}

/* --- wall-clock triggers -------------------------------------------------------------------------------- */

static void a_wall_clock_trigger_does_not_lift_the_other_stops(void) {
  begin("sha256");
  budget((hil_budget_t){.cpu_us = 1000000, .max_ticks = 10});
  hil_arm_t a = flip(1, 0, TARGET_STATE, 250, 3);
  a.trigger = TRIGGER_US;
  a.steps = 5;
  arm(&a);
  s.kind = STEP_WAITS; /* until the trigger has struck */
  pack_step(0);
  give(HIL_MSG_STEP, 300, payload, payload_len);
  for (int turn = 0; turn < 20; turn++) (void)agent_poll(&s.agent);
  CHECK_EQ(s.advances, 1);
  s.kind = STEP_RUNS;
  settle();
  CHECK(read_reply());
  CHECK_EQ(reply.status, WORKER_HUNG); /* the runaway is still found */
  const hil_report_t r = report(1);
  CHECK_EQ(r.state, UPSET_INJECTED);
  CHECK(r.at_us >= 250 && r.at_us < 1000);
}

static void a_wall_clock_trigger_after_the_end_is_missed(void) {
  begin("sha256");
  hil_arm_t a = flip(1, 0, TARGET_STATE, 900000, 3);
  a.trigger = TRIGGER_US;
  arm(&a);
  golden_frame(0);
  CHECK_EQ(report(1).state, UPSET_MISSED);
}

/* --- limits ------------------------------------------------------------------------------------------- */

static hil_limited_t limited;

static void ask_limits(uint16_t duty_permille, uint8_t suspend, uint8_t cores) {
  const hil_limits_t m = {.duty_permille = duty_permille, .suspend = suspend, .cores = cores};
  CHECK_EQ(hil_limits_pack(&m, payload, sizeof payload, &payload_len), HIL_OK);
  ask(HIL_MSG_LIMIT);
}

static void limit(uint16_t duty_permille, uint8_t suspend, uint8_t cores) {
  ask_limits(duty_permille, suspend, cores);
  const hil_answer_t *a = only(HIL_MSG_LIMIT | HIL_MSG_ANSWER);
  memset(&limited, 0, sizeof limited);
  CHECK(a && hil_limited_unpack(&limited, a->payload, a->len) == HIL_OK);
}

static void a_limit_is_answered_with_what_holds(void) {
  come_to(AGENT_EMPTY);
  limit(1000, 0, 0);
  CHECK_EQ(limited.duty_permille, 1000);
  CHECK_EQ(limited.suspend, 0);
  CHECK_EQ(limited.cores, 4);
  CHECK_EQ(limited.refused, 0);
  CHECK_EQ(limited.means, MEANS_AFFINITY);
  limit(40, 1, 2);
  CHECK_EQ(limited.duty_permille, 40);
  CHECK_EQ(limited.suspend, 1);
  CHECK_EQ(limited.cores, 2);
  CHECK_EQ(limited.means, MEANS_HOLD | MEANS_SLICE | MEANS_STOP | MEANS_AFFINITY);
  CHECK_EQ(s.limits.cores, 2);
  s.fail_at = s.calls + 1;
  limit(1000, 0, 3);
  CHECK_EQ(limited.refused, LIMIT_CORES);
  CHECK_EQ(limited.detail, 5);
  s.agent.port.limit = NULL; /* a port that has nothing to turn */
  const hil_limits_t all = {.duty_permille = 7, .cores = 1, .suspend = 0, .clock_khz = 1, .mode = "x"};
  CHECK_EQ(hil_limits_pack(&all, payload, sizeof payload, &payload_len), HIL_OK);
  ask(HIL_MSG_LIMIT);
  const hil_answer_t *a = only(HIL_MSG_LIMIT | HIL_MSG_ANSWER);
  CHECK(a && hil_limited_unpack(&limited, a->payload, a->len) == HIL_OK);
  CHECK_EQ(limited.refused, LIMIT_CORES | LIMIT_CLOCK | LIMIT_MODE);
  CHECK_EQ(limited.detail, 0);
  CHECK_EQ(limited.duty_permille, 7);
  limit(1000, 0, 0);
  CHECK_EQ(limited.refused | limited.means, 0);
}

static void an_answer_is_withheld_for_as_long_as_the_duty_says(void) {
  static const uint16_t duties[] = {1000, 999, 500, 250, 3, 1};
  for (size_t i = 0; i < sizeof duties / sizeof duties[0]; i++) {
    begin("sha256");
    limit(duties[i], 0, 0);
    for (uint64_t frame = 0; frame < 3; frame++) {
      CHECK_EQ(golden_step(&golden), HIL_OK);
      pack_step(frame);
      give(HIL_MSG_STEP, ++next_seq, payload, payload_len);
      uint32_t wait_us = agent_poll(&s.agent); /* the stub's step takes 100 us, then it is over */
      const uint64_t due_us = (100u * 1000u + duties[i] - 1u) / duties[i];
      if (duties[i] < 1000) {
        hear();
        CHECK_EQ(answer_count, 0);
        CHECK_EQ(wait_us, due_us - 100);
        s.clock_us += wait_us - 1; /* and not a microsecond sooner */
        CHECK_EQ(agent_poll(&s.agent), 1);
        hear();
        CHECK_EQ(answer_count, 0);
        s.clock_us++;
        wait_us = agent_poll(&s.agent);
      }
      CHECK_EQ(wait_us, UINT32_MAX);
      hear();
      CHECK(read_reply());
      CHECK_EQ(reply.status, WORKER_DONE);
      CHECK_EQ(reply.step_us, due_us);
      CHECK_EQ(reply.state_digest, golden.state_digest);
      CHECK_EQ(s.interrupts, 0); /* it is far shorter than a slice */
    }
  }
}

static void while_an_answer_is_withheld_the_agent_answers_other_requests(void) {
  begin("sha256");
  limit(1, 0, 0);
  pack_step(0);
  const uint16_t seq = ++next_seq;
  give(HIL_MSG_STEP, seq, payload, payload_len);
  CHECK(agent_poll(&s.agent) > 90000);
  static const uint8_t types[] = {HIL_MSG_HELLO, HIL_MSG_HEALTH};
  for (size_t i = 0; i < sizeof types; i++) {
    payload_len = 0;
    give(types[i], ++next_seq, payload, payload_len);
    (void)agent_poll(&s.agent);
    hear();
    CHECK(only((uint8_t)(types[i] | HIL_MSG_ANSWER)) != NULL);
  }
  pack_step(0);
  give(HIL_MSG_STEP, seq, payload, payload_len);
  (void)agent_poll(&s.agent);
  hear();
  hil_refusal_t m;
  const hil_answer_t *a = only(HIL_MSG_ERROR);
  CHECK(a && hil_refusal_unpack(&m, a->payload, a->len) == HIL_OK);
  CHECK_EQ(m.status, HIL_ERR_STATE);
  CHECK_EQ(m.detail, 1);
  const hil_limits_t none = {.duty_permille = 1000};
  CHECK_EQ(hil_limits_pack(&none, payload, sizeof payload, &payload_len), HIL_OK);
  give(HIL_MSG_LIMIT, ++next_seq, payload, payload_len); /* which lets the answer go */
  CHECK_EQ(agent_poll(&s.agent), UINT32_MAX);
  hear();
  CHECK_EQ(answer_count, 2);
  CHECK_EQ(answers[0].type, HIL_MSG_LIMIT | HIL_MSG_ANSWER);
  CHECK_EQ(answers[1].type, HIL_MSG_STEP | HIL_MSG_ANSWER);
  CHECK_EQ(answers[1].seq, seq);
  CHECK_EQ(s.steps, 1);
}

/* A step that never ends, on a clock that advances only by what agent_poll asks for. */
static void run_for(uint64_t us) {
  const uint64_t end_us = s.clock_us + us;
  while (s.clock_us < end_us) {
    const uint32_t wait_us = agent_poll(&s.agent);
    const uint64_t left_us = end_us > s.clock_us ? end_us - s.clock_us : 0;
    s.clock_us += wait_us < left_us ? wait_us : left_us;
    if (!s.stands) s.cpu_us += wait_us < left_us ? wait_us : left_us;
  }
}

static void a_long_step_runs_in_slices(void) {
  static const struct {
    uint16_t duty;
    unsigned slices; /* in 10 s */
  } cases[] = {{1000, 0}, {900, 1000}, {500, 1000}, {100, 1000}, {10, 200}, {1, 20}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    begin("sha256");
    budget((hil_budget_t){.cpu_us = UINT64_MAX, .max_ticks = 1000});
    limit(cases[i].duty, 0, 0);
    s.kind = STEP_WAITS;
    pack_step(0);
    give(HIL_MSG_STEP, 700, payload, payload_len);
    run_for(10000000);
    CHECK(s.interrupts + 30 >= cases[i].slices * 9 / 10 && s.interrupts <= cases[i].slices);
    const uint64_t share_us = 10000u * (uint64_t)cases[i].duty;
    CHECK(s.cpu_us <= share_us + 10000 && s.cpu_us >= share_us * 8 / 10);
    s.kind = STEP_RUNS;
    settle();
    CHECK(read_reply());
    CHECK_EQ(reply.status, WORKER_DONE);
    CHECK(reply.step_us >= 10000000);
  }
}

static void no_pause_makes_a_hang_and_none_hides_one(void) {
  begin("sha256");
  budget((hil_budget_t){.cpu_us = 100000, .max_ticks = 1000});
  limit(10, 0, 0);
  s.kind = STEP_WAITS;
  pack_step(0);
  give(HIL_MSG_STEP, 700, payload, payload_len);
  run_for(5000000); /* 50 ms of work */
  hear();
  CHECK_EQ(answer_count, 0);
  CHECK(s.agent.worker.running);
  for (int turn = 0; turn < 1000 && s.agent.worker.running; turn++) run_for(100000);
  hear();
  CHECK(read_reply());
  CHECK_EQ(reply.status, WORKER_HUNG);
  CHECK(reply.step_us >= 8000000);
}

static void a_suspended_board_refuses_steps_and_keeps_its_state(void) {
  begin("sha256");
  golden_frame(0);
  limit(1000, 1, 0);
  CHECK_EQ(limited.suspend, 1);
  hil_refusal_t m;
  pack_step(1);
  ask(HIL_MSG_STEP);
  const hil_answer_t *a = only(HIL_MSG_ERROR);
  CHECK(a && hil_refusal_unpack(&m, a->payload, a->len) == HIL_OK);
  CHECK_EQ(m.status, HIL_ERR_STATE);
  CHECK_EQ(m.detail, 2);
  CHECK_EQ(s.steps, 1);
  step(0); /* what was computed may be asked for */
  CHECK_EQ(reply.state_digest, golden.state_digest);
  uint64_t output, state;
  CHECK_EQ(agent_step_quiet(&s.agent, 1, &output, &state), HIL_ERR_STATE);
  CHECK_EQ(health().steps, 1);
  limit(1000, 0, 0);
  golden_frame(1);
}

static void a_step_under_way_is_suspended_and_goes_on(void) {
  begin("sha256");
  budget((hil_budget_t){.cpu_us = 1000000, .max_ticks = 1000});
  limit(500, 0, 0);
  s.kind = STEP_WAITS;
  CHECK_EQ(golden_step(&golden), HIL_OK);
  pack_step(0);
  give(HIL_MSG_STEP, 700, payload, payload_len);
  run_for(2000);
  const hil_limits_t stop = {.duty_permille = 500, .suspend = 1};
  CHECK_EQ(hil_limits_pack(&stop, payload, sizeof payload, &payload_len), HIL_OK);
  give(HIL_MSG_LIMIT, 701, payload, payload_len);
  CHECK(s.stands); /* before the answer */
  const uint64_t used_us = s.cpu_us;
  for (int turn = 0; turn < 100; turn++) {
    CHECK_EQ(agent_poll(&s.agent), UINT32_MAX);
    s.clock_us += 100000;
  }
  CHECK(s.stands);
  CHECK_EQ(s.cpu_us, used_us);
  hear();
  CHECK_EQ(answer_count, 1);
  CHECK_EQ(answers[0].type, HIL_MSG_LIMIT | HIL_MSG_ANSWER);
  const hil_limits_t go = {.duty_permille = 500};
  CHECK_EQ(hil_limits_pack(&go, payload, sizeof payload, &payload_len), HIL_OK);
  give(HIL_MSG_LIMIT, 702, payload, payload_len);
  const uint64_t lifted_us = s.clock_us;
  run_for(200000); /* no credit from the suspension: half of the time again */
  CHECK(s.cpu_us - used_us <= 110000);
  CHECK(s.cpu_us - used_us >= 70000);
  CHECK(s.clock_us >= lifted_us + 200000);
  s.kind = STEP_RUNS;
  settle();
  CHECK_EQ(answer_count, 2);
  CHECK_EQ(hil_reply_unpack(&reply, answers[1].payload, answers[1].len), HIL_OK);
  CHECK_EQ(reply.status, WORKER_DONE);
  CHECK_EQ(reply.state_digest, golden.state_digest);
  CHECK(reply.step_us >= 10000000);
}

static void positions_are_the_same_under_any_duty(void) {
  static const uint16_t duties[] = {1000, 700, 20};
  hil_report_t first[2];
  memset(first, 0, sizeof first);
  for (size_t i = 0; i < sizeof duties / sizeof duties[0]; i++) {
    begin("sha256");
    hil_arm_t at_tick = flip(1, 0, TARGET_STATE, 5, 77), behind = flip(2, 0, TARGET_TEXT, 9, 3);
    behind.steps = 40;
    arm(&at_tick);
    arm(&behind);
    limit(duties[i], 0, 0);
    s.kind = STEP_WAITS;
    pack_step(0);
    give(HIL_MSG_STEP, 700, payload, payload_len);
    run_for(50000);
    s.kind = STEP_RUNS;
    settle();
    CHECK(read_reply());
    for (uint32_t id = 1; id <= 2; id++) {
      hil_report_t r = report(id);
      CHECK_EQ(r.state, UPSET_INJECTED);
      r.at_us = 0;
      if (!i) first[id - 1] = r;
      CHECK(memcmp(&r, &first[id - 1], sizeof r) == 0);
    }
  }
}

static void a_wall_clock_trigger_counts_the_time_that_ran(void) {
  begin("sha256");
  hil_arm_t a = flip(1, 0, TARGET_STATE, 30000, 3);
  a.trigger = TRIGGER_US;
  arm(&a);
  limit(100, 0, 0);
  s.kind = STEP_WAITS;
  pack_step(0);
  give(HIL_MSG_STEP, 300, payload, payload_len);
  run_for(250000);
  CHECK_EQ(s.agent.injector.upsets[0].report.state, UPSET_ARMED);
  run_for(150000);
  CHECK_EQ(s.agent.injector.upsets[0].report.state, UPSET_INJECTED);
  s.kind = STEP_RUNS;
  settle();
  CHECK(read_reply());
}

static void a_step_that_dies_in_a_pause_is_reported(void) {
  begin("sha256");
  limit(10, 0, 0);
  s.kind = STEP_WAITS;
  pack_step(0);
  give(HIL_MSG_STEP, 300, payload, payload_len);
  run_for(20000);
  CHECK(s.stands);
  s.worker = 0; /* it was killed as it stood */
  s.kind = STEP_RUNS;
  settle();
  CHECK(read_reply());
  CHECK_EQ(reply.status, WORKER_CRASHED);
  ask_empty(HIL_MSG_RESTART);
  expect_done(HIL_MSG_RESTART);
  golden_frame(0);
}

static void without_an_interrupt_a_running_step_cannot_be_limited(void) {
  come_to(AGENT_RUNNING);
  s.agent.port.interrupt = NULL;
  ask_limits(500, 0, 0);
  expect_refusal(HIL_MSG_LIMIT, HIL_ERR_STATE);
  s.kind = STEP_RUNS;
  settle();
  CHECK(read_reply());
  limit(500, 0, 0);
  CHECK_EQ(limited.means, MEANS_HOLD | MEANS_AFFINITY);
}

/* --- noise, and hostile bytes ----------------------------------------------------------------------------- */

static uint64_t random_state;

static uint32_t random_u32(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return (uint32_t)((random_state * 0x2545F4914F6CDD1DU) >> 32);
}

static void noise_is_answered_by_one_nak_a_burst(void) {
  begin("sha256");
  uint8_t burst[300];
  for (size_t i = 0; i < sizeof burst; i++) burst[i] = (uint8_t)(i % 5 ? 0x55 : 0);
  const uint8_t zero = 0;
  agent_receive(&s.agent, burst, sizeof burst);
  settle();
  CHECK_EQ(answer_count, 0); /* it may end in the beginning of a frame */
  agent_receive(&s.agent, &zero, 1);
  settle();
  hil_nak_t m;
  const hil_answer_t *a = only(HIL_MSG_NAK);
  CHECK(a && a->seq == 0 && hil_nak_unpack(&m, a->payload, a->len) == HIL_OK);
  CHECK_EQ(m.reason, HIL_ERR_PAYLOAD);
  agent_receive(&s.agent, &zero, 1);
  settle();
  CHECK_EQ(answer_count, 0);
  CHECK(health().rx_errors > 10);
  golden_frame(0);
}

/* A transmitter that wakes makes a byte before each frame: the request is carried out, once, and the
 * host is not asked to send it again. However the bytes are cut. */
static void noise_before_a_request_is_not_answered(void) {
  for (size_t noise = 1; noise < 140; noise += noise < 4 ? 1 : 45) {
    for (size_t first = 1; first < noise + 11; first++) {
      begin("sha256");
      uint8_t bytes[140 + WIRE_FRAME_MAX];
      size_t len;
      memset(bytes, 0xf8, noise);
      CHECK_EQ(wire_encode(HIL_MSG_HELLO, ++next_seq, NULL, 0, bytes + noise, WIRE_FRAME_MAX, &len), HIL_OK);
      const uint64_t errors = s.agent.link.decoder.counters.format_errors;
      if (first == noise + 1) continue; /* cut after the delimiter: then there is a NAK */
      agent_receive(&s.agent, bytes, first);
      agent_receive(&s.agent, bytes + first, noise + len - first);
      settle();
      CHECK(only(HIL_MSG_HELLO | HIL_MSG_ANSWER) != NULL);
      CHECK_EQ(s.agent.link.decoder.counters.format_errors, errors + 1);
    }
  }
}

static void a_damaged_request_after_a_good_one_is_answered_by_nak(void) {
  begin("sha256");
  uint8_t bytes[64];
  size_t len;
  CHECK_EQ(wire_encode(HIL_MSG_HELLO, ++next_seq, NULL, 0, bytes, sizeof bytes, &len), HIL_OK);
  memcpy(bytes + len, "\x00\x05\x44\x00", 4);
  agent_receive(&s.agent, bytes, len + 4);
  settle();
  CHECK_EQ(answer_count, 2);
  CHECK_EQ(answers[0].type, HIL_MSG_HELLO | HIL_MSG_ANSWER);
  CHECK_EQ(answers[1].type, HIL_MSG_NAK);
}

/* Random bytes of a random request, often almost right. */
static void hostile_request(void) {
  const uint8_t type = (uint8_t)(random_u32() % 8 ? 1 + random_u32() % 16 : random_u32());
  pack_request(type == HIL_MSG_RESET ? HIL_MSG_HEALTH : type);
  if (type == HIL_MSG_ARM) {
    hil_arm_t a = {.id = random_u32() % 100,
                   .frame = s.agent.done_frame + 1 + random_u32() % 3,
                   .trigger = (uint8_t)(random_u32() % 2),
                   .target = (uint8_t)(random_u32() % 11),
                   .at = random_u32() % 24,
                   .steps = random_u32() % 3 ? 0 : random_u32() % 100,
                   .hold_frames = random_u32() % 3,
                   .kind = (uint8_t)(1 + random_u32() % 5),
                   .width = (uint8_t)(random_u32() % 2 ? 32 : random_u32()),
                   .bit = (uint64_t)random_u32() << 32 | random_u32(),
                   .value = random_u32()};
    if (a.target == TARGET_CPU) a.kind = (uint8_t)(1 + random_u32() % 2);
    (void)hil_arm_pack(&a, payload, sizeof payload, &payload_len);
  }
  if (type == HIL_MSG_STEP) pack_step(s.agent.done_frame + random_u32() % 3);
  if (type == HIL_MSG_READ) {
    const hil_range_t r = {(uint8_t)(random_u32() % 3), random_u32() % 400, random_u32() % 400};
    (void)hil_range_pack(&r, payload, sizeof payload, &payload_len);
  }
  if (type == HIL_MSG_LIMIT) {
    const uint16_t duty = (uint16_t)(random_u32() % 3 ? 500 + random_u32() % 502 : 0);
    const hil_limits_t l = {.duty_permille = duty, /* less would make hangs last for hours */
                            .cores = (uint8_t)random_u32(),
                            .suspend = random_u32() % 8 == 0};
    (void)hil_limits_pack(&l, payload, sizeof payload, &payload_len);
  }
  if (type == HIL_MSG_LOAD) pack_load(random_u32() % 2 ? "sha256" : "attitude");
  if (random_u32() % 3 == 0 && payload_len && type != HIL_MSG_BUDGET) { /* no endless budget */
    for (uint32_t k = random_u32() % 4; k-- > 0;) payload[random_u32() % payload_len] = (uint8_t)random_u32();
  }
  if (random_u32() % 16 == 0) payload_len = random_u32() % 100;
  /* A stray RESET or an upset that resets would end the life of this agent. */
  const uint8_t sent = type == HIL_MSG_RESET ? HIL_MSG_HEALTH : type;
  static const hil_step_kind_t kinds[] = {STEP_RUNS, STEP_RUNS, STEP_RUNS, STEP_RUNS, STEP_DIES, STEP_HANGS};
  s.kind = kinds[random_u32() % 6];
  ask(sent);
  int direct = 0;
  for (int k = 0; k < answer_count; k++) {
    CHECK_EQ(answers[k].seq, next_seq);
    CHECK(answers[k].type & HIL_MSG_ANSWER);
    direct += answers[k].type != (HIL_MSG_READ | HIL_MSG_ANSWER);
  }
  CHECK(direct <= 1);
  CHECK(answer_count >= 1 || (sent & HIL_MSG_ANSWER) || s.resetted);
  CHECK(!s.agent.worker.running || s.resetted);
}

static void random_requests_are_each_answered_and_do_no_harm(void) {
  random_state = 20250401;
  come_to(AGENT_READY);
  for (int round = 0; round < 20000; round++) {
    hostile_request();
    if (s.resetted) come_to(AGENT_READY);
  }
  s.kind = STEP_RUNS;
  limit(1000, 0, 0);
  load("matmul");
  golden_begin("matmul");
  golden_frame(0);
}

static void random_bytes_do_no_harm(void) {
  random_state = 20250402;
  come_to(AGENT_READY);
  uint8_t bytes[600];
  for (int round = 0; round < 2000; round++) {
    const size_t len = random_u32() % sizeof bytes;
    for (size_t i = 0; i < len; i++) bytes[i] = (uint8_t)(random_u32() % 3 ? random_u32() : 0);
    agent_receive(&s.agent, bytes, len);
    settle();
    CHECK(answer_count <= 1);
  }
  const uint8_t zero = 0;
  agent_receive(&s.agent, &zero, 1);
  settle();
  golden_frame(0);
}

/* --- the line's rate --------------------------------------------------------------------------------------- */

static void pack_baud(uint32_t baud) {
  const hil_baud_t m = {baud};
  CHECK_EQ(hil_baud_pack(&m, payload, sizeof payload, &payload_len), HIL_OK);
}

/* Let |us| pass, as a port does: it calls when the agent wants it. */
static void pass_us(uint64_t us) {
  const uint64_t end_us = s.clock_us + us;
  for (int turn = 0; turn < TURNS_MAX && s.clock_us < end_us; turn++) {
    const uint32_t wait_us = agent_poll(&s.agent);
    CHECK(wait_us > 0);
    s.clock_us = wait_us < end_us - s.clock_us ? s.clock_us + wait_us : end_us;
  }
  (void)agent_poll(&s.agent);
  hear();
}

static void ask_baud(uint32_t baud) {
  hil_baud_t m = {1};
  pack_baud(baud);
  ask(HIL_MSG_BAUD);
  const hil_answer_t *a = only(HIL_MSG_BAUD | HIL_MSG_ANSWER);
  CHECK(a && hil_baud_unpack(&m, a->payload, a->len) == HIL_OK);
  CHECK_EQ(m.baud, baud);
}

static void garble(size_t len) {
  const uint8_t noise = 0x3C;
  for (size_t i = 0; i < len; i++) agent_receive(&s.agent, &noise, 1);
}

/* What a host sends before it repeats a request. */
static void delimit(void) {
  const uint8_t zero = 0;
  agent_receive(&s.agent, &zero, 1);
  settle();
}

static void a_rate_that_is_asked_for_is_on_trial_until_a_frame_comes(void) {
  boot();
  ask_baud(921600);
  CHECK_EQ(s.baud, 0); /* the answer needs its time on the line */
  pass_us(19000);
  CHECK_EQ(s.baud, 0);
  pass_us(11000);
  CHECK_EQ(s.baud, 921600);
  ask_empty(HIL_MSG_HELLO);
  pass_us(3600ull * 1000000u); /* silence alone does not change the rate */
  CHECK_EQ(s.baud, 921600);
  ask_baud(0);
  pass_us(30000);
  CHECK_EQ(s.baud, 0);
  pass_us(2000000);
  CHECK_EQ(s.baud, 0);
}

static void a_rate_without_a_good_frame_is_given_up(void) {
  boot();
  ask_baud(460800);
  pass_us(900000);
  CHECK_EQ(s.baud, 460800);
  garble(100); /* noise is not a frame */
  pass_us(200000);
  CHECK_EQ(s.baud, 0);
  delimit();
  ask_empty(HIL_MSG_HELLO);
  CHECK(only(HIL_MSG_HELLO | HIL_MSG_ANSWER) != NULL);
}

static void garbage_at_a_raised_rate_ends_it(void) {
  boot();
  for (int round = 0; round < 3; round++) {
    ask_baud(921600);
    pass_us(30000);
    ask_empty(HIL_MSG_HELLO);
    garble(22); /* a glitch that is too short to act on */
    pass_us(5000000);
    CHECK_EQ(s.baud, 921600);
    delimit();
    ask_empty(HIL_MSG_HEALTH); /* ends the count */
    garble(40);
    pass_us(600000);
    CHECK_EQ(s.baud, 921600);
    delimit();
    ask_empty(HIL_MSG_HEALTH); /* a noisy line, but a line */
    garble(12);
    pass_us(600000);
    garble(12);
    pass_us(90000);
    CHECK_EQ(s.baud, 921600);
    pass_us(20000);
    CHECK_EQ(s.baud, 0);
    delimit();
  }
}

static void a_baud_request_that_comes_again_is_carried_out_again(void) {
  boot();
  pack_baud(921600);
  say(HIL_MSG_BAUD, 7, payload, payload_len);
  say(HIL_MSG_BAUD, 7, payload, payload_len); /* the answer was lost */
  CHECK(only(HIL_MSG_BAUD | HIL_MSG_ANSWER) != NULL);
  pass_us(30000);
  CHECK_EQ(s.baud, 921600);
  pass_us(1100000);
  CHECK_EQ(s.baud, 0);
  say(HIL_MSG_BAUD, 7, payload, payload_len);
  CHECK(only(HIL_MSG_BAUD | HIL_MSG_ANSWER) != NULL);
  pass_us(30000);
  CHECK_EQ(s.baud, 921600);
}

static void a_rate_that_cannot_be_is_refused_or_given_up(void) {
  begin("sha256");
  pack_baud(12345);
  ask(HIL_MSG_BAUD);
  expect_refusal(HIL_MSG_BAUD, HIL_ERR_ARG);
  payload_len = 3;
  ask(HIL_MSG_BAUD);
  expect_refusal(HIL_MSG_BAUD, HIL_ERR_PAYLOAD);

  s.baud_breaks = 1; /* the line knows it, but the system does not let it */
  ask_baud(460800);
  pass_us(2000000);
  CHECK_EQ(s.baud, 0);
  s.baud_breaks = 0;

  s.bauds_busy = 10; /* bytes stand in the driver */
  ask_baud(460800);
  pass_us(200000);
  CHECK_EQ(s.baud, 460800);
  ask_empty(HIL_MSG_HELLO);

  s.link_down = 1; /* a line that takes no bytes: the answer never leaves */
  pack_baud(921600);
  give(HIL_MSG_BAUD, ++next_seq, payload, payload_len);
  pass_us(1200000);
  CHECK_EQ(s.baud, 0);
  s.link_down = 0;
  settle();
  golden_frame(0);

  s.kind = STEP_WAITS;
  pack_step(1);
  ask(HIL_MSG_STEP);
  pack_baud(921600);
  ask(HIL_MSG_BAUD);
  expect_refusal(HIL_MSG_BAUD, HIL_ERR_STATE);
}

static void a_reset_is_answered_at_the_raised_rate_and_leaves_the_safe_one(void) {
  boot();
  ask_baud(921600);
  pass_us(30000);
  ask_empty(HIL_MSG_HELLO);
  payload_len = 0;
  give(HIL_MSG_RESET, ++next_seq, payload, 0);
  pass_us(15000);
  expect_done(HIL_MSG_RESET);
  CHECK_EQ(s.baud, 921600);
  CHECK_EQ(s.resets, 0);
  for (int turn = 0; turn < 100 && !s.resetted; turn++) {
    (void)agent_poll(&s.agent);
    s.clock_us += 1000;
  }
  CHECK_EQ(s.baud, 0);
  CHECK_EQ(s.resets, 1);
}

static void a_link_without_a_rate_refuses_baud(void) {
  boot();
  s.agent.port.set_baud = NULL;
  pack_baud(921600);
  ask(HIL_MSG_BAUD);
  expect_refusal(HIL_MSG_BAUD, HIL_ERR_NOSYS);
  pass_us(2000000);
}

/* --- workloads of the port ---------------------------------------------------------------------------------- */

static void a_workload_of_the_port_is_loaded_like_any(void) {
  begin("sha256");
  load("exec:echo");
  golden_begin("sha256");
  golden_frame(0);
  golden_frame(1);
  CHECK_EQ(s.finds, 1);
}

static void a_name_without_the_prefix_is_not_looked_for(void) {
  begin("sha256");
  pack_load("echo");
  ask(HIL_MSG_LOAD);
  expect_refusal(HIL_MSG_LOAD, HIL_ERR_NOSYS);
  CHECK_EQ(s.finds, 0);
  golden_frame(0); /* nothing was unloaded */
}

static void a_program_that_does_not_come_up_is_waited_for_once(void) {
  begin("sha256");
  pack_load("exec:bad");
  for (int again = 0; again < 4; again++) {
    say(HIL_MSG_LOAD, 900, payload, payload_len);
    expect_refusal(HIL_MSG_LOAD, HIL_ERR_IO);
    CHECK_EQ(s.finds, 1);
  }
  say(HIL_MSG_LOAD, 901, payload, payload_len);
  CHECK_EQ(s.finds, 2);
  pack_step(0);
  ask(HIL_MSG_STEP);
  expect_refusal(HIL_MSG_STEP, HIL_ERR_STATE); /* what was loaded before is discarded */
  load("sha256");
  golden_begin("sha256");
  golden_frame(0);
}

static void without_such_workloads_they_are_unknown(void) {
  begin("sha256");
  s.agent.port.find = NULL;
  pack_load("exec:echo");
  ask(HIL_MSG_LOAD);
  expect_refusal(HIL_MSG_LOAD, HIL_ERR_NOSYS);
  golden_frame(0);
}

/* --- fail the Nth callback -------------------------------------------------------------------------------- */

/* Each request gets an answer, good or bad; false: it wedged. */
static int answered(void) {
  const int got = answer_count >= 1 && answers[answer_count - 1].seq == next_seq;
  CHECK(got);
  CHECK(!s.agent.worker.running);
  return got;
}

static void scenario(void) {
  hil_arm_t arms[4] = {flip(1, 1, TARGET_STATE, 3, 100),
                       flip(2, 1, TARGET_TEXT, 4, 5),
                       {.id = 3, .frame = 2, .target = TARGET_CPU, .at = 6, .kind = SEFI_CRASH},
                       stick(4, 1, TARGET_TEXT, 9, 1, 1)};
  arms[1].steps = 7;
  pack_load("sha256");
  ask(HIL_MSG_LOAD);
  (void)answered();
  for (int i = 0; i < 4; i++) {
    ask_arm(&arms[i]);
    (void)answered();
  }
  for (uint64_t frame = 0; frame < 3; frame++) {
    pack_step(frame);
    ask(HIL_MSG_STEP);
    (void)answered();
    ask_empty(HIL_MSG_RESTART);
    (void)answered();
  }
  ask_checkpoint();
  (void)answered();
  ask_restore();
  (void)answered();
  ask_read(REGION_STATE, 0, 296);
  (void)answered();
  ask_limits(500, 0, 2);
  (void)answered();
  pack_step(s.agent.done_frame + 1);
  ask(HIL_MSG_STEP);
  (void)answered();
  ask_limits(1000, 0, 0);
  (void)answered();
  ask_empty(HIL_MSG_HEALTH);
  (void)answered();
}

static void whichever_callback_fails_the_agent_answers_and_recovers(void) {
  unsigned n = 0, made;
  do {
    boot();
    golden_begin("sha256");
    s.fail_at = ++n + s.calls;
    scenario();
    made = s.calls;
    s.fail_at = 0;
    load("sha256");
    golden_begin("sha256");
    golden_frame(0);
    golden_frame(1);
  } while (s.agent.boot_id && n < made && n < 1000);
  CHECK(n > 40 && n < 1000);
}

/* --- start ------------------------------------------------------------------------------------------------- */

static void null_pointers_are_the_callers_fault(void) {
  boot();
  CHECK_EQ(agent_init(NULL, &stub_port, 1, s.words, s.checks, 8), HIL_ERR_ARG);
  CHECK_EQ(agent_init(&s.agent, NULL, 1, s.words, s.checks, 8), HIL_ERR_ARG);
  CHECK_EQ(agent_init(&s.agent, &stub_port, 1, NULL, s.checks, 8), HIL_ERR_ARG);
  CHECK_EQ(agent_init(&s.agent, &stub_port, 1, s.words, NULL, 8), HIL_ERR_ARG);
}

static void a_quiet_step_wants_a_quiet_board(void) {
  begin("sha256");
  uint64_t output, state;
  golden_frame(0);
  CHECK_EQ(agent_step_quiet(&s.agent, 0, &output, &state), HIL_ERR_STATE);
  CHECK_EQ(agent_step_quiet(&s.agent, 2, &output, &state), HIL_ERR_STATE);
  const hil_arm_t a = flip(1, 50, TARGET_STATE, 0, 0);
  arm(&a);
  CHECK_EQ(agent_step_quiet(&s.agent, 1, &output, &state), HIL_ERR_STATE);
  limit(250, 0, 0);
  ask_sync(60, golden.state_digest);
  expect_done(HIL_MSG_SYNC);
  CHECK_EQ(agent_quiet_ready(&s.agent, 61), HIL_OK);
  golden.workload->input(s.memory + (s.io.input - s.memory), SEED, 1);
  CHECK_EQ(golden_step(&golden), HIL_OK);
  CHECK_EQ(agent_step_quiet(&s.agent, 61, &output, &state), WORKER_DONE);
  CHECK_EQ(output, golden.output_digest);
  CHECK_EQ(state, golden.state_digest);
  CHECK_EQ(agent_withheld_us(&s.agent), 300); /* for the port's clock to add */
  s.kind = STEP_DIES;
  CHECK_EQ(agent_step_quiet(&s.agent, 62, &output, &state), WORKER_CRASHED);
  CHECK_EQ(output | state, 0);
  CHECK_EQ(agent_step_quiet(&s.agent, 62, &output, &state), HIL_ERR_STATE);
}

static void run_requests_and_frames(void) {
  RUN(it_announces_itself);
  RUN(a_board_that_does_not_know_its_image_refuses_to_be_asked);
  RUN(every_request_in_every_state_has_exactly_one_answer);
  RUN(every_request_leads_to_the_state_that_is_drawn);
  RUN(bit_n_of_the_agents_memory_is_the_same_bit_as_in_every_release);
  RUN(a_payload_of_the_wrong_length_is_refused_and_changes_nothing);
  RUN(answers_and_echoes_are_not_requests);
  RUN(arguments_out_of_range_are_refused);
  RUN(a_repeated_request_is_done_once_and_answered_alike);
  RUN(while_a_step_runs_every_other_request_is_answered_busy);
  RUN(the_last_frame_may_be_asked_for_again_with_a_new_seq);
  RUN(a_frame_that_failed_never_answers_for_the_one_before);
  RUN(hello_is_never_answered_from_the_cache);
  RUN(every_workload_equals_the_golden_run);
  RUN(a_step_that_uses_up_its_budget_is_hung);
  RUN(ticks_beyond_the_budget_are_a_hang_too);
  RUN(poll_returns_the_time_until_the_agent_has_work);
  RUN(a_restart_keeps_the_state);
  RUN(sync_adopts_a_frame_only_with_the_right_digest);
  RUN(a_read_streams_over_a_link_that_takes_little_at_a_time);
  RUN(a_slow_link_does_not_keep_requests_from_being_answered);
  RUN(a_read_ends_when_its_memory_goes_away);
  RUN(a_reset_waits_for_its_answer_within_its_patience);
  RUN(span_digests_are_those_of_the_region);
  RUN(checkpoints_are_taken_when_asked_and_restored);
  RUN(a_state_that_is_not_the_agreed_one_is_not_kept);
  RUN(a_checkpoint_that_it_does_not_have_is_not_restored);
  RUN(a_checkpoint_before_the_first_frame_goes_back_to_none);
  RUN(a_flipped_bit_of_a_checkpoint_is_put_right_by_scrubbing);
  RUN(two_flipped_bits_of_a_checkpoint_word_are_not_restored);
  RUN(without_a_checkpoint_its_upset_is_missed);
}

static void run_upsets(void) {
  RUN(an_upset_hits_at_its_position_and_tick);
  RUN(a_position_that_is_not_reached_is_missed);
  RUN(the_bytes_that_an_upset_changed_are_watched_until_the_step_ends);
  RUN(what_has_no_first_access_is_not_watched);
  RUN(a_board_that_can_watch_nothing_refuses_to_be_asked);
  RUN(a_step_that_dies_misses_the_upsets_behind);
  RUN(a_frozen_processor_is_hung);
  RUN(a_board_that_resets_sends_nothing_more);
  RUN(instructions_are_counted_from_the_tick_for_each_upset_alone);
  RUN(a_step_that_ends_while_instructions_are_counted_misses);
  RUN(more_instructions_than_can_be_waited_for_are_refused);
  RUN(a_position_that_was_named_is_hit_or_nothing_is);
  RUN(what_cannot_be_armed_is_refused);
  RUN(the_table_of_upsets_is_full_only_with_armed_ones);
  RUN(frames_that_are_passed_over_miss_their_upsets);
  RUN(a_frame_done_again_does_not_report_its_upsets_again);
  RUN(a_stuck_cell_holds_against_writes_and_steps_until_released);
  RUN(a_stuck_cell_makes_sync_refuse_and_outlives_a_restart);
  RUN(a_stuck_stack_cell_stays_where_it_is_when_the_stack_moves);
  RUN(more_stuck_cells_than_can_be_held_are_refused);
  RUN(a_wall_clock_trigger_does_not_lift_the_other_stops);
  RUN(a_wall_clock_trigger_after_the_end_is_missed);
}

static void run_limits_noise_and_workloads(void) {
  RUN(a_limit_is_answered_with_what_holds);
  RUN(an_answer_is_withheld_for_as_long_as_the_duty_says);
  RUN(while_an_answer_is_withheld_the_agent_answers_other_requests);
  RUN(a_long_step_runs_in_slices);
  RUN(no_pause_makes_a_hang_and_none_hides_one);
  RUN(a_suspended_board_refuses_steps_and_keeps_its_state);
  RUN(a_step_under_way_is_suspended_and_goes_on);
  RUN(positions_are_the_same_under_any_duty);
  RUN(a_wall_clock_trigger_counts_the_time_that_ran);
  RUN(a_step_that_dies_in_a_pause_is_reported);
  RUN(without_an_interrupt_a_running_step_cannot_be_limited);
  RUN(noise_is_answered_by_one_nak_a_burst);
  RUN(noise_before_a_request_is_not_answered);
  RUN(a_damaged_request_after_a_good_one_is_answered_by_nak);
  RUN(random_requests_are_each_answered_and_do_no_harm);
  RUN(random_bytes_do_no_harm);
  RUN(a_rate_that_is_asked_for_is_on_trial_until_a_frame_comes);
  RUN(a_rate_without_a_good_frame_is_given_up);
  RUN(garbage_at_a_raised_rate_ends_it);
  RUN(a_baud_request_that_comes_again_is_carried_out_again);
  RUN(a_rate_that_cannot_be_is_refused_or_given_up);
  RUN(a_reset_is_answered_at_the_raised_rate_and_leaves_the_safe_one);
  RUN(a_link_without_a_rate_refuses_baud);
  RUN(a_workload_of_the_port_is_loaded_like_any);
  RUN(a_name_without_the_prefix_is_not_looked_for);
  RUN(a_program_that_does_not_come_up_is_waited_for_once);
  RUN(without_such_workloads_they_are_unknown);
  RUN(whichever_callback_fails_the_agent_answers_and_recovers);
  RUN(null_pointers_are_the_callers_fault);
  RUN(a_quiet_step_wants_a_quiet_board);
}

int main(void) {
  run_requests_and_frames();
  run_upsets();
  run_limits_noise_and_workloads();
  return UNIT_RESULT();
}
