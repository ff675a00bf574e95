/* Messages: every layout, both ways, and nothing else accepted. SPDX-License-Identifier: Apache-2.0
 *
 * The fill functions and the table of lengths and ranges are written by hand from SPEC.md, not taken
 * from message.c: a field that its tables forget fails here. That each stands in its place is checked
 * by tests/wire/test_spec.py. */
#include <stdint.h>

#include "message.h"
#include "unit.h"

enum { ROUNDS = 200 };

static uint64_t random_state;

/* xorshift64 (Marsaglia 2003): tests need repeatable bytes, not good ones. */
static uint64_t random_u64(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return random_state * 0x2545F4914F6CDD1DU;
}

static uint32_t random_u32(void) { return (uint32_t)(random_u64() >> 32); }
static uint16_t random_u16(void) { return (uint16_t)random_u32(); }
static uint8_t random_u8(void) { return (uint8_t)random_u32(); }
static uint8_t between(uint8_t low, uint8_t high) {
  return (uint8_t)(low + random_u32() % (uint32_t)(high - low + 1));
}

static void random_text(char *out, size_t size) {
  const size_t len = random_u32() % size;
  for (size_t i = 0; i < len; i++) out[i] = (char)between(1, 255);
}

static void random_bytes(uint8_t *out, size_t len) {
  for (size_t i = 0; i < len; i++) out[i] = random_u8();
}

/* |size| sets the variable part: 0 empty, 1 full, else random. */
static size_t pick(unsigned size, size_t max) {
  return size == 0 ? 0 : size == 1 ? max : random_u32() % (max + 1);
}

#define FILL(name) static void name##_fill(void *any, unsigned size)
#define SELF(type) \
  type *m = any;   \
  (void)size

FILL(hello) {
  SELF(hil_hello_t);
  m->wire_version = random_u8();
  m->pointer_bits = random_u8();
  m->cores = random_u16();
  m->memory_mib = random_u32();
  m->boot_id = random_u64();
  m->uptime_us = random_u64();
  m->targets = random_u32();
  m->gpr_count = random_u32();
  m->vector_bytes = random_u32();
  m->heartbeat = random_u32();
  random_text(m->port, sizeof m->port);
  random_text(m->arch, sizeof m->arch);
  random_text(m->version, sizeof m->version);
  random_text(m->board, sizeof m->board);
  random_text(m->serial, sizeof m->serial);
}

FILL(load) {
  SELF(hil_load_t);
  random_text(m->workload, sizeof m->workload);
  m->seed = random_u64();
}

FILL(loaded) {
  SELF(hil_loaded_t);
  m->state_len = random_u32();
  m->input_len = random_u32();
  m->output_len = random_u32();
  m->scratch_len = random_u32();
  m->ticks = random_u32();
  m->text_len = random_u32();
  m->state_digest = random_u64();
}

FILL(budget) {
  SELF(hil_budget_t);
  m->cpu_us = random_u64();
  m->max_ticks = random_u32();
  m->scrub_words = random_u32();
}

FILL(step) {
  SELF(hil_step_t);
  m->frame = random_u64();
  m->len = (uint16_t)pick(size, MESSAGE_IO_MAX);
  random_bytes(m->input, m->len);
}

FILL(reply) {
  SELF(hil_reply_t);
  m->frame = random_u64();
  m->status = between(0, 3);
  m->signal = random_u8();
  m->pending = random_u8();
  m->ticks = random_u32();
  m->cpu_us = random_u32();
  m->step_us = random_u32();
  m->output_digest = random_u64();
  m->state_digest = random_u64();
  m->len = (uint16_t)pick(size, MESSAGE_IO_MAX);
  random_bytes(m->output, m->len);
}

FILL(arm) {
  SELF(hil_arm_t);
  m->id = random_u32();
  m->frame = random_u64();
  m->trigger = between(0, 1);
  m->target = between(0, 10);
  m->at = random_u32();
  m->steps = random_u32();
  m->hold_frames = random_u32();
  m->kind = between(1, m->target == TARGET_CPU ? 3 : 5);
  m->width = random_u8();
  m->bit = random_u64();
  m->value = random_u64();
}

FILL(id) {
  SELF(uint32_t);
  *m = random_u32();
}

FILL(report) {
  SELF(hil_report_t);
  m->id = random_u32();
  m->state = between(0, 3);
  m->verified = between(0, 1);
  m->changed = between(0, 1);
  m->persisted = between(0, 1);
  m->detail = (int8_t)-between(0, 9);
  m->frame = random_u64();
  m->tick = random_u32();
  m->steps = random_u32();
  m->at_us = random_u32();
  m->pc_offset = random_u64();
  m->bit = random_u64();
  m->space = random_u64();
  m->len = between(0, 16);
  random_bytes(m->before, sizeof m->before);
  random_bytes(m->after, sizeof m->after);
}

