/* Campaigns of the agent, on a port that a test scripts. SPDX-License-Identifier: Apache-2.0
 *
 * The port holds no step: it notes what it is asked for, and an experiment's outcome follows from its site. Each
 * slice is one experiment and takes 1 ms of a clock that is set by hand. A small host speaks in real frames. */
#include <stdint.h>

#include "agent.h"
#include "bytes.h"
#include "crc32c.h"
#include "digest.h"
#include "message.h"
#include "unit.h"

enum {
  MEMORY_LEN = 64 << 10,
  WORDS = 64,
  SLICE_US = 1000,
  ERRNO = 5,
  SENT_CAP = 64 << 10,
  OPEN_LEN = 100 /* [instruction] of the step */
};

static struct {
  hil_agent_t agent;
  uint64_t clock_us;
  const hil_workload_t *workload;
  hil_progress_t progress;
  unsigned starts, opens, traces, codes, follows, runs, strikes, closes, resets;
  bool is_held;
  int open_status, trace_status, code_status, follow_status, strike_status, close_status;
  unsigned runs_until_failure; /* 0: none fails */
  int run_status;
  hil_step_t step;
  hil_budget_t budget;
  uint8_t sent[SENT_CAP];
  size_t sent_len;
  uint64_t words[WORDS];
  uint8_t checks[WORDS];
  _Alignas(64) uint8_t memory[MEMORY_LEN];
} s;

/* --- the port ---------------------------------------------------------------------------------------- */

static size_t stub_tx(void *context, const uint8_t *bytes, size_t len) {
  (void)context;
  const size_t take = len < SENT_CAP - s.sent_len ? len : SENT_CAP - s.sent_len;
  memcpy(s.sent + s.sent_len, bytes, take);
  s.sent_len += take;
  return take;
}

static uint64_t stub_now_us(void *context) {
  (void)context;
  return s.clock_us;
}

static int stub_load(void *context, const hil_workload_t *w, hil_port_memory_t *out) {
  (void)context;
  CHECK(!s.is_held);
  s.workload = w;
  memset(s.memory, 0, sizeof s.memory);
  *out = (hil_port_memory_t){{s.memory, s.memory + (MEMORY_LEN / 2), s.memory + (MEMORY_LEN / 4 * 3)},
                             &s.progress};
  return HIL_OK;
}

static int stub_start(void *context) {
  (void)context;
  s.starts++;
  return HIL_OK;
}

static int stub_step(void *context) {
  (void)context;
  CHECK(!s.is_held);
  return HIL_OK;
}

static hil_port_event_t stub_poll(void *context, uint8_t *out_signal) {
  (void)context;
  *out_signal = 0;
  return PORT_DONE;
}

static void stub_kill(void *context) { (void)context; }

static uint64_t stub_cpu_us(void *context) {
  (void)context;
  return 1;
}

/* All of it can be hit, and holds nothing: a stuck cell needs no more. */
static int stub_target_len(void *context, hil_target_t target, uint64_t *out_len) {
  (void)context;
  *out_len = 16;
  return target == TARGET_STATE ? HIL_OK : HIL_ERR_NOSYS;
}

static int stub_target_read(void *context, hil_target_t target, uint64_t offset, uint8_t *out, size_t len) {
  (void)context, (void)target;
  memcpy(out, s.memory + offset, len);
  return HIL_OK;
}

static int stub_target_write(void *context, hil_target_t target, uint64_t offset, const uint8_t *bytes,
                             size_t len) {
  (void)context, (void)target;
  memcpy(s.memory + offset, bytes, len);
  return HIL_OK;
}

static uint64_t stub_pc_offset(void *context) {
  (void)context;
  return 0;
}

static void stub_reset(void *context) {
  (void)context;
  s.resets++;
}

static void stub_identify(void *context, hil_hello_t *out) { (void)context, (void)out; }
static void stub_health(void *context, hil_health_t *out) { (void)context, (void)out; }

static uint32_t stub_last_error(void *context) {
  (void)context;
  return ERRNO;
}

static int stub_set_baud(void *context, uint32_t baud, bool now) {
  (void)context, (void)baud, (void)now;
  return HIL_OK;
}

static int campaign_open(void *context, const hil_step_t *step, const hil_budget_t *budget,
                         hil_campaign_opened_t *out) {
  (void)context;
  CHECK(!s.is_held);
  s.opens++;
  s.is_held = true; /* also when it fails half-way: close is called then */
  s.step = *step;
  s.budget = *budget;
  out->arena = 0x1000;
  out->ticks = 77;
  return s.open_status;
}

static int campaign_trace(void *context, hil_campaign_trace_t *out) {
  (void)context;
  CHECK(s.is_held && out->len == 0 && out->ended == 0);
  s.traces++;
  if (out->position != 0 && out->position != 3) return HIL_ERR_ARG;
  out->ended = out->position == 3;
  out->len = 2;
  memcpy(out->bytes, "\x00\x08", 2);
  return s.trace_status;
}

static int campaign_code(void *context, uint64_t address, uint16_t len, uint8_t *out) {
  (void)context;
  CHECK(s.is_held);
  s.codes++;
  for (uint16_t i = 0; i < len; i++) out[i] = (uint8_t)(address + i);
  return s.code_status;
}

static int campaign_follow(void *context, const hil_campaign_follow_t *follow, uint64_t *out_state_digest) {
  (void)context;
  CHECK(s.is_held);
  s.follows++;
  CHECK(follow->len && follow->len % s.workload->input_len == 0);
  *out_state_digest = 0x5ead + follow->first;
  return s.follow_status;
}

