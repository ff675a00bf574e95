/* In-process boards: exchanges, batches, power. SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>

#include "golden.h"
#include "inproc.h"
#include "message.h"
#include "unit.h"
#include "upset.h"

enum { BOARDS = 3, OUT_CAP = 1 << 16, ALIGNMENT = 64, HEARD_MAX = 1200, GOLDEN_CAP = 1200 << 10 };

static const uint64_t SEED = 11;

static hil_inproc_t *boards[BOARDS];
static void *owned[BOARDS];
static uint8_t golden_bytes[GOLDEN_CAP];
static hil_golden_t golden;
static uint16_t next_seq;

typedef struct {
  uint8_t type;
  uint16_t seq, len;
  uint8_t payload[WIRE_PAYLOAD_MAX];
} hil_heard_t;

static hil_heard_t heard[HEARD_MAX];
static int heard_count;

static void boot(void) {
  for (int i = 0; i < BOARDS; i++) {
    if (!owned[i]) owned[i] = malloc(inproc_size() + ALIGNMENT);
    const uintptr_t at = (uintptr_t)owned[i];
    boards[i] = (hil_inproc_t *)((at + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
    CHECK_EQ(inproc_init(boards[i], (uint64_t)i + 1), HIL_OK);
  }
  next_seq = 0;
}

static void decode(const uint8_t *bytes, size_t len) {
  static hil_wire_decoder_t decoder;
  hil_wire_frame_t frame;
  size_t used;
  wire_decoder_init(&decoder);
  heard_count = 0;
  for (size_t at = 0; at < len; at += used) {
    const int status = wire_decoder_push(&decoder, bytes + at, len - at, &used, &frame);
    CHECK(status >= 0);
    if (status != 1 || heard_count == HEARD_MAX) continue;
    hil_heard_t *h = &heard[heard_count++];
    h->type = frame.type;
    h->seq = frame.seq;
    h->len = frame.len;
    if (frame.len) memcpy(h->payload, frame.payload, frame.len);
  }
}

/* Exchange with an output buffer of |cap| bytes until the board has nothing more to say. */
static void say(int board, uint8_t type, const uint8_t *payload, size_t len, size_t cap) {
  static uint8_t all[2 << 20];
  static uint8_t out[OUT_CAP + 1];
  uint8_t frame[WIRE_FRAME_MAX];
  size_t frame_len, n, total = 0;
  CHECK_EQ(wire_encode(type, ++next_seq, payload, len, frame, sizeof frame, &frame_len), HIL_OK);
  const uint8_t *bytes = frame;
  do {
    memset(out, UNIT_GUARD, sizeof out);
    CHECK_EQ(inproc_exchange(boards[board], bytes, frame_len, out, cap, &n), HIL_OK);
    CHECK(n <= cap);
    CHECK_EQ(out[n], UNIT_GUARD);
    memcpy(all + total, out, n);
    total += n;
    frame_len = 0;
    bytes = NULL;
  } while (n && total < sizeof all - OUT_CAP);
  decode(all, total);
}

static const hil_heard_t *answer_to(uint8_t type) {
  for (int i = 0; i < heard_count; i++) {
    if (heard[i].type == (type | HIL_MSG_ANSWER) && heard[i].seq == next_seq) return &heard[i];
  }
  CHECK(0);
  return NULL;
}

static void load(int board, const char *name) {
  hil_load_t m;
  uint8_t payload[64];
  size_t len;
  memset(&m, 0, sizeof m);
  strncpy(m.workload, name, sizeof m.workload - 1);
  m.seed = SEED;
  CHECK_EQ(hil_load_pack(&m, payload, sizeof payload, &len), HIL_OK);
  say(board, HIL_MSG_LOAD, payload, len, OUT_CAP);
  CHECK(answer_to(HIL_MSG_LOAD) != NULL);
}

static void begin(const char *name) {
  boot();
  for (int i = 0; i < BOARDS; i++) load(i, name);
  CHECK_EQ(golden_init(&golden, workload_find(name), SEED, golden_bytes, sizeof golden_bytes), HIL_OK);
}