FILL(spans_query) {
  SELF(hil_spans_query_t);
  m->region = between(0, 2);
  m->span = random_u32();
  m->first = random_u32();
  m->count = between(0, 64);
}

FILL(spans) {
  SELF(hil_spans_t);
  m->region = between(0, 2);
  m->span = random_u32();
  m->first = random_u32();
  m->count = (uint16_t)pick(size, MESSAGE_SPANS_MAX);
  for (size_t i = 0; i < m->count; i++) m->digests[i] = random_u64();
}

FILL(range) {
  SELF(hil_range_t);
  m->region = between(0, 2);
  m->offset = random_u32();
  m->len = random_u32();
}

FILL(data) {
  SELF(hil_data_t);
  m->region = between(0, 2);
  m->offset = random_u32();
  m->len = (uint16_t)pick(size, MESSAGE_DATA_MAX);
  random_bytes(m->bytes, m->len);
}

FILL(sync) {
  SELF(hil_sync_t);
  m->frame = random_u64();
  m->state_digest = random_u64();
}

FILL(done) {
  SELF(hil_done_t);
  m->request = between(0x01, 0x0f);
  m->value = random_u64();
}

FILL(refusal) {
  SELF(hil_refusal_t);
  m->request = random_u8();
  m->status = (int8_t)-between(1, 9);
  m->detail = random_u32();
}

FILL(nak) {
  SELF(hil_nak_t);
  m->reason = (int8_t)-between(1, 9);
}

FILL(health) {
  SELF(hil_health_t);
  m->uptime_us = random_u64();
  m->cpu_temp_mc = (int32_t)random_u32();
  m->clock_khz = random_u32();
  m->throttled = random_u32();
  m->rss_kib = random_u32();
  m->free_mib = random_u32();
  m->steps = random_u32();
  m->crashes = random_u32();
  m->hangs = random_u32();
  m->restarts = random_u32();
  m->corrected = random_u64();
  m->uncorrected = random_u64();
  m->rx_bytes = random_u64();
  m->rx_frames = random_u64();
  m->rx_errors = random_u64();
  m->tx_bytes = random_u64();
  m->tx_frames = random_u64();
  m->duplicates = random_u64();
  m->rails = (uint8_t)pick(size, MESSAGE_RAILS_MAX);
  for (size_t i = 0; i < m->rails; i++) {
    random_text(m->rail[i].name, sizeof m->rail[i].name);
    m->rail[i].mv = (int32_t)random_u32();
    m->rail[i].ma = (int32_t)random_u32();
  }
}

FILL(limits) {
  SELF(hil_limits_t);
  m->duty_permille = (uint16_t)(1 + random_u32() % 1000);
  m->cores = random_u8();
  m->suspend = between(0, 1);
  m->clock_khz = random_u32();
  random_text(m->mode, sizeof m->mode);
}

FILL(limited) {
  SELF(hil_limited_t);
  m->duty_permille = (uint16_t)(1 + random_u32() % 1000);
  m->cores = random_u8();
  m->suspend = between(0, 1);
  m->clock_khz = random_u32();
  random_text(m->mode, sizeof m->mode);
  m->refused = between(0, 31);
  m->means = between(0, 63);
  m->detail = random_u32();
}

FILL(activation) {
  SELF(hil_activation_t);
  m->id = random_u32();
  m->first = between(FIRST_UNKNOWN, FIRST_NONE);
  m->reason = between(UNWATCHED_NOT, UNWATCHED_INSTRUCTION);
}

FILL(baud) {
  SELF(hil_baud_t);
  m->baud = random_u32();
}

FILL(sensors) {
  SELF(hil_sensors_t);
  random_text(m->mode, sizeof m->mode);
  m->readings = (uint8_t)pick(size, MESSAGE_READINGS_MAX);
  for (unsigned i = 0; i < m->readings; i++) {
    m->reading[i].kind = between(1, 3);
    random_text(m->reading[i].name, sizeof m->reading[i].name);
    m->reading[i].value = (int32_t)random_u32();
  }
}

FILL(image) {
  SELF(hil_image_t);
  m->known = between(IMAGE_MEASURED, IMAGE_CLAIMED);
  for (unsigned i = 0; i < sizeof m->sha256; i++) m->sha256[i] = (uint8_t)random_u32();
}

FILL(program_query) {
  SELF(hil_program_query_t);
  m->init_ms = random_u32();
  m->offset = random_u16();
}

FILL(program) {
  SELF(hil_program_t);
  m->init_ms = random_u32();
  m->ends = random_u32();
  m->how = between(PROGRAM_NONE, PROGRAM_SILENT);
  m->code = (uint8_t)random_u32();
  m->written = random_u64();
  m->kept = (uint16_t)(random_u32() % (MESSAGE_STDERR_MAX + 1u));
  m->offset = random_u16();
  m->len = (uint16_t)pick(size, MESSAGE_PART_MAX);
  random_bytes(m->bytes, m->len);
}