static int campaign_run(void *context, hil_campaign_run_t *run) {
  (void)context;
  CHECK(s.is_held && run->site.bit);
  s.runs++;
  s.clock_us += SLICE_US;
  if (s.runs == s.runs_until_failure) return s.run_status;
  if (run->site.position >= OPEN_LEN) return HIL_ERR_ARG;
  sites_put(run, (hil_outcome_t)(run->site.byte % 4u), (uint8_t)run->site.byte);
  run->outcomes.position = run->site.position;
  run->outcomes.path = 0xabcd;
  return HIL_OK;
}

static int campaign_strike(void *context, const hil_campaign_strike_t *strike, hil_campaign_struck_t *out) {
  (void)context;
  CHECK(s.is_held && out->pc == 0 && out->fault == 0);
  s.strikes++;
  out->pc = strike->position + strike->byte;
  out->fault = 1u << strike->bit;
  out->pid = strike->space;
  out->signal = strike->stop;
  return s.strike_status;
}

static int campaign_close(void *context) {
  (void)context;
  CHECK(s.is_held);
  s.closes++;
  s.is_held = false;
  return s.close_status;
}

static const hil_campaign_port_t campaign_port = {campaign_open,   campaign_trace, campaign_code,
                                                  campaign_follow, campaign_run,   campaign_strike,
                                                  campaign_close};

static const hil_port_t stub_port = {.tx = stub_tx,
                                     .now_us = stub_now_us,
                                     .load = stub_load,
                                     .start = stub_start,
                                     .step = stub_step,
                                     .poll = stub_poll,
                                     .kill = stub_kill,
                                     .cpu_us = stub_cpu_us,
                                     .target_len = stub_target_len,
                                     .target_read = stub_target_read,
                                     .target_write = stub_target_write,
                                     .pc_offset = stub_pc_offset,
                                     .reset = stub_reset,
                                     .identify = stub_identify,
                                     .health = stub_health,
                                     .last_error = stub_last_error,
                                     .set_baud = stub_set_baud,
                                     .campaign = &campaign_port};

/* --- the host ---------------------------------------------------------------------------------------- */

typedef struct {
  uint8_t type;
  uint16_t seq, len;
  uint8_t payload[WIRE_PAYLOAD_MAX];
} hil_answer_t;

static hil_answer_t last; /* answer that came */
static int answer_count;  /* since the last request */
static hil_wire_decoder_t decoder;
static uint16_t seq;
static uint8_t payload[WIRE_PAYLOAD_MAX];
static size_t payload_len;

static void hear(void) {
  size_t at = 0, used;
  hil_wire_frame_t frame;
  while (at < s.sent_len) {
    if (wire_decoder_push(&decoder, s.sent + at, s.sent_len - at, &used, &frame) == 1) {
      answer_count++;
      last.type = frame.type;
      last.seq = frame.seq;
      last.len = frame.len;
      if (frame.len) memcpy(last.payload, frame.payload, frame.len);
    }
    at += used;
  }
  s.sent_len = 0;
}

/* One turn of the agent, at once. */
static uint32_t turn(void) {
  const uint32_t wait_us = agent_poll(&s.agent);
  hear();
  return wait_us;
}

static void give(uint8_t type) {
  uint8_t frame[WIRE_FRAME_MAX];
  size_t len;
  answer_count = 0;
  CHECK_EQ(wire_encode(type, seq, payload, payload_len, frame, sizeof frame, &len), HIL_OK);
  agent_receive(&s.agent, frame, len);
  hear();
}

/* A request with a fresh seq and the payload that was just packed; then turns until nothing is left to do. */
static void ask(uint8_t type) {
  seq++;
  give(type);
  for (int turns = 0; turns < 10000; turns++) {
    const uint32_t wait_us = turn();
    if (wait_us == UINT32_MAX) break;
    s.clock_us += wait_us;
  }
}

static void ask_empty(uint8_t type) {
  payload_len = 0;
  ask(type);
}

static bool is_answer(uint8_t type) {
  const bool is = answer_count == 1 && last.type == (type | HIL_MSG_ANSWER) && last.seq == seq;
  CHECK_EQ(answer_count, 1);
  CHECK_EQ(last.type, type | HIL_MSG_ANSWER);
  return is;
}

static uint32_t expect_refusal(uint8_t type, int status) {
  hil_refusal_t m = {0, 0, 0};
  CHECK_EQ(answer_count, 1);
  CHECK(last.type == HIL_MSG_ERROR && hil_refusal_unpack(&m, last.payload, last.len) == HIL_OK);
  CHECK_EQ(m.request, type);
  CHECK_EQ(m.status, status);
  return m.detail;
}

static void boot(void) {
  memset(&s, 0, sizeof s);
  seq = 0;
  wire_decoder_init(&decoder);
  CHECK_EQ(agent_init(&s.agent, &stub_port, 99, s.words, s.checks, WORDS), HIL_OK);
  (void)turn();
}

static void load(void) {
  const hil_load_t m = {"sha256", 7};
  boot();
  CHECK_EQ(hil_load_pack(&m, payload, sizeof payload, &payload_len), HIL_OK);
  ask(HIL_MSG_LOAD);
  CHECK(is_answer(HIL_MSG_LOAD));
}

static void pack_step(uint64_t frame) {
  hil_step_t m;
  memset(&m, 0, sizeof m);
  m.frame = frame;
  m.len = (uint16_t)(s.workload ? s.workload->input_len : 0);
  m.input[0] = 0x5c;
  CHECK_EQ(hil_step_pack(&m, payload, sizeof payload, &payload_len), HIL_OK);
}

static void open_step(void) {
  load();
  pack_step(0);
  ask(HIL_MSG_CAMPAIGN_OPEN);
  CHECK(is_answer(HIL_MSG_CAMPAIGN_OPEN) && s.is_held);
}

static void pack_sites(const uint8_t *bytes, uint16_t len) {
  hil_campaign_sites_t m;
  memset(&m, 0, sizeof m);
  m.len = len;
  memcpy(m.bytes, bytes, len);
  CHECK_EQ(hil_campaign_sites_pack(&m, payload, sizeof payload, &payload_len), HIL_OK);
}