static hil_reply_t step(int board, uint64_t frame, const uint8_t *input) {
  static hil_step_t m;
  static uint8_t payload[WIRE_PAYLOAD_MAX];
  hil_reply_t r;
  size_t len;
  memset(&m, 0, sizeof m);
  memset(&r, 0, sizeof r);
  m.frame = frame;
  m.len = (uint16_t)golden.workload->input_len;
  memcpy(m.input, input, m.len);
  CHECK_EQ(hil_step_pack(&m, payload, sizeof payload, &len), HIL_OK);
  say(board, HIL_MSG_STEP, payload, len, OUT_CAP);
  const hil_heard_t *a = answer_to(HIL_MSG_STEP);
  CHECK(a && hil_reply_unpack(&r, a->payload, a->len) == HIL_OK);
  return r;
}

static void arm(int board, const hil_arm_t *m) {
  uint8_t payload[64];
  size_t len;
  CHECK_EQ(hil_arm_pack(m, payload, sizeof payload, &len), HIL_OK);
  say(board, HIL_MSG_ARM, payload, len, OUT_CAP);
  CHECK(answer_to(HIL_MSG_ARM) != NULL);
}

/* One frame by messages, voted here; its record. */
static int frame_by_frame(uint8_t *record, size_t cap) {
  hil_frame_verdict_t f = {.frame = golden.next_frame, .nodes = BOARDS, .voters = 7};
  CHECK_EQ(golden_step(&golden), HIL_OK);
  for (int i = 0; i < BOARDS; i++) {
    const hil_reply_t r = step(i, f.frame, golden.input);
    f.node[i] = (hil_node_result_t){r.status, r.signal, r.output_digest, r.state_digest};
  }
  CHECK_EQ(frame_verdict_decide(&f), HIL_OK);
  if (f.flags & FRAME_DELIVERED && f.output == golden.output_digest) f.flags |= FRAME_CORRECT;
  return frame_verdict_pack(&f, record, cap);
}

enum { FRAMES = 40, RECORD_LEN = FRAME_RECORD_HEADER_LEN + BOARDS * FRAME_RECORD_NODE_LEN };

static uint8_t single[FRAMES * RECORD_LEN], batch[FRAMES * RECORD_LEN + 1];

static void a_batch_gives_the_records_of_single_frames(void) {
  for (int i = 0; workload_at(i); i++) {
    const char *name = workload_at(i)->name;
    begin(name);
    for (int k = 0; k < FRAMES; k++) {
      CHECK_EQ(frame_by_frame(single + k * RECORD_LEN, RECORD_LEN), RECORD_LEN);
    }
    begin(name);
    memset(batch, UNIT_GUARD, sizeof batch);
    int done = 0;
    for (uint32_t part = 1; done < FRAMES; part++) { /* in pieces, with single frames between */
      const uint32_t count = part < (uint32_t)(FRAMES - done) ? part : (uint32_t)(FRAMES - done);
      CHECK_EQ(
          inproc_batch(boards, BOARDS, 7, &golden, count, 0, batch + done * RECORD_LEN, FRAMES * RECORD_LEN),
          count);
      done += (int)count;
      if (done < FRAMES) CHECK_EQ(frame_by_frame(batch + done++ * RECORD_LEN, RECORD_LEN), RECORD_LEN);
    }
    CHECK(memcmp(single, batch, sizeof single) == 0);
    CHECK_EQ(batch[FRAMES * RECORD_LEN], UNIT_GUARD);
  }
}

static hil_limited_t limit(int board, const hil_limits_t *m) {
  uint8_t payload[64];
  size_t len;
  hil_limited_t out;
  memset(&out, 0, sizeof out);
  CHECK_EQ(hil_limits_pack(m, payload, sizeof payload, &len), HIL_OK);
  say(board, HIL_MSG_LIMIT, payload, len, OUT_CAP);
  const hil_heard_t *a = answer_to(HIL_MSG_LIMIT);
  CHECK(a && hil_limited_unpack(&out, a->payload, a->len) == HIL_OK);
  return out;
}

static uint64_t uptime_us(int board) {
  hil_health_t m;
  memset(&m, 0, sizeof m);
  say(board, HIL_MSG_HEALTH, NULL, 0, OUT_CAP);
  const hil_heard_t *a = answer_to(HIL_MSG_HEALTH);
  CHECK(a && hil_health_unpack(&m, a->payload, a->len) == HIL_OK);
  return m.uptime_us;
}