FILL(regions_query) {
  SELF(hil_regions_query_t);
  m->first = random_u16();
}

FILL(regions) {
  SELF(hil_regions_t);
  m->total = random_u16();
  m->first = random_u16();
  m->len = (uint16_t)pick(size, MESSAGE_PACKED_MAX);
  random_bytes(m->bytes, m->len);
}

FILL(campaign_opened) {
  SELF(hil_campaign_opened_t);
  m->arena = random_u64();
  m->state_at = random_u32();
  m->input_at = random_u32();
  m->output_at = random_u32();
  m->heap_at = random_u32();
  m->stack_at = random_u32();
  m->stack_len = random_u32();
  m->rest = random_u64();
  m->text = random_u64();
  m->text_len = random_u32();
  m->gpr_count = random_u16();
  m->gpr_bytes = random_u8();
  m->vector_bytes = random_u16();
  m->ticks = random_u32();
  m->output_digest = random_u64();
  m->state_digest = random_u64();
}

FILL(campaign_position) {
  SELF(hil_campaign_position_t);
  m->position = random_u64();
}

FILL(campaign_trace) {
  SELF(hil_campaign_trace_t);
  m->position = random_u64();
  m->ended = between(0, 1);
  m->len = (uint16_t)pick(size, MESSAGE_PACKED_MAX);
  random_bytes(m->bytes, m->len);
}

FILL(campaign_code_query) {
  SELF(hil_campaign_code_query_t);
  m->address = random_u64();
  m->len = (uint16_t)pick(2, MESSAGE_PACKED_MAX);
}

FILL(campaign_code) {
  SELF(hil_campaign_code_t);
  m->address = random_u64();
  m->len = (uint16_t)pick(size, MESSAGE_PACKED_MAX);
  random_bytes(m->bytes, m->len);
}

FILL(campaign_sites) {
  SELF(hil_campaign_sites_t);
  m->details = between(0, 15);
  m->len = (uint16_t)pick(size, MESSAGE_PACKED_MAX);
  random_bytes(m->bytes, m->len);
}

FILL(campaign_outcomes) {
  SELF(hil_campaign_outcomes_t);
  m->position = random_u64();
  m->path = random_u64();
  m->count = (uint16_t)pick(2, CAMPAIGN_DRAWN_MAX);
  m->len = (uint16_t)pick(size, MESSAGE_PACKED_MAX);
  random_bytes(m->bytes, m->len);
}

FILL(campaign_draws) {
  SELF(hil_campaign_draws_t);
  m->continued = between(0, 1);
  m->len = (uint16_t)pick(size, MESSAGE_PACKED_MAX);
  random_bytes(m->bytes, m->len);
}

FILL(campaign_follow) {
  SELF(hil_campaign_follow_t);
  m->first = between(0, CAMPAIGN_FOLLOW_MAX - 1);
  m->restored = between(0, 1);
  m->len = (uint16_t)pick(size, MESSAGE_PACKED_MAX);
  random_bytes(m->bytes, m->len);
}

FILL(campaign_strike) {
  SELF(hil_campaign_strike_t);
  m->position = random_u64();
  m->byte = random_u64();
  m->space = between(0, 2);
  m->bit = between(0, 7);
  m->stop = between(0, 2);
}

FILL(campaign_struck) {
  SELF(hil_campaign_struck_t);
  m->pc = random_u64();
  m->fault = random_u64();
  m->pid = random_u32();
  m->signal = random_u8();
}

typedef union {
  hil_hello_t hello;
  hil_load_t load;
  hil_loaded_t loaded;
  hil_budget_t budget;
  hil_step_t step;
  hil_reply_t reply;
  hil_arm_t arm;
  uint32_t id;
  hil_report_t report;
  hil_spans_query_t spans_query;
  hil_spans_t spans;
  hil_range_t range;
  hil_data_t data;
  hil_sync_t sync;
  hil_done_t done;
  hil_refusal_t refusal;
  hil_nak_t nak;
  hil_health_t health;
  hil_limits_t limits;
  hil_limited_t limited;
  hil_baud_t baud;
  hil_sensors_t sensors;
  hil_image_t image;
  hil_program_query_t program_query;
  hil_program_t program;
  hil_regions_query_t regions_query;
  hil_regions_t regions;
  hil_campaign_opened_t campaign_opened;
  hil_campaign_position_t campaign_position;
  hil_campaign_trace_t campaign_trace;
  hil_campaign_code_query_t campaign_code_query;
  hil_campaign_code_t campaign_code;
  hil_campaign_sites_t campaign_sites;
  hil_campaign_outcomes_t campaign_outcomes;
  hil_activation_t activation;
  hil_campaign_follow_t campaign_follow;
  hil_campaign_strike_t campaign_strike;
  hil_campaign_struck_t campaign_struck;
  hil_campaign_draws_t campaign_draws;
} hil_any_t;