static const uint8_t eight[] = {5, 0, 0xff, 1}, twelve[] = {5, 0, 0x07, 4};

static void begin_run(void) {
  pack_sites(twelve, sizeof twelve);
  seq++;
  give(HIL_MSG_CAMPAIGN_RUN);
  (void)turn(); /* one slice */
  CHECK_EQ(answer_count, 0);
  CHECK_EQ(s.runs, 1);
}

static void limit(uint16_t duty_permille, uint8_t suspend) {
  const hil_limits_t m = {.duty_permille = duty_permille, .suspend = suspend};
  CHECK_EQ(hil_limits_pack(&m, payload, sizeof payload, &payload_len), HIL_OK);
  seq++;
  give(HIL_MSG_LIMIT);
  (void)turn();
}

/* --- open and close ----------------------------------------------------------------------------------- */

static void open_holds_the_next_step_with_its_input_and_budget(void) {
  hil_campaign_opened_t m;
  open_step();
  CHECK_EQ(s.step.frame, 0);
  CHECK_EQ(s.step.len, s.workload->input_len);
  CHECK_EQ(s.step.input[0], 0x5c);
  CHECK_EQ(s.budget.cpu_us, 5000000);
  CHECK_EQ(hil_campaign_opened_unpack(&m, last.payload, last.len), HIL_OK);
  CHECK_EQ(m.arena, 0x1000);
  CHECK_EQ(m.ticks, 77);
  give(HIL_MSG_CAMPAIGN_OPEN); /* a repeat is answered and not carried out */
  (void)turn();
  CHECK(is_answer(HIL_MSG_CAMPAIGN_OPEN));
  CHECK_EQ(s.opens, 1);
}

static void open_is_refused_for_what_is_not_the_next_step(void) {
  boot();
  pack_step(0);
  ask(HIL_MSG_CAMPAIGN_OPEN);
  CHECK_EQ(expect_refusal(HIL_MSG_CAMPAIGN_OPEN, HIL_ERR_STATE), 0);
  load();
  pack_step(1);
  ask(HIL_MSG_CAMPAIGN_OPEN);
  expect_refusal(HIL_MSG_CAMPAIGN_OPEN, HIL_ERR_ARG);
  pack_step(0);
  payload_len--;
  ask(HIL_MSG_CAMPAIGN_OPEN);
  expect_refusal(HIL_MSG_CAMPAIGN_OPEN, HIL_ERR_PAYLOAD);
  limit(1000, 1);
  pack_step(0);
  ask(HIL_MSG_CAMPAIGN_OPEN);
  CHECK_EQ(expect_refusal(HIL_MSG_CAMPAIGN_OPEN, HIL_ERR_STATE), 2);
  limit(1000, 0);
  s.agent.worker.alive = 0;
  pack_step(0);
  ask(HIL_MSG_CAMPAIGN_OPEN);
  expect_refusal(HIL_MSG_CAMPAIGN_OPEN, HIL_ERR_STATE);
  CHECK_EQ(s.opens, 0);
}

static void open_is_refused_while_a_cell_is_stuck(void) {
  const hil_arm_t m = {.id = 1, .target = TARGET_STATE, .kind = UPSET_STUCK, .bit = 3, .value = 1};
  load();
  CHECK_EQ(hil_arm_pack(&m, payload, sizeof payload, &payload_len), HIL_OK);
  ask(HIL_MSG_ARM);
  CHECK(is_answer(HIL_MSG_ARM));
  pack_step(0);
  ask(HIL_MSG_STEP);
  CHECK(is_answer(HIL_MSG_STEP));
  pack_step(1);
  ask(HIL_MSG_CAMPAIGN_OPEN);
  expect_refusal(HIL_MSG_CAMPAIGN_OPEN, HIL_ERR_STATE);
  CHECK_EQ(s.opens, 0);
}

static void an_open_that_fails_is_closed_again(void) {
  load();
  s.open_status = HIL_ERR_IO;
  pack_step(0);
  ask(HIL_MSG_CAMPAIGN_OPEN);
  CHECK_EQ(expect_refusal(HIL_MSG_CAMPAIGN_OPEN, HIL_ERR_IO), ERRNO);
  CHECK_EQ(s.closes, 1);
  CHECK(s.agent.worker.alive && !s.is_held);
  s.open_status = HIL_OK;
  pack_step(0); /* nothing was kept of it */
  ask(HIL_MSG_CAMPAIGN_OPEN);
  CHECK(is_answer(HIL_MSG_CAMPAIGN_OPEN));
  pack_step(0); /* one after the other: the first is closed */
  ask(HIL_MSG_CAMPAIGN_OPEN);
  CHECK(is_answer(HIL_MSG_CAMPAIGN_OPEN));
  CHECK_EQ(s.closes, 2);
}

static void close_answers_with_frame_and_state_also_if_none_is_open(void) {
  hil_sync_t m;
  open_step();
  ask_empty(HIL_MSG_CAMPAIGN_CLOSE);
  CHECK(is_answer(HIL_MSG_CAMPAIGN_CLOSE) && hil_sync_unpack(&m, last.payload, last.len) == HIL_OK);
  CHECK_EQ(m.frame, UINT64_MAX);
  CHECK_EQ(m.state_digest, hil_digest64(s.memory, s.workload->state_len, 0));
  ask_empty(HIL_MSG_CAMPAIGN_CLOSE);
  CHECK(is_answer(HIL_MSG_CAMPAIGN_CLOSE));
  CHECK_EQ(s.closes, 1);
  payload_len = 1;
  ask(HIL_MSG_CAMPAIGN_CLOSE);
  expect_refusal(HIL_MSG_CAMPAIGN_CLOSE, HIL_ERR_PAYLOAD);
  boot();
  ask_empty(HIL_MSG_CAMPAIGN_CLOSE);
  CHECK(is_answer(HIL_MSG_CAMPAIGN_CLOSE) && hil_sync_unpack(&m, last.payload, last.len) == HIL_OK);
  CHECK_EQ(m.state_digest, 0);
}