/* As frame by frame, whatever the duties: records, and the boards' clocks. */
static void a_batch_of_slow_boards_gives_the_records_and_times_of_single_frames(void) {
  static const uint16_t duties[BOARDS] = {1000, 250, 3};
  uint64_t times_us[BOARDS];
  begin("sha256");
  for (int k = 0; k < FRAMES; k++) {
    CHECK_EQ(frame_by_frame(single + k * RECORD_LEN, RECORD_LEN), RECORD_LEN);
  }
  const uint64_t free_us = uptime_us(0);
  for (int way = 0; way < 2; way++) {
    begin("sha256");
    for (int i = 0; i < BOARDS; i++) {
      CHECK_EQ(limit(i, &(hil_limits_t){.duty_permille = duties[i]}).duty_permille, duties[i]);
    }
    memset(batch, 0, sizeof batch);
    if (way) {
      CHECK_EQ(inproc_batch(boards, BOARDS, 7, &golden, FRAMES, 0, batch, FRAMES * RECORD_LEN), FRAMES);
    } else {
      for (int k = 0; k < FRAMES; k++) (void)frame_by_frame(batch + k * RECORD_LEN, RECORD_LEN);
    }
    CHECK(memcmp(single, batch, sizeof single) == 0);
    for (int i = 0; i < BOARDS; i++) {
      if (!way) times_us[i] = uptime_us(i);
      CHECK_EQ(uptime_us(i), times_us[i]);
    }
  }
  CHECK_EQ(times_us[0], free_us);
  CHECK_EQ(times_us[1], 4 * free_us);
  CHECK(times_us[2] >= 333 * free_us && times_us[2] < 334 * free_us);
}

static void a_step_reports_its_duration_and_a_reset_lifts_limits(void) {
  begin("matmul");
  CHECK_EQ(golden_step(&golden), HIL_OK);
  hil_reply_t r = step(0, 0, golden.input);
  CHECK_EQ(r.step_us, r.ticks * INPROC_TICK_US);
  const hil_limits_t quarter = {.duty_permille = 250, .cores = 1, .clock_khz = 9, .mode = "15W"};
  hil_limited_t now = limit(1, &quarter);
  CHECK_EQ(now.refused, LIMIT_CORES | LIMIT_CLOCK | LIMIT_MODE);
  CHECK_EQ(now.means, MEANS_HOLD);
  r = step(1, 0, golden.input);
  CHECK_EQ(r.step_us, 4 * r.ticks * INPROC_TICK_US);
  CHECK_EQ(r.cpu_us, r.ticks * INPROC_TICK_US);
  CHECK_EQ(r.state_digest, golden.state_digest);
  for (int power = 0; power < 2; power++) {
    (void)limit(1, &quarter);
    if (power) {
      inproc_power(boards[1], 0);
      inproc_power(boards[1], 1);
    } else {
      say(1, HIL_MSG_RESET, NULL, 0, OUT_CAP);
    }
    load(1, "matmul");
    r = step(1, 0, golden.input);
    CHECK_EQ(r.step_us, r.ticks * INPROC_TICK_US);
  }
}

static void a_suspended_board_keeps_all_from_moving(void) {
  begin("sha256");
  (void)frame_by_frame(single, RECORD_LEN);
  (void)limit(2, &(hil_limits_t){.duty_permille = 1000, .suspend = 1});
  CHECK_EQ(inproc_batch(boards, BOARDS, 7, &golden, 5, 0, batch, sizeof batch), HIL_ERR_STATE);
  CHECK_EQ(golden.next_frame, 1);
  (void)limit(2, &(hil_limits_t){.duty_permille = 1000});
  CHECK_EQ(inproc_batch(boards, BOARDS, 7, &golden, 5, 0, batch, sizeof batch), 5);
}