#define WRAP(name, argument)                                                             \
  static int name##_pack_any(const void *m, uint8_t *out, size_t cap, size_t *out_len) { \
    return hil_##name##_pack(argument, out, cap, out_len);                               \
  }                                                                                      \
  static int name##_unpack_any(void *m, const uint8_t *data, size_t len) {               \
    return hil_##name##_unpack(m, data, len);                                            \
  }

/* clang-format off */
WRAP(hello, m) WRAP(load, m) WRAP(loaded, m) WRAP(budget, m) WRAP(step, m) WRAP(reply, m)
WRAP(arm, m) WRAP(id, *(const uint32_t *)m) WRAP(report, m) WRAP(spans_query, m) WRAP(spans, m)
WRAP(range, m) WRAP(data, m) WRAP(sync, m) WRAP(done, m) WRAP(refusal, m) WRAP(nak, m)
WRAP(health, m) WRAP(limits, m) WRAP(limited, m)
WRAP(baud, m) WRAP(sensors, m) WRAP(image, m) WRAP(program_query, m) WRAP(program, m)
WRAP(regions_query, m) WRAP(regions, m)
WRAP(campaign_opened, m) WRAP(campaign_position, m) WRAP(campaign_trace, m)
WRAP(campaign_code_query, m) WRAP(campaign_code, m) WRAP(campaign_sites, m) WRAP(campaign_outcomes, m)
WRAP(activation, m) WRAP(campaign_follow, m) WRAP(campaign_strike, m) WRAP(campaign_struck, m) WRAP(campaign_draws, m)
/* clang-format on */

typedef struct {
  const char *name;
  size_t size;       /* [byte] of the struct */
  size_t fixed;      /* [byte] of the payload without the variable part */
  size_t entry, max; /* [byte] and number of its entries */
  void (*fill)(void *any, unsigned size);
  int (*pack)(const void *m, uint8_t *out, size_t cap, size_t *out_len);
  int (*unpack)(void *m, const uint8_t *data, size_t len);
} hil_layout_t;