static void a_close_that_finds_no_worker_says_so_in_the_next_step(void) {
  hil_reply_t m;
  open_step();
  s.close_status = HIL_ERR_IO;
  pack_step(0);
  ask(HIL_MSG_STEP);
  CHECK(is_answer(HIL_MSG_STEP) && hil_reply_unpack(&m, last.payload, last.len) == HIL_OK);
  CHECK_EQ(m.status, WORKER_ABSENT);
}

static void any_other_request_closes_it_but_those_that_are_always_carried_out(void) {
  static const struct {
    uint8_t type;
    bool closes;
  } types[] = {{HIL_MSG_HELLO, false},  {HIL_MSG_HEALTH, false},    {HIL_MSG_LIMIT, false},
               {HIL_MSG_BAUD, false},   {HIL_MSG_BUDGET, true},     {HIL_MSG_STEP, true},
               {HIL_MSG_ARM, true},     {HIL_MSG_REPORT, true},     {HIL_MSG_SPANS, true},
               {HIL_MSG_READ, true},    {HIL_MSG_WRITE, true},      {HIL_MSG_SYNC, true},
               {HIL_MSG_LOAD, true},    {HIL_MSG_CHECKPOINT, true}, {HIL_MSG_RESTORE, true},
               {HIL_MSG_RESTART, true}, {HIL_MSG_SENSORS, true},    {0x60, true}};
  for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
    open_step();
    ask_empty(types[i].type);
    CHECK_EQ(answer_count, 1);
    CHECK_EQ(s.is_held, !types[i].closes);
    CHECK_EQ(s.closes, types[i].closes);
  }
}

/* --- trace and code ------------------------------------------------------------------------------------ */

static void trace_and_code_are_those_of_the_port(void) {
  hil_campaign_trace_t t;
  hil_campaign_code_t code;
  open_step();
  for (uint64_t position = 0; position <= 3; position += 3) {
    const hil_campaign_position_t m = {position};
    CHECK_EQ(hil_campaign_position_pack(&m, payload, sizeof payload, &payload_len), HIL_OK);
    ask(HIL_MSG_CAMPAIGN_TRACE);
    CHECK(is_answer(HIL_MSG_CAMPAIGN_TRACE));
    CHECK_EQ(hil_campaign_trace_unpack(&t, last.payload, last.len), HIL_OK);
    CHECK_EQ(t.position, position);
    CHECK_EQ(t.ended, position == 3);
    CHECK_EQ(t.len, 2);
  }
  const hil_campaign_position_t m = {7};
  CHECK_EQ(hil_campaign_position_pack(&m, payload, sizeof payload, &payload_len), HIL_OK);
  ask(HIL_MSG_CAMPAIGN_TRACE);
  expect_refusal(HIL_MSG_CAMPAIGN_TRACE, HIL_ERR_ARG);
  const hil_campaign_code_query_t q = {0x1234, 1000};
  CHECK_EQ(hil_campaign_code_query_pack(&q, payload, sizeof payload, &payload_len), HIL_OK);
  ask(HIL_MSG_CAMPAIGN_CODE);
  CHECK(is_answer(HIL_MSG_CAMPAIGN_CODE));
  CHECK_EQ(hil_campaign_code_unpack(&code, last.payload, last.len), HIL_OK);
  CHECK(code.address == 0x1234 && code.len == 1000 && code.bytes[999] == (uint8_t)(0x1234 + 999));
  s.code_status = HIL_ERR_IO;
  ask(HIL_MSG_CAMPAIGN_CODE);
  CHECK_EQ(expect_refusal(HIL_MSG_CAMPAIGN_CODE, HIL_ERR_IO), ERRNO);
  CHECK(s.is_held);
}

static void without_a_held_step_there_is_nothing_to_ask_for(void) {
  static const uint8_t types[] = {HIL_MSG_CAMPAIGN_TRACE,  HIL_MSG_CAMPAIGN_CODE,   HIL_MSG_CAMPAIGN_RUN,
                                  HIL_MSG_CAMPAIGN_FOLLOW, HIL_MSG_CAMPAIGN_STRIKE, HIL_MSG_CAMPAIGN_DRAW};
  load();
  for (size_t i = 0; i < sizeof types; i++) {
    ask_empty(types[i]);
    expect_refusal(types[i], HIL_ERR_STATE);
  }
  CHECK_EQ(s.traces + s.codes + s.runs + s.follows + s.strikes, 0);
}

static void pack_follow(uint8_t first, uint16_t len) {
  hil_campaign_follow_t m;
  memset(&m, 0, sizeof m);
  m.first = first;
  m.len = len;
  CHECK_EQ(hil_campaign_follow_pack(&m, payload, sizeof payload, &payload_len), HIL_OK);
}

static void the_steps_that_follow_are_given_to_the_port(void) {
  hil_sync_t m;
  open_step();
  const uint16_t input_len = (uint16_t)s.workload->input_len;
  pack_follow(4, (uint16_t)(3 * input_len));
  ask(HIL_MSG_CAMPAIGN_FOLLOW);
  CHECK(is_answer(HIL_MSG_CAMPAIGN_FOLLOW) && hil_sync_unpack(&m, last.payload, last.len) == HIL_OK);
  CHECK_EQ(m.frame, 7); /* frame 0 is held */
  CHECK_EQ(m.state_digest, 0x5ead + 4);
  CHECK_EQ(s.follows, 1);
  const uint16_t bad[] = {0, 1, (uint16_t)(input_len - 1), (uint16_t)(input_len + 1)};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    pack_follow(0, bad[i]);
    ask(HIL_MSG_CAMPAIGN_FOLLOW);
    expect_refusal(HIL_MSG_CAMPAIGN_FOLLOW, HIL_ERR_ARG);
  }
  CHECK_EQ(s.follows, 1);
  s.follow_status = HIL_ERR_IO;
  pack_follow(0, input_len);
  ask(HIL_MSG_CAMPAIGN_FOLLOW);
  CHECK_EQ(expect_refusal(HIL_MSG_CAMPAIGN_FOLLOW, HIL_ERR_IO), ERRNO);
  CHECK(s.is_held);
}