static void a_latent_error_ends_a_batch_with_the_same_record(void) {
  const hil_arm_t hit = {.id = 1,
                         .frame = 3,
                         .target = TARGET_STATE,
                         .at = 16,
                         .kind = UPSET_BIT,
                         .bit = 8 * 60}; /* in a link that is due some frames later */
  begin("sha256");
  arm(1, &hit);
  for (int k = 0; k < FRAMES; k++) (void)frame_by_frame(single + k * RECORD_LEN, RECORD_LEN);
  begin("sha256");
  arm(1, &hit);
  CHECK_EQ(inproc_batch(boards, BOARDS, 7, &golden, FRAMES, 0, batch, sizeof batch), HIL_ERR_STATE);
  CHECK_EQ(golden.next_frame, 0); /* nothing has moved */
  for (int k = 0; k < 4; k++) (void)frame_by_frame(batch + k * RECORD_LEN, RECORD_LEN);
  int done = 4;
  while (done < FRAMES) { /* each is unquiet: one a call */
    const int n = inproc_batch(boards, BOARDS, 7, &golden, FRAMES, 0, batch + done * RECORD_LEN,
                               (size_t)(FRAMES - done) * RECORD_LEN);
    CHECK(n >= 1);
    if (n < 1) return;
    done += n;
  }
  CHECK(memcmp(single, batch, sizeof single) == 0);
  hil_frame_verdict_t f;
  CHECK(frame_verdict_unpack(&f, single + 4 * RECORD_LEN, RECORD_LEN) > 0);
  CHECK_EQ(f.latent | f.dissent, 2);
}

static void what_is_armed_or_stuck_on_any_board_keeps_all_from_moving(void) {
  const hil_arm_t later = {.id = 1, .frame = 30, .target = TARGET_STATE, .kind = UPSET_BIT, .bit = 1};
  const hil_arm_t stuck = {.id = 2, .frame = 0, .target = TARGET_INPUT, .kind = UPSET_STUCK, .bit = 1};
  const hil_arm_t *const arms[] = {&later, &stuck};
  for (int board = 0; board < BOARDS; board++) {
    for (int k = 0; k < 2; k++) {
      begin("attitude");
      arm(board, arms[k]);
      (void)frame_by_frame(single, RECORD_LEN);
      for (int again = 0; again < 3; again++) {
        CHECK_EQ(inproc_batch(boards, BOARDS, 7, &golden, 5, 0, batch, sizeof batch), HIL_ERR_STATE);
        CHECK_EQ(golden.next_frame, 1);
      }
      CHECK_EQ(frame_by_frame(single, RECORD_LEN), RECORD_LEN); /* all still in step */
      hil_frame_verdict_t f;
      CHECK(frame_verdict_unpack(&f, single, RECORD_LEN) > 0);
      for (int i = 0; i < BOARDS; i++) CHECK_EQ(f.node[i].status, NODE_DONE);
    }
  }
}

static void a_spare_that_differs_ends_a_batch(void) {
  const hil_arm_t hit = {.id = 1, .frame = 0, .target = TARGET_STATE, .at = 0, .kind = UPSET_BIT, .bit = 5};
  begin("sha256");
  arm(2, &hit);
  (void)frame_by_frame(single, RECORD_LEN);
  CHECK_EQ(inproc_batch(boards, BOARDS, 3, &golden, 10, 0, batch, sizeof batch), 1);
  hil_frame_verdict_t f;
  CHECK(frame_verdict_unpack(&f, batch, RECORD_LEN) > 0);
  CHECK_EQ(f.verdict, VERDICT_UNANIMOUS);
  CHECK_EQ(f.dissent, 4);
}

static void a_batch_out_of_range_is_refused(void) {
  begin("attitude");
  hil_inproc_t *with_null[BOARDS] = {boards[0], NULL, boards[2]};
  CHECK_EQ(inproc_batch(NULL, BOARDS, 7, &golden, 5, 0, batch, sizeof batch), HIL_ERR_ARG);
  CHECK_EQ(inproc_batch(boards, 0, 0, &golden, 5, 0, batch, sizeof batch), HIL_ERR_ARG);
  CHECK_EQ(inproc_batch(boards, VOTE_MAX_NODES + 1, 7, &golden, 5, 0, batch, sizeof batch), HIL_ERR_ARG);
  CHECK_EQ(inproc_batch(boards, BOARDS, 8, &golden, 5, 0, batch, sizeof batch), HIL_ERR_ARG);
  CHECK_EQ(inproc_batch(boards, BOARDS, 0x107, &golden, 5, 0, batch, sizeof batch), HIL_ERR_ARG);
  CHECK_EQ(inproc_batch(boards, BOARDS, 7, NULL, 5, 0, batch, sizeof batch), HIL_ERR_ARG);
  CHECK_EQ(inproc_batch(boards, BOARDS, 7, &golden, 5, 0, NULL, 0), HIL_ERR_ARG);
  CHECK_EQ(inproc_batch(with_null, BOARDS, 7, &golden, 5, 0, batch, sizeof batch), HIL_ERR_STATE);
  CHECK_EQ(inproc_batch(boards, BOARDS, 7, &golden, 0, 0, batch, sizeof batch), 0);
  CHECK_EQ(inproc_batch(boards, BOARDS, 7, &golden, 5, 0, batch, RECORD_LEN - 1), 0);
  CHECK_EQ(inproc_batch(boards, BOARDS, 7, &golden, 5, 0, batch, 2 * RECORD_LEN + 1), 2);
  CHECK_EQ(golden.next_frame, 2);
  load(1, "attitude"); /* out of step */
  CHECK_EQ(inproc_batch(boards, BOARDS, 7, &golden, 5, 0, batch, sizeof batch), HIL_ERR_STATE);
  inproc_power(boards[0], 0);
  CHECK_EQ(inproc_batch(boards, 1, 1, &golden, 5, 0, batch, sizeof batch), HIL_ERR_STATE);
  CHECK_EQ(golden.next_frame, 2);
}