#define LAYOUT(name, fixed, entry, max) \
  {#name, sizeof(((hil_any_t *)0)->name), fixed, entry, max, name##_fill, name##_pack_any, name##_unpack_any}

static const hil_layout_t layouts[] = {
    LAYOUT(hello, 152, 0, 0),
    LAYOUT(load, 24, 0, 0),
    LAYOUT(loaded, 32, 0, 0),
    LAYOUT(budget, 16, 0, 0),
    LAYOUT(step, 10, 1, 256),
    LAYOUT(reply, 41, 1, 256),
    LAYOUT(arm, 44, 0, 0),
    LAYOUT(id, 4, 0, 0),
    LAYOUT(report, 86, 0, 0),
    LAYOUT(range, 9, 0, 0),
    LAYOUT(spans_query, 11, 0, 0),
    LAYOUT(spans, 11, 8, 64),
    LAYOUT(data, 7, 1, 1008),
    LAYOUT(sync, 16, 0, 0),
    LAYOUT(done, 9, 0, 0),
    LAYOUT(refusal, 6, 0, 0),
    LAYOUT(nak, 1, 0, 0),
    LAYOUT(health, 109, 16, 8),
    LAYOUT(limits, 40, 0, 0),
    LAYOUT(limited, 46, 0, 0),
    LAYOUT(baud, 4, 0, 0),
    LAYOUT(sensors, 33, 21, 24),
    LAYOUT(program_query, 6, 0, 0),
    LAYOUT(program, 24, 1, 1000),
    LAYOUT(regions_query, 2, 0, 0),
    LAYOUT(regions, 6, 1, 1000),
    LAYOUT(campaign_opened, 77, 0, 0),
    LAYOUT(campaign_position, 8, 0, 0),
    LAYOUT(campaign_trace, 11, 1, 1000),
    LAYOUT(campaign_code_query, 10, 0, 0),
    LAYOUT(campaign_code, 10, 1, 1000),
    LAYOUT(campaign_sites, 3, 1, 1000),
    LAYOUT(campaign_outcomes, 20, 1, 1000),
    LAYOUT(activation, 6, 0, 0),
    LAYOUT(image, 33, 0, 0),
    LAYOUT(campaign_follow, 4, 1, 1000),
    LAYOUT(campaign_strike, 19, 0, 0),
    LAYOUT(campaign_struck, 21, 0, 0),
    LAYOUT(campaign_draws, 3, 1, 1000),
};
enum { LAYOUTS = sizeof layouts / sizeof layouts[0] };

/* A filled message and its bytes. */
static hil_any_t first, second;
static uint8_t packed[WIRE_PAYLOAD_MAX + 2];
static size_t packed_len;

static void prepare(const hil_layout_t *l, unsigned size) {
  memset(&first, 0, sizeof first);
  l->fill(&first, size);
  memset(packed, UNIT_GUARD, sizeof packed);
  CHECK_EQ(l->pack(&first, packed, WIRE_PAYLOAD_MAX, &packed_len), HIL_OK);
  CHECK(packed_len <= WIRE_PAYLOAD_MAX && packed[packed_len] == UNIT_GUARD);
}

static const hil_layout_t *find(const char *name) {
  for (size_t i = 0; i < LAYOUTS; i++) {
    if (strcmp(layouts[i].name, name) == 0) return &layouts[i];
  }
  return NULL;
}

static void test_every_field_comes_back(void) {
  random_state = 20250301;
  for (size_t i = 0; i < LAYOUTS; i++) {
    for (unsigned round = 0; round < ROUNDS; round++) {
      prepare(&layouts[i], round);
      /* What stood in the struct before must not matter, nor what stands behind it be touched. */
      memset(&second, round % 2 ? 0xFF : 0x55, sizeof second);
      CHECK_EQ(layouts[i].unpack(&second, packed, packed_len), HIL_OK);
      CHECK(memcmp(&first, &second, layouts[i].size) == 0);
      const uint8_t *behind = (const uint8_t *)&second + layouts[i].size;
      CHECK(layouts[i].size == sizeof second || *behind == (round % 2 ? 0xFF : 0x55));
    }
  }
}

static void test_lengths_are_those_of_the_specification(void) {
  random_state = 20250302;
  for (size_t i = 0; i < LAYOUTS; i++) {
    prepare(&layouts[i], 0);
    CHECK_EQ(packed_len, layouts[i].fixed);
    prepare(&layouts[i], 1);
    CHECK_EQ(packed_len, layouts[i].fixed + layouts[i].entry * layouts[i].max);
    CHECK(packed_len <= WIRE_PAYLOAD_MAX);
  }
}

static void test_every_truncation_and_extension_is_refused(void) {
  random_state = 20250303;
  for (size_t i = 0; i < LAYOUTS; i++) {
    for (unsigned round = 0; round < 6; round++) {
      prepare(&layouts[i], round);
      for (size_t len = 0; len <= WIRE_PAYLOAD_MAX; len++) {
        const int want = len == packed_len ? HIL_OK : HIL_ERR_PAYLOAD;
        CHECK_EQ(layouts[i].unpack(&second, packed, len), want);
      }
    }
  }
}

static void test_every_capacity_too_small_is_exhausted_and_respected(void) {
  random_state = 20250304;
  for (size_t i = 0; i < LAYOUTS; i++) {
    for (unsigned round = 0; round < 4; round++) {
      prepare(&layouts[i], round);
      for (size_t cap = 0; cap <= packed_len; cap++) {
        uint8_t out[WIRE_PAYLOAD_MAX + 1];
        size_t len = 0;
        memset(out, UNIT_GUARD, sizeof out);
        const int want = cap == packed_len ? HIL_OK : HIL_ERR_EXHAUSTED;
        CHECK_EQ(layouts[i].pack(&first, out, cap, &len), want);
        CHECK_EQ(out[cap], UNIT_GUARD);
      }
    }
  }
}

/* One byte of a packed message that is an enumeration, flag or status, and its legal values. */
typedef struct {
  const char *name;
  size_t at;
  int low, high;
} hil_range_check_t;

static const hil_range_check_t ranges[] = {
    {"reply", 8, 0, 3},
    {"arm", 12, 0, 1},
    {"report", 4, 0, 3},
    {"report", 5, 0, 1},
    {"report", 6, 0, 1},
    {"report", 7, 0, 1},
    {"report", 8, -9, 0},
    {"report", 53, 0, 16},
    {"spans", 0, 0, 2},
    {"spans_query", 0, 0, 2},
    {"range", 0, 0, 2},
    {"data", 0, 0, 2},
    {"done", 0, 1, 15},
    {"refusal", 1, -9, -1},
    {"nak", 0, -9, -1},
    {"refusal", 0, -128, 127},
    {"limits", 3, 0, 1},
    {"limited", 3, 0, 1},
    {"limited", 40, 0, 31},
    {"limited", 41, 0, 63},
    {"sensors", 33, 1, 3},
    {"campaign_trace", 8, 0, 1},
    {"campaign_sites", 0, 0, 15},
    {"campaign_draws", 0, 0, 1},
    {"campaign_follow", 0, 0, 63},
    {"campaign_follow", 1, 0, 1},
    {"activation", 4, 0, 3},
    {"image", 0, 1, 2},
    {"campaign_strike", 16, 0, 3},
    {"campaign_strike", 17, 0, 7},
    {"campaign_strike", 18, 0, 2},
    {"activation", 5, 0, 5},
};

static void test_values_outside_an_enumeration_are_refused(void) {
  random_state = 20250305;
  for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
    const hil_layout_t *l = find(ranges[i].name);
    prepare(l, 2);
    for (int value = -128; value < 128; value++) {
      /* Unsigned enumerations see -128..-1 as 128..255. */
      packed[ranges[i].at] = (uint8_t)value;
      const int good = value >= ranges[i].low && value <= ranges[i].high;
      CHECK_EQ(l->unpack(&second, packed, packed_len), good ? HIL_OK : HIL_ERR_PAYLOAD);
    }
  }
}