/* --- run ------------------------------------------------------------------------------------------------- */

static void a_run_answers_with_the_outcome_of_every_experiment(void) {
  hil_campaign_outcomes_t m;
  open_step();
  pack_sites(twelve, sizeof twelve);
  ask(HIL_MSG_CAMPAIGN_RUN);
  CHECK(is_answer(HIL_MSG_CAMPAIGN_RUN) &&
        hil_campaign_outcomes_unpack(&m, last.payload, last.len) == HIL_OK);
  CHECK_EQ(m.count, 12);
  CHECK_EQ(m.position, 5);
  CHECK_EQ(m.path, 0xabcd);
  CHECK_EQ(m.len, 4 + 3); /* and the details of the failures */
  CHECK(memcmp(m.bytes, "\xd8\x56\xfd\x07\x03\x03\x03", 7) == 0);
  CHECK_EQ(s.runs, 12);
  give(HIL_MSG_CAMPAIGN_RUN); /* a repeat is answered and not carried out */
  (void)turn();
  CHECK(is_answer(HIL_MSG_CAMPAIGN_RUN));
  CHECK_EQ(s.runs, 12);
}

static void malformed_sites_are_refused_before_the_first_experiment(void) {
  static const uint8_t cut[] = {5, 0, 1, 1, 0, 0, 1}, many[] = {5, 0, 0xff, 99}, no_bit[] = {5, 0, 0, 1};
  open_step();
  pack_sites(cut, sizeof cut);
  ask(HIL_MSG_CAMPAIGN_RUN);
  expect_refusal(HIL_MSG_CAMPAIGN_RUN, HIL_ERR_PAYLOAD);
  pack_sites(no_bit, sizeof no_bit);
  ask(HIL_MSG_CAMPAIGN_RUN);
  expect_refusal(HIL_MSG_CAMPAIGN_RUN, HIL_ERR_PAYLOAD);
  pack_sites(many, sizeof many);
  ask(HIL_MSG_CAMPAIGN_RUN);
  expect_refusal(HIL_MSG_CAMPAIGN_RUN, HIL_ERR_ARG);
  CHECK_EQ(s.runs, 0);
  pack_sites(eight, sizeof eight);
  ask(HIL_MSG_CAMPAIGN_RUN);
  CHECK(is_answer(HIL_MSG_CAMPAIGN_RUN));
}

static void while_experiments_run_other_requests_are_answered_busy(void) {
  static const uint8_t types[] = {HIL_MSG_STEP,           HIL_MSG_BAUD,          HIL_MSG_LOAD,
                                  HIL_MSG_CAMPAIGN_CLOSE, HIL_MSG_CAMPAIGN_OPEN, HIL_MSG_CAMPAIGN_STRIKE};
  open_step();
  begin_run();
  const uint16_t run_seq = seq;
  give(HIL_MSG_CAMPAIGN_RUN); /* a repeat: its answer is on its way */
  (void)turn();
  CHECK_EQ(expect_refusal(HIL_MSG_CAMPAIGN_RUN, HIL_ERR_STATE), 1);
  payload_len = 0;
  for (size_t i = 0; i < sizeof types; i++) {
    seq++;
    give(types[i]);
    (void)turn();
    CHECK_EQ(expect_refusal(types[i], HIL_ERR_STATE), 1);
  }
  seq++;
  give(HIL_MSG_HELLO);
  (void)turn();
  CHECK(is_answer(HIL_MSG_HELLO));
  answer_count = 0;
  for (int turns = 0; turns < 100 && !answer_count; turns++) (void)turn();
  CHECK(last.type == (HIL_MSG_CAMPAIGN_RUN | HIL_MSG_ANSWER) && last.seq == run_seq);
  CHECK_EQ(s.runs, 12);
  CHECK_EQ(s.opens, 1);
}

/* Let it work until there is an answer. */
static void work(void) {
  answer_count = 0;
  for (int turns = 0; turns < 100 && !answer_count; turns++) (void)turn();
}

static bool is_run_answer(uint16_t number) {
  return last.type == (HIL_MSG_CAMPAIGN_RUN | HIL_MSG_ANSWER) && last.seq == number;
}

static void a_second_run_waits_for_the_end_of_the_first(void) {
  open_step();
  begin_run();
  const uint16_t first = seq;
  pack_sites(eight, sizeof eight);
  seq++;
  give(HIL_MSG_CAMPAIGN_RUN);
  (void)turn();
  CHECK_EQ(answer_count, 0);
  give(HIL_MSG_CAMPAIGN_RUN); /* a repeat of the one that waits */
  (void)turn();
  CHECK_EQ(expect_refusal(HIL_MSG_CAMPAIGN_RUN, HIL_ERR_STATE), 1);
  seq++;
  give(HIL_MSG_CAMPAIGN_RUN); /* a third one */
  (void)turn();
  CHECK_EQ(expect_refusal(HIL_MSG_CAMPAIGN_RUN, HIL_ERR_STATE), 1);
  work();
  CHECK(is_run_answer(first));
  CHECK_EQ(s.runs, 12);
  work();
  hil_campaign_outcomes_t m;
  CHECK(is_run_answer((uint16_t)(first + 1u)));
  CHECK_EQ(hil_campaign_outcomes_unpack(&m, last.payload, last.len), HIL_OK);
  CHECK_EQ(m.count, 8);
  CHECK_EQ(s.runs, 12 + 8);
  CHECK_EQ(turn(), UINT32_MAX);
  seq = first; /* its answer was lost: it is carried out again */
  pack_sites(twelve, sizeof twelve);
  give(HIL_MSG_CAMPAIGN_RUN);
  work();
  CHECK(is_run_answer(first));
  CHECK_EQ(s.runs, 12 + 8 + 12);
}