/* --- exchanges -------------------------------------------------------------------------------------------- */

static void what_does_not_fit_is_said_in_the_next_exchange(void) {
  static hil_heard_t whole[HEARD_MAX];
  static const size_t caps[] = {1, 2, 7, 255, 1037, 1038, 5000};
  const hil_range_t all = {REGION_STATE, 0, 9216};
  uint8_t payload[16];
  size_t len;
  CHECK_EQ(hil_range_pack(&all, payload, sizeof payload, &len), HIL_OK);
  begin("matmul");
  say(0, HIL_MSG_READ, payload, len, OUT_CAP);
  const int want = heard_count;
  CHECK_EQ(want, (9216 + MESSAGE_DATA_MAX - 1) / MESSAGE_DATA_MAX);
  memcpy(whole, heard, sizeof whole);
  for (size_t i = 0; i < sizeof caps / sizeof caps[0]; i++) {
    begin("matmul");
    say(0, HIL_MSG_READ, payload, len, caps[i]);
    CHECK_EQ(heard_count, want);
    for (int k = 0; k < want; k++) {
      CHECK_EQ(heard[k].len, whole[k].len);
      CHECK(memcmp(heard[k].payload, whole[k].payload, whole[k].len) == 0);
    }
  }
}

static void a_step_comes_out_of_a_tiny_buffer_once(void) {
  begin("sha256");
  CHECK_EQ(golden_step(&golden), HIL_OK);
  hil_step_t m;
  uint8_t payload[WIRE_PAYLOAD_MAX];
  size_t len;
  memset(&m, 0, sizeof m);
  m.len = (uint16_t)golden.workload->input_len;
  memcpy(m.input, golden.input, m.len);
  CHECK_EQ(hil_step_pack(&m, payload, sizeof payload, &len), HIL_OK);
  say(0, HIL_MSG_STEP, payload, len, 3);
  CHECK_EQ(heard_count, 1);
  hil_reply_t r;
  CHECK_EQ(hil_reply_unpack(&r, heard[0].payload, heard[0].len), HIL_OK);
  CHECK_EQ(r.output_digest, golden.output_digest);
}

static uint64_t boot_id(int board) {
  hil_hello_t m;
  say(board, HIL_MSG_HELLO, NULL, 0, OUT_CAP);
  const hil_heard_t *a = answer_to(HIL_MSG_HELLO);
  CHECK(a && hil_hello_unpack(&m, a->payload, a->len) == HIL_OK);
  return m.boot_id;
}

static void power_off_is_silence_and_power_on_a_new_life(void) {
  begin("sha256");
  const uint64_t first = boot_id(0);
  CHECK_EQ(boot_id(0), first);
  inproc_power(boards[0], 1); /* it has power already */
  CHECK_EQ(boot_id(0), first);
  inproc_power(boards[0], 0);
  say(0, HIL_MSG_HELLO, NULL, 0, OUT_CAP);
  CHECK_EQ(heard_count, 0);
  inproc_power(boards[0], 0);
  inproc_power(boards[0], 1);
  uint8_t out[OUT_CAP / 8];
  size_t n;
  CHECK_EQ(inproc_exchange(boards[0], NULL, 0, out, sizeof out, &n), HIL_OK);
  decode(out, n);
  CHECK_EQ(heard_count, 1); /* it announces itself, unasked */
  CHECK_EQ(heard[0].type, HIL_MSG_HELLO | HIL_MSG_ANSWER);
  CHECK_EQ(heard[0].seq, 0);
  const uint64_t second = boot_id(0);
  CHECK(second != first);
  begin("sha256"); /* the same seed: the same lives */
  CHECK_EQ(boot_id(0), first);
  inproc_power(boards[0], 0);
  inproc_power(boards[0], 1);
  CHECK_EQ(boot_id(0), second);
}