static void test_the_kinds_of_an_upset_depend_on_its_target(void) {
  random_state = 20250306;
  prepare(find("arm"), 2);
  for (unsigned target = 0; target < 256; target++) {
    for (unsigned kind = 0; kind < 256; kind++) {
      packed[13] = (uint8_t)target;
      packed[26] = (uint8_t)kind;
      const int good = target <= 12 && kind >= 1 && kind <= (target == 5 ? 3 : 5);
      CHECK_EQ(hil_arm_unpack(&second.arm, packed, packed_len), good ? HIL_OK : HIL_ERR_PAYLOAD);
    }
  }
}

/* Length fields: name, where, how wide. */
static const struct {
  const char *name;
  size_t at, width;
} lengths[] = {{"step", 8, 2},
               {"reply", 39, 2},
               {"spans", 9, 2},
               {"data", 5, 2},
               {"health", 108, 1},
               {"campaign_trace", 9, 2},
               {"campaign_code", 8, 2},
               {"campaign_sites", 1, 2},
               {"campaign_outcomes", 18, 2},
               {"campaign_follow", 2, 2},
               {"campaign_draws", 1, 2}};

static void test_a_length_must_match_the_bytes_that_follow(void) {
  random_state = 20250307;
  for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
    const hil_layout_t *l = find(lengths[i].name);
    prepare(l, 3);
    for (size_t value = 0; value < (lengths[i].width == 1 ? 256 : 65536); value++) {
      packed[lengths[i].at] = (uint8_t)value;
      if (lengths[i].width == 2) packed[lengths[i].at + 1] = (uint8_t)(value >> 8);
      const int good = value <= l->max && l->fixed + value * l->entry == packed_len;
      CHECK_EQ(l->unpack(&second, packed, packed_len), good ? HIL_OK : HIL_ERR_PAYLOAD);
    }
  }
  prepare(find("spans_query"), 0);
  for (unsigned value = 0; value < 65536; value++) {
    packed[9] = (uint8_t)value;
    packed[10] = (uint8_t)(value >> 8);
    CHECK_EQ(hil_spans_query_unpack(&second.spans_query, packed, packed_len),
             value <= 64 ? HIL_OK : HIL_ERR_PAYLOAD);
  }
  prepare(find("campaign_code_query"), 0);
  for (unsigned value = 0; value < 65536; value++) {
    packed[8] = (uint8_t)value;
    packed[9] = (uint8_t)(value >> 8);
    CHECK_EQ(hil_campaign_code_query_unpack(&second.campaign_code_query, packed, packed_len),
             value <= 1000 ? HIL_OK : HIL_ERR_PAYLOAD);
  }
  prepare(find("campaign_outcomes"), 0);
  for (unsigned value = 0; value < 65536; value++) {
    packed[16] = (uint8_t)value;
    packed[17] = (uint8_t)(value >> 8);
    CHECK_EQ(hil_campaign_outcomes_unpack(&second.campaign_outcomes, packed, packed_len),
             value <= 2048 ? HIL_OK : HIL_ERR_PAYLOAD);
  }
}