static void a_second_run_that_is_malformed_is_refused_at_once_or_when_it_begins(void) {
  static const uint8_t no_bit[] = {5, 0, 0, 1};
  open_step();
  begin_run();
  payload_len = 1;
  seq++;
  give(HIL_MSG_CAMPAIGN_RUN);
  (void)turn();
  expect_refusal(HIL_MSG_CAMPAIGN_RUN, HIL_ERR_PAYLOAD);
  pack_sites(no_bit, sizeof no_bit);
  seq++;
  give(HIL_MSG_CAMPAIGN_RUN);
  for (int turns = 0; turns < 100; turns++) (void)turn();
  CHECK_EQ(answer_count, 2); /* of the first, then of this one */
  CHECK(last.type == HIL_MSG_ERROR && last.seq == seq);
  CHECK_EQ(s.runs, 12);
  CHECK(s.is_held);
}

static void a_second_run_is_carried_out_though_the_first_fails_and_given_up_by_a_reset(void) {
  open_step();
  s.runs_until_failure = 6;
  s.run_status = HIL_ERR_IO;
  begin_run();
  seq++;
  pack_sites(eight, sizeof eight);
  give(HIL_MSG_CAMPAIGN_RUN);
  for (int turns = 0; turns < 100; turns++) (void)turn();
  CHECK_EQ(answer_count, 2);
  CHECK(is_run_answer(seq));
  CHECK_EQ(s.runs, 6 + 8);
  s.runs = 0;
  begin_run();
  seq++;
  give(HIL_MSG_CAMPAIGN_RUN);
  seq++;
  payload_len = 0;
  give(HIL_MSG_RESET);
  for (int turns = 0; turns < 20; turns++) (void)turn();
  CHECK(is_answer(HIL_MSG_RESET));
  CHECK_EQ(s.runs, 1);
}

/* --- coded outcomes ------------------------------------------------------------------------------------ */

/* The same experiments as of a RUN, and beside one, each with its own answer. */
static void a_coded_run_is_a_run(void) {
  static hil_campaign_run_t host;
  hil_campaign_outcomes_t answer;
  uint8_t outcomes[16], details[16];
  size_t len = 0;
  open_step();
  pack_sites(twelve, sizeof twelve);
  ask(HIL_MSG_CAMPAIGN_CODED); /* without details */
  expect_refusal(HIL_MSG_CAMPAIGN_CODED, HIL_ERR_ARG);
  payload[0] = DETAIL_BITS;
  seq++;
  give(HIL_MSG_CAMPAIGN_CODED);
  work();
  CHECK(last.type == (HIL_MSG_CAMPAIGN_CODED | HIL_MSG_ANSWER) && last.seq == seq);
  CHECK_EQ(hil_campaign_sites_unpack(&host.sites, payload, payload_len), HIL_OK);
  CHECK_EQ(hil_campaign_outcomes_unpack(&answer, last.payload, last.len), HIL_OK);
  CHECK_EQ(answer.count, 12);
  CHECK_EQ(sites_begin_coded(&host), HIL_OK);
  CHECK_EQ(sites_read_coded(&host, &answer, outcomes, details, &len), HIL_OK);
  CHECK_EQ(sites_begin(&host), HIL_OK);
  for (size_t i = 0; host.site.bit; i++) {
    CHECK_EQ(outcomes[i], host.site.byte % 4u);
    sites_put(&host, OUTCOME_MASKED, 0);
  }
}

static void a_coded_run_waits_for_a_run(void) {
  open_step();
  begin_run();
  const uint16_t first = seq;
  pack_sites(eight, sizeof eight);
  payload[0] = DETAIL_BITS;
  seq++;
  give(HIL_MSG_CAMPAIGN_CODED);
  work();
  CHECK(is_run_answer(first));
  work();
  CHECK(last.type == (HIL_MSG_CAMPAIGN_CODED | HIL_MSG_ANSWER) && last.seq == seq);
  CHECK_EQ(s.runs, 12 + 8);
}

/* --- drawn experiments --------------------------------------------------------------------------------- */

enum { PARTS = 60, LENGTH = 10 };

/* One target: bytes 3 to 12 of the memory, in 50 instructions, one fault from each of 60 parts. */
static void pack_draw(bool continued, uint32_t part, uint16_t left, uint8_t key) {
  hil_campaign_draws_t m;
  uint8_t target[DRAW_TARGET_BYTES] = {key};
  memset(&m, 0, sizeof m);
  store_u64le(target + 16, 8 * LENGTH * 50);
  store_u32le(target + 32, PARTS);
  store_u32le(target + 37, 3);
  store_u32le(target + 41, LENGTH);
  m.continued = continued;
  if (continued) {
    store_u32le(m.bytes, hil_crc32c(0, target, sizeof target));
    m.len = DRAW_CHECK_BYTES;
  } else {
    memcpy(m.bytes, target, sizeof target);
    m.len = sizeof target;
  }
  store_u32le(m.bytes + m.len, part);
  store_u16le(m.bytes + m.len + 4, left);
  m.len = (uint16_t)(m.len + DRAW_PART_BYTES);
  CHECK_EQ(hil_campaign_draws_pack(&m, payload, sizeof payload, &payload_len), HIL_OK);
}