static void a_reset_answers_and_then_announces_a_new_life(void) {
  static const size_t caps[] = {OUT_CAP, 5};
  for (int i = 0; i < 2; i++) {
    begin("sha256");
    const uint64_t first = boot_id(0);
    say(0, HIL_MSG_RESET, NULL, 0, caps[i]);
    CHECK(answer_to(HIL_MSG_RESET) != NULL);
    CHECK_EQ(heard_count, 2);
    CHECK_EQ(heard[1].type, HIL_MSG_HELLO | HIL_MSG_ANSWER);
    CHECK_EQ(heard[1].seq, 0);
    CHECK(boot_id(0) != first);
  }
}

static void an_upset_that_resets_ends_the_life_without_an_answer(void) {
  for (uint32_t tick = 0; tick < 10; tick += 9) {
    const hil_arm_t reset = {.id = 1, .frame = 0, .target = TARGET_CPU, .at = tick, .kind = SEFI_RESET};
    begin("sha256");
    const uint64_t first = boot_id(0);
    arm(0, &reset);
    hil_step_t m;
    uint8_t payload[WIRE_PAYLOAD_MAX];
    size_t len;
    memset(&m, 0, sizeof m);
    m.len = (uint16_t)golden.workload->input_len;
    CHECK_EQ(hil_step_pack(&m, payload, sizeof payload, &len), HIL_OK);
    say(0, HIL_MSG_STEP, payload, len, OUT_CAP);
    CHECK_EQ(heard_count, 1);
    CHECK_EQ(heard[0].type, HIL_MSG_HELLO | HIL_MSG_ANSWER);
    CHECK_EQ(heard[0].seq, 0);
    CHECK(boot_id(0) != first);
    load(0, "sha256");
    CHECK_EQ(golden_step(&golden), HIL_OK);
    CHECK_EQ(step(0, 0, golden.input).output_digest, golden.output_digest);
  }
}

static void null_and_crooked_pointers_are_refused(void) {
  begin("sha256");
  uint8_t out[8];
  size_t n;
  CHECK_EQ(inproc_init(NULL, 1), HIL_ERR_ARG);
  CHECK_EQ(inproc_init((hil_inproc_t *)((uint8_t *)boards[0] + 8), 1), HIL_ERR_ARG);
  CHECK_EQ(inproc_exchange(NULL, NULL, 0, out, sizeof out, &n), HIL_ERR_ARG);
  CHECK_EQ(inproc_exchange(boards[0], NULL, 1, out, sizeof out, &n), HIL_ERR_ARG);
  CHECK_EQ(inproc_exchange(boards[0], NULL, 0, NULL, 0, &n), HIL_ERR_ARG);
  CHECK_EQ(inproc_exchange(boards[0], NULL, 0, out, sizeof out, NULL), HIL_ERR_ARG);
}

int main(void) {
  RUN(a_batch_gives_the_records_of_single_frames);
  RUN(a_batch_of_slow_boards_gives_the_records_and_times_of_single_frames);
  RUN(a_step_reports_its_duration_and_a_reset_lifts_limits);
  RUN(a_suspended_board_keeps_all_from_moving);
  RUN(a_latent_error_ends_a_batch_with_the_same_record);
  RUN(what_is_armed_or_stuck_on_any_board_keeps_all_from_moving);
  RUN(a_spare_that_differs_ends_a_batch);
  RUN(a_batch_out_of_range_is_refused);
  RUN(what_does_not_fit_is_said_in_the_next_exchange);
  RUN(a_step_comes_out_of_a_tiny_buffer_once);
  RUN(power_off_is_silence_and_power_on_a_new_life);
  RUN(a_reset_answers_and_then_announces_a_new_life);
  RUN(an_upset_that_resets_ends_the_life_without_an_answer);
  RUN(null_and_crooked_pointers_are_refused);
  for (int i = 0; i < BOARDS; i++) free(owned[i]);
  return UNIT_RESULT();
}