/* Bytes enough for the length claimed, but more than the message may have. */
static void test_a_length_beyond_the_limit_is_refused_though_the_bytes_are_there(void) {
  uint8_t bytes[2000] = {0};
  bytes[8] = 257 & 0xFF; /* step: len 257 */
  bytes[9] = 257 >> 8;
  CHECK_EQ(hil_step_unpack(&second.step, bytes, 10 + 257), HIL_ERR_PAYLOAD);
  memset(bytes, 0, sizeof bytes);
  bytes[39] = 257 & 0xFF;
  bytes[40] = 257 >> 8;
  CHECK_EQ(hil_reply_unpack(&second.reply, bytes, 41 + 257), HIL_ERR_PAYLOAD);
  memset(bytes, 0, sizeof bytes);
  bytes[9] = 65;
  CHECK_EQ(hil_spans_unpack(&second.spans, bytes, 11 + 65 * 8), HIL_ERR_PAYLOAD);
  memset(bytes, 0, sizeof bytes);
  bytes[5] = 1009 & 0xFF;
  bytes[6] = 1009 >> 8;
  CHECK_EQ(hil_data_unpack(&second.data, bytes, 7 + 1009), HIL_ERR_PAYLOAD);
  memset(bytes, 0, sizeof bytes);
  bytes[108] = 9;
  CHECK_EQ(hil_health_unpack(&second.health, bytes, 109 + 9 * 16), HIL_ERR_PAYLOAD);
  memset(bytes, 0, sizeof bytes);
  bytes[1] = 1001 & 0xFF;
  bytes[2] = 1001 >> 8;
  CHECK_EQ(hil_campaign_sites_unpack(&second.campaign_sites, bytes, 3 + 1001), HIL_ERR_PAYLOAD);
  memset(bytes, 0, sizeof bytes);
  bytes[9] = 1001 & 0xFF;
  bytes[10] = 1001 >> 8;
  CHECK_EQ(hil_campaign_trace_unpack(&second.campaign_trace, bytes, 11 + 1001), HIL_ERR_PAYLOAD);
}

static void test_packing_a_length_beyond_the_limit_is_the_callers_fault(void) {
  uint8_t out[2 * WIRE_PAYLOAD_MAX];
  size_t len;
  memset(&first, 0, sizeof first);
  first.step.len = 257;
  CHECK_EQ(hil_step_pack(&first.step, out, sizeof out, &len), HIL_ERR_ARG);
  memset(&first, 0, sizeof first);
  first.reply.len = 65535;
  CHECK_EQ(hil_reply_pack(&first.reply, out, sizeof out, &len), HIL_ERR_ARG);
  memset(&first, 0, sizeof first);
  first.report.len = 17;
  CHECK_EQ(hil_report_pack(&first.report, out, sizeof out, &len), HIL_ERR_ARG);
  memset(&first, 0, sizeof first);
  first.spans_query.count = 65;
  CHECK_EQ(hil_spans_query_pack(&first.spans_query, out, sizeof out, &len), HIL_ERR_ARG);
  memset(&first, 0, sizeof first);
  first.spans.count = 65;
  CHECK_EQ(hil_spans_pack(&first.spans, out, sizeof out, &len), HIL_ERR_ARG);
  memset(&first, 0, sizeof first);
  first.data.len = 1009;
  CHECK_EQ(hil_data_pack(&first.data, out, sizeof out, &len), HIL_ERR_ARG);
  memset(&first, 0, sizeof first);
  first.health.rails = 9;
  CHECK_EQ(hil_health_pack(&first.health, out, sizeof out, &len), HIL_ERR_ARG);
  memset(&first, 0, sizeof first);
  first.campaign_outcomes.count = CAMPAIGN_DRAWN_MAX + 1;
  CHECK_EQ(hil_campaign_outcomes_pack(&first.campaign_outcomes, out, sizeof out, &len), HIL_ERR_ARG);
  memset(&first, 0, sizeof first);
  first.campaign_sites.len = 1001;
  CHECK_EQ(hil_campaign_sites_pack(&first.campaign_sites, out, sizeof out, &len), HIL_ERR_ARG);
}

static void test_a_duty_outside_its_thousandths_is_refused(void) {
  random_state = 20250309;
  prepare(find("limits"), 2);
  for (unsigned value = 0; value < 65536; value++) {
    packed[0] = (uint8_t)value;
    packed[1] = (uint8_t)(value >> 8);
    CHECK_EQ(hil_limits_unpack(&second.limits, packed, packed_len),
             value >= 1 && value <= 1000 ? HIL_OK : HIL_ERR_PAYLOAD);
  }
}

static void test_texts_come_out_terminated_and_padded_with_zeros(void) {
  uint8_t bytes[24];
  hil_load_t m;
  memset(bytes, 'x', sizeof bytes);
  CHECK_EQ(hil_load_unpack(&m, bytes, sizeof bytes), HIL_OK);
  CHECK(memcmp(m.workload, "xxxxxxxxxxxxxxx", 16) == 0);
  bytes[3] = 0;
  CHECK_EQ(hil_load_unpack(&m, bytes, sizeof bytes), HIL_OK);
  CHECK(memcmp(m.workload, "xxx\0\0\0\0\0\0\0\0\0\0\0\0", 16) == 0);

  size_t len = 0; /* whatever stood behind the terminator stays at home */
  memset(&m, 's', sizeof m);
  memcpy(m.workload, "orbit", 6);
  CHECK_EQ(hil_load_pack(&m, bytes, sizeof bytes, &len), HIL_OK);
  CHECK(memcmp(bytes, "orbit\0\0\0\0\0\0\0\0\0\0", 16) == 0);
}