/* The outcomes of these parts, as the host reads them from the last answer: one for each, lowest two bits of the byte
 * that was hit. */
static void check_drawn(uint32_t part, uint16_t left) {
  static hil_campaign_run_t host, twin;
  hil_campaign_outcomes_t answer;
  hil_draw_targets_t targets = {0};
  hil_campaign_draws_t m;
  uint8_t outcomes[PARTS], details[PARTS];
  size_t len = 0, at = 0;
  pack_draw(false, part, left, 1);
  CHECK_EQ(hil_campaign_draws_unpack(&m, payload, payload_len), HIL_OK);
  CHECK_EQ(hil_campaign_outcomes_unpack(&answer, last.payload, last.len), HIL_OK);
  CHECK_EQ(answer.count, left);
  CHECK_EQ(sites_begin_drawn(&host, &targets, &m), HIL_OK);
  CHECK_EQ(sites_read_coded(&host, &answer, outcomes, details, &len), HIL_OK);
  CHECK_EQ(sites_begin_drawn(&twin, &targets, &m), HIL_OK);
  for (; twin.site.bit; sites_put(&twin, OUTCOME_MASKED, 0)) CHECK_EQ(outcomes[at++], twin.site.byte % 4u);
  CHECK_EQ(at, left);
}

static void a_draw_is_continued_while_it_is_the_same(void) {
  open_step();
  pack_draw(true, 0, 10, 1);
  ask(HIL_MSG_CAMPAIGN_DRAW);
  CHECK_EQ(expect_refusal(HIL_MSG_CAMPAIGN_DRAW, HIL_ERR_STATE), 3); /* there is nothing to continue */
  pack_draw(false, 0, 10, 1);
  ask(HIL_MSG_CAMPAIGN_DRAW);
  CHECK(is_answer(HIL_MSG_CAMPAIGN_DRAW));
  check_drawn(0, 10);
  for (int repeat = 0; repeat < 2; repeat++) { /* the second is a new request for the same */
    pack_draw(true, 10, 25, 1);
    ask(HIL_MSG_CAMPAIGN_DRAW);
    CHECK(is_answer(HIL_MSG_CAMPAIGN_DRAW));
    check_drawn(10, 25);
  }
  CHECK_EQ(s.runs, 60);
  pack_draw(true, 10, 25, 1);
  give(HIL_MSG_CAMPAIGN_DRAW); /* its answer was lost: it is answered and not carried out */
  (void)turn();
  CHECK(is_answer(HIL_MSG_CAMPAIGN_DRAW));
  CHECK_EQ(s.runs, 60);
  pack_draw(true, 35, 10, 2);
  ask(HIL_MSG_CAMPAIGN_DRAW);
  CHECK_EQ(expect_refusal(HIL_MSG_CAMPAIGN_DRAW, HIL_ERR_STATE), 3);
  pack_draw(true, 35, 26, 1);
  ask(HIL_MSG_CAMPAIGN_DRAW);
  expect_refusal(HIL_MSG_CAMPAIGN_DRAW, HIL_ERR_PAYLOAD);
  pack_sites(eight, sizeof eight); /* a list between two draws changes nothing */
  ask(HIL_MSG_CAMPAIGN_RUN);
  CHECK(is_answer(HIL_MSG_CAMPAIGN_RUN));
  pack_draw(true, 35, 25, 1);
  ask(HIL_MSG_CAMPAIGN_DRAW);
  CHECK(is_answer(HIL_MSG_CAMPAIGN_DRAW));
  check_drawn(35, 25);
}

static void the_next_campaign_continues_nothing(void) {
  open_step();
  pack_draw(false, 0, 10, 1);
  ask(HIL_MSG_CAMPAIGN_DRAW);
  CHECK(is_answer(HIL_MSG_CAMPAIGN_DRAW));
  pack_step(0);
  ask(HIL_MSG_CAMPAIGN_OPEN);
  CHECK(is_answer(HIL_MSG_CAMPAIGN_OPEN));
  pack_draw(true, 10, 10, 1);
  ask(HIL_MSG_CAMPAIGN_DRAW);
  CHECK_EQ(expect_refusal(HIL_MSG_CAMPAIGN_DRAW, HIL_ERR_STATE), 3);
}

static void a_second_draw_waits_and_continues_the_first(void) {
  open_step();
  pack_draw(false, 0, 20, 1);
  seq++;
  give(HIL_MSG_CAMPAIGN_DRAW);
  (void)turn();
  const uint16_t first = seq;
  pack_draw(true, 20, 30, 1);
  seq++;
  give(HIL_MSG_CAMPAIGN_DRAW);
  work();
  CHECK(answer_count == 1 && last.type == (HIL_MSG_CAMPAIGN_DRAW | HIL_MSG_ANSWER) && last.seq == first);
  check_drawn(0, 20);
  work();
  CHECK(last.type == (HIL_MSG_CAMPAIGN_DRAW | HIL_MSG_ANSWER) && last.seq == seq);
  check_drawn(20, 30);
  CHECK_EQ(s.runs, 50);
}

static void a_failure_in_the_middle_ends_the_run_and_not_the_campaign(void) {
  open_step();
  s.runs_until_failure = 6;
  s.run_status = HIL_ERR_IO;
  pack_sites(twelve, sizeof twelve);
  ask(HIL_MSG_CAMPAIGN_RUN);
  CHECK_EQ(expect_refusal(HIL_MSG_CAMPAIGN_RUN, HIL_ERR_IO), ERRNO);
  CHECK_EQ(s.runs, 6);
  CHECK(s.is_held);
  pack_sites(eight, sizeof eight); /* all of it, nothing of the one that failed */
  ask(HIL_MSG_CAMPAIGN_RUN);
  CHECK(is_answer(HIL_MSG_CAMPAIGN_RUN));
  CHECK_EQ(s.runs, 6 + 8);
  const uint8_t far[] = {OPEN_LEN, 0, 1, 1};
  pack_sites(far, sizeof far);
  ask(HIL_MSG_CAMPAIGN_RUN);
  expect_refusal(HIL_MSG_CAMPAIGN_RUN, HIL_ERR_ARG);
}