static void test_integers_are_little_endian_at_the_offsets_of_the_specification(void) {
  hil_arm_t m;
  memset(&m, 0, sizeof m);
  m.id = 0x04030201;
  m.frame = 0x0c0b0a0908070605;
  m.trigger = 1;
  m.target = 9;
  m.at = 0x13121110;
  m.steps = 0x17161514;
  m.hold_frames = 0x1b1a1918;
  m.kind = 2;
  m.width = 0x1d;
  m.bit = 0x2524232221201f1e;
  m.value = 0x2d2c2b2a29282726;
  const uint8_t want[44] = {0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b,
                            0x0c, 1,    9,    0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17,
                            0x18, 0x19, 0x1a, 0x1b, 2,    0x1d, 0x1e, 0x1f, 0x20, 0x21, 0x22,
                            0x23, 0x24, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x2b, 0x2c, 0x2d};
  uint8_t out[44];
  size_t len = 0;
  CHECK_EQ(hil_arm_pack(&m, out, sizeof out, &len), HIL_OK);
  CHECK_EQ(len, sizeof want);
  CHECK(memcmp(out, want, sizeof want) == 0);
}

static void test_random_bytes_are_accepted_only_if_they_pack_to_themselves(void) {
  random_state = 20250308;
  unsigned accepted = 0;
  for (unsigned round = 0; round < 20000; round++) {
    const hil_layout_t *l = &layouts[round % LAYOUTS];
    const size_t count = random_u32() % 3 * (l->max / 2);
    uint8_t bytes[WIRE_PAYLOAD_MAX], again[WIRE_PAYLOAD_MAX];
    size_t len = l->fixed + count * l->entry, again_len = 0;
    random_bytes(bytes, len);
    for (size_t i = 0; i < len; i++) { /* small values, so that ranges are met now and then */
      if (random_u32() % 2) bytes[i] = between(0, 3);
    }
    const int status = l->unpack(&second, bytes, len);
    CHECK(status == HIL_OK || status == HIL_ERR_PAYLOAD);
    if (status != HIL_OK) continue;
    accepted++;
    CHECK_EQ(l->pack(&second, again, sizeof again, &again_len), HIL_OK);
    CHECK_EQ(again_len, len);
    CHECK_EQ(l->unpack(&first, again, again_len), HIL_OK);
    if (l->unpack == load_unpack_any || l->unpack == hello_unpack_any) continue; /* texts */
    if (l->unpack == sensors_unpack_any) continue;
    if (l->unpack == limits_unpack_any || l->unpack == limited_unpack_any) continue;
    CHECK(l->unpack == health_unpack_any || memcmp(again, bytes, len) == 0);
  }
  CHECK(accepted > 3000);
}

static void test_null_pointers_are_the_callers_fault(void) {
  uint8_t bytes[WIRE_PAYLOAD_MAX] = {0};
  size_t len;
  memset(&first, 0, sizeof first);
  for (size_t i = 0; i < LAYOUTS; i++) {
    CHECK_EQ(layouts[i].pack(&first, NULL, 1024, &len), HIL_ERR_ARG);
    CHECK_EQ(layouts[i].pack(&first, bytes, 1024, NULL), HIL_ERR_ARG);
    CHECK_EQ(layouts[i].unpack(NULL, bytes, layouts[i].fixed), HIL_ERR_ARG);
    CHECK_EQ(layouts[i].unpack(&first, NULL, layouts[i].fixed), HIL_ERR_ARG);
  }
  CHECK_EQ(hil_budget_pack(NULL, bytes, sizeof bytes, &len), HIL_ERR_ARG);
}

int main(void) {
  RUN(test_every_field_comes_back);
  RUN(test_lengths_are_those_of_the_specification);
  RUN(test_every_truncation_and_extension_is_refused);
  RUN(test_every_capacity_too_small_is_exhausted_and_respected);
  RUN(test_values_outside_an_enumeration_are_refused);
  RUN(test_the_kinds_of_an_upset_depend_on_its_target);
  RUN(test_a_length_must_match_the_bytes_that_follow);
  RUN(test_a_length_beyond_the_limit_is_refused_though_the_bytes_are_there);
  RUN(test_packing_a_length_beyond_the_limit_is_the_callers_fault);
  RUN(test_a_duty_outside_its_thousandths_is_refused);
  RUN(test_texts_come_out_terminated_and_padded_with_zeros);
  RUN(test_integers_are_little_endian_at_the_offsets_of_the_specification);
  RUN(test_random_bytes_are_accepted_only_if_they_pack_to_themselves);
  RUN(test_null_pointers_are_the_callers_fault);
  return UNIT_RESULT();
}