static void a_reset_gives_up_the_run(void) {
  open_step();
  begin_run();
  seq++;
  payload_len = 0;
  give(HIL_MSG_RESET);
  for (int turns = 0; turns < 20; turns++) (void)turn();
  CHECK(is_answer(HIL_MSG_RESET));
  CHECK_EQ(s.runs, 1);
  CHECK(s.resets > 0);
}

static void experiments_keep_the_limits_of_the_board(void) {
  open_step();
  limit(250, 0);
  pack_sites(eight, sizeof eight);
  const uint64_t began_us = s.clock_us;
  ask(HIL_MSG_CAMPAIGN_RUN);
  CHECK(is_answer(HIL_MSG_CAMPAIGN_RUN));
  CHECK_EQ(s.clock_us - began_us, 7 * 4 * SLICE_US + SLICE_US);

  limit(1000, 0);
  s.clock_us += 4 * SLICE_US;
  s.runs = 0;
  begin_run();
  limit(1000, 1);
  CHECK(is_answer(HIL_MSG_LIMIT));
  for (int turns = 0; turns < 20; turns++) CHECK_EQ(turn(), UINT32_MAX);
  CHECK_EQ(s.runs, 1);
  limit(1000, 0);
  answer_count = 0;
  for (int turns = 0; turns < 20 && !answer_count; turns++) (void)turn();
  CHECK_EQ(last.type, HIL_MSG_CAMPAIGN_RUN | HIL_MSG_ANSWER);
  CHECK_EQ(s.runs, 12);
}

static void a_strike_is_that_of_the_port(void) {
  hil_campaign_strike_t m = {.position = 5, .byte = 0x100, .space = 2, .bit = 7, .stop = STOP_AT_END};
  hil_campaign_struck_t out;
  open_step();
  CHECK_EQ(hil_campaign_strike_pack(&m, payload, sizeof payload, &payload_len), HIL_OK);
  ask(HIL_MSG_CAMPAIGN_STRIKE);
  CHECK(is_answer(HIL_MSG_CAMPAIGN_STRIKE));
  CHECK_EQ(hil_campaign_struck_unpack(&out, last.payload, last.len), HIL_OK);
  CHECK_EQ(out.pc, 0x105);
  CHECK_EQ(out.fault, 0x80);
  CHECK_EQ(out.pid, 2);
  CHECK_EQ(out.signal, STOP_AT_END);
  give(HIL_MSG_CAMPAIGN_STRIKE); /* a repeat is answered and not carried out */
  (void)turn();
  CHECK(is_answer(HIL_MSG_CAMPAIGN_STRIKE));
  CHECK_EQ(s.strikes, 1);
  s.strike_status = HIL_ERR_IO;
  ask(HIL_MSG_CAMPAIGN_STRIKE);
  CHECK_EQ(expect_refusal(HIL_MSG_CAMPAIGN_STRIKE, HIL_ERR_IO), ERRNO);
  CHECK(s.is_held);
  payload_len--;
  ask(HIL_MSG_CAMPAIGN_STRIKE);
  expect_refusal(HIL_MSG_CAMPAIGN_STRIKE, HIL_ERR_PAYLOAD);
  CHECK_EQ(s.strikes, 2);
}

static void a_read_under_way_ends_where_a_step_is_held(void) {
  const hil_range_t m = {REGION_STATE, 0, 8};
  load();
  CHECK_EQ(hil_range_pack(&m, payload, sizeof payload, &payload_len), HIL_OK);
  seq++;
  give(HIL_MSG_READ);
  CHECK(s.agent.stream.active);
  pack_step(0);
  ask(HIL_MSG_CAMPAIGN_OPEN);
  CHECK(is_answer(HIL_MSG_CAMPAIGN_OPEN));
}

int main(void) {
  RUN(open_holds_the_next_step_with_its_input_and_budget);
  RUN(open_is_refused_for_what_is_not_the_next_step);
  RUN(open_is_refused_while_a_cell_is_stuck);
  RUN(an_open_that_fails_is_closed_again);
  RUN(close_answers_with_frame_and_state_also_if_none_is_open);
  RUN(a_close_that_finds_no_worker_says_so_in_the_next_step);
  RUN(any_other_request_closes_it_but_those_that_are_always_carried_out);
  RUN(trace_and_code_are_those_of_the_port);
  RUN(without_a_held_step_there_is_nothing_to_ask_for);
  RUN(the_steps_that_follow_are_given_to_the_port);
  RUN(a_run_answers_with_the_outcome_of_every_experiment);
  RUN(malformed_sites_are_refused_before_the_first_experiment);
  RUN(while_experiments_run_other_requests_are_answered_busy);
  RUN(a_second_run_waits_for_the_end_of_the_first);
  RUN(a_second_run_that_is_malformed_is_refused_at_once_or_when_it_begins);
  RUN(a_second_run_is_carried_out_though_the_first_fails_and_given_up_by_a_reset);
  RUN(a_coded_run_is_a_run);
  RUN(a_coded_run_waits_for_a_run);
  RUN(a_draw_is_continued_while_it_is_the_same);
  RUN(the_next_campaign_continues_nothing);
  RUN(a_second_draw_waits_and_continues_the_first);
  RUN(a_failure_in_the_middle_ends_the_run_and_not_the_campaign);
  RUN(a_reset_gives_up_the_run);
  RUN(experiments_keep_the_limits_of_the_board);
  RUN(a_strike_is_that_of_the_port);
  RUN(a_read_under_way_ends_where_a_step_is_held);
  return UNIT_RESULT();
}
