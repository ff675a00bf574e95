/* Messages: what the payload of each frame type means. SPDX-License-Identifier: Apache-2.0
 *
 * Each message is a table that lists its fields once, in the order of the wire; pack and unpack walk
 * the same table, so they cannot disagree. Where a field stands in the struct and how wide it is
 * come from the compiler, never from a number written here. Integers cross as little-endian bytes of
 * their own width, without padding.
 *
 * Invariants:
 *   M1. unpack reads nothing outside data[0..len), pack writes nothing outside out[0..cap);
 *   M2. unpack accepts exactly one length for given contents: no shorter, no longer;
 *   M3. what unpack accepts has every length, count, enumeration and flag in range and every text
 *       terminated;
 *   M4. unpack writes all of *m: entries beyond a length or count, and padding, are zero;
 *   M5. unpack(pack(m)) = m up to the text behind a terminator, and pack(unpack(pack(m))) = pack(m)
 *       bit for bit. */
#include "message.h"

#include <stdbool.h>
#include <string.h>

#include "bytes.h"
#include "upset.h"

/* The tables' vocabulary. */
typedef enum {
  INTEGER, /* any value */
  RANGE,   /* an integer, low..high (signed: of 8 bits), checked by unpack: enumerations and flags */
  LENGTH,  /* an unsigned integer, 0..high, checked both ways; how many entries the tail has */
  TEXT,    /* |size| bytes, zero-padded, the last one zero */
  BYTES,   /* |size| bytes as they are */
  TAIL     /* as many entries of |size| bytes as the LENGTH says */
} hil_field_kind_t;

typedef struct field {
  uint16_t at;                 /* [byte] in the struct */
  uint16_t size;               /* [byte] of the field, of one entry for a TAIL */
  uint8_t kind;                /* hil_field_kind_t */
  uint8_t parts;               /* TAIL: fields of one entry */
  int16_t low, high;           /* RANGE, LENGTH */
  const struct field *part;    /* TAIL: the fields of one entry; null: bytes */
} hil_field_t;

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define AT(type, member) (uint16_t) offsetof(type, member)
#define SIZE(type, member) (uint16_t)sizeof(((type *)0)->member)
#define ENTRY_SIZE(type, member) (uint16_t)sizeof(*((type *)0)->member)
#define FIELD(kind, type, member, low, high) {AT(type, member), SIZE(type, member), kind, 0, low, high, 0}
#define INT(type, member) FIELD(INTEGER, type, member, 0, 0)
#define ENUM(type, member, low, high) FIELD(RANGE, type, member, low, high)
#define FLAG(type, member) FIELD(RANGE, type, member, 0, 1)
#define LEN(type, member, max) FIELD(LENGTH, type, member, 0, max)
#define STR(type, member) FIELD(TEXT, type, member, 0, 0)
#define RAW(type, member) FIELD(BYTES, type, member, 0, 0)
#define OCTETS(type, member) {AT(type, member), 1, TAIL, 0, 0, 0, 0}
#define ENTRIES(type, member, fields) \
  {AT(type, member), ENTRY_SIZE(type, member), TAIL, COUNT_OF(fields), 0, 0, fields}

/* The layouts. clang-format would put two fields into a line: here one stays one. */
/* clang-format off */
static const hil_field_t hello_fields[] = {
    INT(hil_hello_t, wire_version), INT(hil_hello_t, pointer_bits), INT(hil_hello_t, cores),
    INT(hil_hello_t, memory_mib),   INT(hil_hello_t, boot_id),      INT(hil_hello_t, uptime_us),
    INT(hil_hello_t, targets),      INT(hil_hello_t, gpr_count),    INT(hil_hello_t, vector_bytes),
    INT(hil_hello_t, heartbeat),    STR(hil_hello_t, port),         STR(hil_hello_t, arch),
    STR(hil_hello_t, version),      STR(hil_hello_t, board),        STR(hil_hello_t, serial),
};

static const hil_field_t load_fields[] = {STR(hil_load_t, workload), INT(hil_load_t, seed)};

static const hil_field_t loaded_fields[] = {
    INT(hil_loaded_t, state_len),   INT(hil_loaded_t, input_len), INT(hil_loaded_t, output_len),
    INT(hil_loaded_t, scratch_len), INT(hil_loaded_t, ticks),     INT(hil_loaded_t, text_len),
    INT(hil_loaded_t, state_digest),
};

static const hil_field_t budget_fields[] = {
    INT(hil_budget_t, cpu_us),
    INT(hil_budget_t, max_ticks),
    INT(hil_budget_t, scrub_words),
};

static const hil_field_t step_fields[] = {
    INT(hil_step_t, frame),
    LEN(hil_step_t, len, MESSAGE_IO_MAX),
    OCTETS(hil_step_t, input),
};

static const hil_field_t reply_fields[] = {
    INT(hil_reply_t, frame),
    ENUM(hil_reply_t, status, WORKER_DONE, WORKER_ABSENT),
    INT(hil_reply_t, signal),
    INT(hil_reply_t, pending),
    INT(hil_reply_t, ticks),
    INT(hil_reply_t, cpu_us),
    INT(hil_reply_t, step_us),
    INT(hil_reply_t, output_digest),
    INT(hil_reply_t, state_digest),
    LEN(hil_reply_t, len, MESSAGE_IO_MAX),
    OCTETS(hil_reply_t, output),
};

static const hil_field_t arm_fields[] = {
    INT(hil_arm_t, id),
    INT(hil_arm_t, frame),
    ENUM(hil_arm_t, trigger, TRIGGER_TICK, TRIGGER_US),
    ENUM(hil_arm_t, target, TARGET_STATE, TARGET_CHECKS),
    INT(hil_arm_t, at),
    INT(hil_arm_t, steps),
    INT(hil_arm_t, hold_frames),
    ENUM(hil_arm_t, kind, UPSET_BIT, UPSET_RANDOM_WORD), /* narrower for TARGET_CPU: hil_arm_unpack */
    INT(hil_arm_t, width),
    INT(hil_arm_t, bit),
    INT(hil_arm_t, value),
};

static const hil_field_t campaign_opened_fields[] = {
    INT(hil_campaign_opened_t, arena),
    INT(hil_campaign_opened_t, state_at),
    INT(hil_campaign_opened_t, input_at),
    INT(hil_campaign_opened_t, output_at),
    INT(hil_campaign_opened_t, heap_at),
    INT(hil_campaign_opened_t, stack_at),
    INT(hil_campaign_opened_t, stack_len),
    INT(hil_campaign_opened_t, rest),
    INT(hil_campaign_opened_t, text),
    INT(hil_campaign_opened_t, text_len),
    INT(hil_campaign_opened_t, gpr_count),
    INT(hil_campaign_opened_t, gpr_bytes),
    INT(hil_campaign_opened_t, vector_bytes),
    INT(hil_campaign_opened_t, ticks),
    INT(hil_campaign_opened_t, output_digest),
    INT(hil_campaign_opened_t, state_digest),
};

static const hil_field_t campaign_position_fields[] = {INT(hil_campaign_position_t, position)};

static const hil_field_t campaign_trace_fields[] = {
    INT(hil_campaign_trace_t, position),
    FLAG(hil_campaign_trace_t, ended),
    LEN(hil_campaign_trace_t, len, MESSAGE_PACKED_MAX),
    OCTETS(hil_campaign_trace_t, bytes),
};

static const hil_field_t campaign_code_query_fields[] = {
    INT(hil_campaign_code_query_t, address),
    LEN(hil_campaign_code_query_t, len, MESSAGE_PACKED_MAX),
};

static const hil_field_t campaign_code_fields[] = {
    INT(hil_campaign_code_t, address),
    LEN(hil_campaign_code_t, len, MESSAGE_PACKED_MAX),
    OCTETS(hil_campaign_code_t, bytes),
};

static const hil_field_t campaign_sites_fields[] = {
    ENUM(hil_campaign_sites_t, details, 0, 2 * DETAIL_FATE - 1),
    LEN(hil_campaign_sites_t, len, MESSAGE_PACKED_MAX),
    OCTETS(hil_campaign_sites_t, bytes),
};

static const hil_field_t campaign_draws_fields[] = {
    FLAG(hil_campaign_draws_t, continued),
    LEN(hil_campaign_draws_t, len, MESSAGE_PACKED_MAX),
    OCTETS(hil_campaign_draws_t, bytes),
};

static const hil_field_t campaign_outcomes_fields[] = {
    INT(hil_campaign_outcomes_t, position),
    INT(hil_campaign_outcomes_t, path),
    LEN(hil_campaign_outcomes_t, count, CAMPAIGN_DRAWN_MAX),
    LEN(hil_campaign_outcomes_t, len, MESSAGE_PACKED_MAX),
    OCTETS(hil_campaign_outcomes_t, bytes),
};

static const hil_field_t campaign_follow_fields[] = {
    ENUM(hil_campaign_follow_t, first, 0, CAMPAIGN_FOLLOW_MAX - 1),
    FLAG(hil_campaign_follow_t, restored),
    LEN(hil_campaign_follow_t, len, MESSAGE_PACKED_MAX),
    OCTETS(hil_campaign_follow_t, bytes),
};

static const hil_field_t campaign_strike_fields[] = {
    INT(hil_campaign_strike_t, position),
    INT(hil_campaign_strike_t, byte),
    ENUM(hil_campaign_strike_t, space, SPACE_MEMORY, SPACE_CPU),
    ENUM(hil_campaign_strike_t, bit, 0, 7),
    ENUM(hil_campaign_strike_t, stop, STOP_AT_UPSET, STOP_FOR_DEBUGGER),
};

static const hil_field_t campaign_struck_fields[] = {
    INT(hil_campaign_struck_t, pc),
    INT(hil_campaign_struck_t, fault),
    INT(hil_campaign_struck_t, pid),
    INT(hil_campaign_struck_t, signal),
};

static const hil_field_t id_fields[] = {{0, sizeof(uint32_t), INTEGER, 0, 0, 0, 0}};

static const hil_field_t report_fields[] = {
    INT(hil_report_t, id),
    ENUM(hil_report_t, state, UPSET_ARMED, UPSET_FAILED),
    FLAG(hil_report_t, verified),
    FLAG(hil_report_t, changed),
    FLAG(hil_report_t, persisted),
    ENUM(hil_report_t, detail, HIL_ERR_IO, HIL_OK),
    INT(hil_report_t, frame),
    INT(hil_report_t, tick),
    INT(hil_report_t, steps),
    INT(hil_report_t, at_us),
    INT(hil_report_t, pc_offset),
    INT(hil_report_t, bit),
    INT(hil_report_t, space),
    LEN(hil_report_t, len, UPSET_WINDOW_MAX),
    RAW(hil_report_t, before),
    RAW(hil_report_t, after),
};

static const hil_field_t activation_fields[] = {
    INT(hil_activation_t, id),
    ENUM(hil_activation_t, first, FIRST_UNKNOWN, FIRST_NONE),
    ENUM(hil_activation_t, reason, UNWATCHED_NOT, UNWATCHED_INSTRUCTION),
};

static const hil_field_t spans_query_fields[] = {
    ENUM(hil_spans_query_t, region, REGION_STATE, REGION_OUTPUT),
    INT(hil_spans_query_t, span),
    INT(hil_spans_query_t, first),
    LEN(hil_spans_query_t, count, MESSAGE_SPANS_MAX),
};

static const hil_field_t digest_fields[] = {{0, sizeof(uint64_t), INTEGER, 0, 0, 0, 0}};

static const hil_field_t spans_fields[] = {
    ENUM(hil_spans_t, region, REGION_STATE, REGION_OUTPUT),
    INT(hil_spans_t, span),
    INT(hil_spans_t, first),
    LEN(hil_spans_t, count, MESSAGE_SPANS_MAX),
    ENTRIES(hil_spans_t, digests, digest_fields),
};

static const hil_field_t range_fields[] = {
    ENUM(hil_range_t, region, REGION_STATE, REGION_OUTPUT),
    INT(hil_range_t, offset),
    INT(hil_range_t, len),
};

static const hil_field_t data_fields[] = {
    ENUM(hil_data_t, region, REGION_STATE, REGION_OUTPUT),
    INT(hil_data_t, offset),
    LEN(hil_data_t, len, MESSAGE_DATA_MAX),
    OCTETS(hil_data_t, bytes),
};

static const hil_field_t sync_fields[] = {INT(hil_sync_t, frame), INT(hil_sync_t, state_digest)};

static const hil_field_t done_fields[] = {
    ENUM(hil_done_t, request, HIL_MSG_HELLO, HIL_MSG_HEALTH),
    INT(hil_done_t, value),
};

static const hil_field_t refusal_fields[] = {
    INT(hil_refusal_t, request), /* any byte: an unknown type is a reason to refuse */
    ENUM(hil_refusal_t, status, HIL_ERR_IO, HIL_ERR_ARG),
    INT(hil_refusal_t, detail),
};

static const hil_field_t nak_fields[] = {ENUM(hil_nak_t, reason, HIL_ERR_IO, HIL_ERR_ARG)};

static const hil_field_t rail_fields[] = {STR(hil_rail_t, name), INT(hil_rail_t, mv), INT(hil_rail_t, ma)};

static const hil_field_t health_fields[] = {
    INT(hil_health_t, uptime_us),
    INT(hil_health_t, cpu_temp_mc),
    INT(hil_health_t, clock_khz),
    INT(hil_health_t, throttled),
    INT(hil_health_t, rss_kib),
    INT(hil_health_t, free_mib),
    INT(hil_health_t, steps),
    INT(hil_health_t, crashes),
    INT(hil_health_t, hangs),
    INT(hil_health_t, restarts),
    INT(hil_health_t, corrected),
    INT(hil_health_t, uncorrected),
    INT(hil_health_t, rx_bytes),
    INT(hil_health_t, rx_frames),
    INT(hil_health_t, rx_errors),
    INT(hil_health_t, tx_bytes),
    INT(hil_health_t, tx_frames),
    INT(hil_health_t, duplicates),
    LEN(hil_health_t, rails, MESSAGE_RAILS_MAX),
    ENTRIES(hil_health_t, rail, rail_fields),
};

static const hil_field_t limits_fields[] = {
    ENUM(hil_limits_t, duty_permille, 1, 1000),
    INT(hil_limits_t, cores),
    FLAG(hil_limits_t, suspend),
    INT(hil_limits_t, clock_khz),
    STR(hil_limits_t, mode),
};

static const hil_field_t limited_fields[] = {
    ENUM(hil_limited_t, duty_permille, 1, 1000),
    INT(hil_limited_t, cores),
    FLAG(hil_limited_t, suspend),
    INT(hil_limited_t, clock_khz),
    STR(hil_limited_t, mode),
    ENUM(hil_limited_t, refused, 0, 2 * LIMIT_MODE - 1),
    ENUM(hil_limited_t, means, 0, 2 * MEANS_NVPMODEL - 1),
    INT(hil_limited_t, detail),
};

static const hil_field_t baud_fields[] = {INT(hil_baud_t, baud)};

static const hil_field_t reading_fields[] = {
    ENUM(hil_reading_t, kind, READING_TEMPERATURE, READING_FAN_DRIVE),
    STR(hil_reading_t, name),
    INT(hil_reading_t, value),
};

static const hil_field_t image_fields[] = {
    ENUM(hil_image_t, known, IMAGE_MEASURED, IMAGE_CLAIMED),
    RAW(hil_image_t, sha256),
};

static const hil_field_t sensors_fields[] = {
    STR(hil_sensors_t, mode),
    LEN(hil_sensors_t, readings, MESSAGE_READINGS_MAX),
    ENTRIES(hil_sensors_t, reading, reading_fields),
};

static const hil_field_t program_query_fields[] = {
    INT(hil_program_query_t, init_ms),
    INT(hil_program_query_t, offset),
};

static const hil_field_t program_fields[] = {
    INT(hil_program_t, init_ms),
    INT(hil_program_t, ends),
    ENUM(hil_program_t, how, PROGRAM_NONE, PROGRAM_SILENT),
    INT(hil_program_t, code),
    INT(hil_program_t, written),
    ENUM(hil_program_t, kept, 0, MESSAGE_STDERR_MAX),
    INT(hil_program_t, offset),
    LEN(hil_program_t, len, MESSAGE_PART_MAX),
    OCTETS(hil_program_t, bytes),
};

static const hil_field_t regions_query_fields[] = {INT(hil_regions_query_t, first)};

static const hil_field_t regions_fields[] = {
    INT(hil_regions_t, total),
    INT(hil_regions_t, first),
    LEN(hil_regions_t, len, MESSAGE_PACKED_MAX),
    OCTETS(hil_regions_t, bytes),
};
/* clang-format on */

/* An integer of 1, 2, 4 or 8 bytes in memory, in the machine's own order. */
static uint64_t load_native(const uint8_t *p, size_t size) {
  uint16_t v16;
  uint32_t v32;
  uint64_t v64;
  switch (size) {
    case 1: return *p;
    case 2: memcpy(&v16, p, sizeof v16); return v16;
    case 4: memcpy(&v32, p, sizeof v32); return v32;
    default: memcpy(&v64, p, sizeof v64); return v64;
  }
}

static void store_native(uint8_t *p, size_t size, uint64_t v) {
  const uint16_t v16 = (uint16_t)v;
  const uint32_t v32 = (uint32_t)v;
  switch (size) {
    case 1: *p = (uint8_t)v; break;
    case 2: memcpy(p, &v16, sizeof v16); break;
    case 4: memcpy(p, &v32, sizeof v32); break;
    default: memcpy(p, &v, sizeof v); break;
  }
}

static bool in_range(const hil_field_t *f, uint64_t v) {
  if (f->low < 0) return (int8_t)v >= f->low && (int8_t)v <= f->high;
  return v >= (uint64_t)f->low && v <= (uint64_t)f->high;
}

/* Writing and reading: the first failure sticks, everything after it does nothing. */
typedef struct {
  uint8_t *at;
  size_t left;
  int status;
} hil_writer_t;

typedef struct {
  const uint8_t *at;
  size_t left;
  int status;
} hil_reader_t;

static void put_bytes(hil_writer_t *w, const uint8_t *bytes, size_t n) {
  if (w->status == HIL_OK && n > w->left) w->status = HIL_ERR_EXHAUSTED;
  if (w->status != HIL_OK) return;
  memcpy(w->at, bytes, n);
  w->at += n;
  w->left -= n;
}

static void get_bytes(hil_reader_t *r, uint8_t *bytes, size_t n) {
  if (n > r->left) r->status = HIL_ERR_PAYLOAD;
  if (r->status != HIL_OK) return;
  memcpy(bytes, r->at, n);
  r->at += n;
  r->left -= n;
}

/* Length of a text without its padding, shorter than |size|. */
static size_t text_len(const uint8_t *text, size_t size) {
  const uint8_t *zero = memchr(text, 0, size - 1);
  return zero ? (size_t)(zero - text) : size - 1;
}

/* One field that is not a tail. Returns its value if it is an integer. */
static uint64_t put_field(hil_writer_t *w, const hil_field_t *f, const uint8_t *base) {
  static const uint8_t zeros[MESSAGE_TEXT_LEN];
  uint8_t le[sizeof(uint64_t)];
  const uint8_t *p = base + f->at;
  if (f->kind == BYTES) {
    put_bytes(w, p, f->size);
    return 0;
  }
  if (f->kind == TEXT) {
    const size_t n = text_len(p, f->size);
    put_bytes(w, p, n);
    put_bytes(w, zeros, f->size - n);
    return 0;
  }
  const uint64_t v = load_native(p, f->size);
  if (f->kind == LENGTH && !in_range(f, v)) w->status = HIL_ERR_ARG;
  store_u64le(le, v);
  put_bytes(w, le, f->size);
  return v;
}

static uint64_t get_field(hil_reader_t *r, const hil_field_t *f, uint8_t *base) {
  uint8_t le[sizeof(uint64_t)] = {0};
  uint8_t *p = base + f->at;
  if (f->kind == BYTES) {
    get_bytes(r, p, f->size);
    return 0;
  }
  if (f->kind == TEXT) {
    get_bytes(r, p, f->size);
    const size_t n = text_len(p, f->size);
    memset(p + n, 0, f->size - n);
    return 0;
  }
  get_bytes(r, le, f->size);
  const uint64_t v = load_u64le(le);
  if (f->kind != INTEGER && !in_range(f, v)) r->status = HIL_ERR_PAYLOAD;
  store_native(p, f->size, v);
  return v;
}

static int pack(const hil_field_t *fields, size_t count, const void *m, uint8_t *out, size_t cap,
                size_t *out_len) {
  if (!m || !out || !out_len) return HIL_ERR_ARG;
  const uint8_t *base = m;
  hil_writer_t w = {out, cap, HIL_OK};
  size_t entries = 0;
  for (const hil_field_t *f = fields; f < fields + count && w.status == HIL_OK; f++) {
    if (f->kind != TAIL) {
      const uint64_t v = put_field(&w, f, base);
      if (f->kind == LENGTH) entries = (size_t)v;
    } else if (!f->part) {
      put_bytes(&w, base + f->at, entries);
    } else {
      for (size_t i = 0; i < entries; i++) {
        for (size_t j = 0; j < f->parts; j++) {
          put_field(&w, &f->part[j], base + f->at + i * f->size);
        }
      }
    }
  }
  if (w.status == HIL_OK) *out_len = cap - w.left;
  return w.status;
}

static int unpack(const hil_field_t *fields, size_t count, void *m, size_t size, const uint8_t *data,
                  size_t len) {
  if (!m || !data) return HIL_ERR_ARG;
  uint8_t *base = m;
  hil_reader_t r = {data, len, HIL_OK};
  size_t entries = 0;
  memset(base, 0, size);
  for (const hil_field_t *f = fields; f < fields + count && r.status == HIL_OK; f++) {
    if (f->kind != TAIL) {
      const uint64_t v = get_field(&r, f, base);
      if (f->kind == LENGTH) entries = (size_t)v;
    } else if (!f->part) {
      get_bytes(&r, base + f->at, entries);
    } else {
      for (size_t i = 0; i < entries; i++) {
        for (size_t j = 0; j < f->parts; j++) {
          get_field(&r, &f->part[j], base + f->at + i * f->size);
        }
      }
    }
  }
  if (r.left > 0) r.status = HIL_ERR_PAYLOAD;
  return r.status;
}

#define PACK(name)                                                                            \
  int hil_##name##_pack(const hil_##name##_t *m, uint8_t *out, size_t cap, size_t *out_len) { \
    return pack(name##_fields, COUNT_OF(name##_fields), m, out, cap, out_len);                \
  }
#define UNPACK(name)                                                                \
  int hil_##name##_unpack(hil_##name##_t *m, const uint8_t *data, size_t len) {     \
    return unpack(name##_fields, COUNT_OF(name##_fields), m, sizeof *m, data, len); \
  }

/* clang-format off */
PACK(hello) UNPACK(hello)
PACK(load) UNPACK(load)
PACK(loaded) UNPACK(loaded)
PACK(budget) UNPACK(budget)
PACK(step) UNPACK(step)
PACK(reply) UNPACK(reply)
PACK(report) UNPACK(report)
PACK(activation) UNPACK(activation)
PACK(spans_query) UNPACK(spans_query)
PACK(spans) UNPACK(spans)
PACK(range) UNPACK(range)
PACK(data) UNPACK(data)
PACK(sync) UNPACK(sync)
PACK(done) UNPACK(done)
PACK(refusal) UNPACK(refusal)
PACK(nak) UNPACK(nak)
PACK(health) UNPACK(health)
PACK(limits) UNPACK(limits)
PACK(limited) UNPACK(limited)
PACK(baud) UNPACK(baud)
PACK(sensors) UNPACK(sensors)
PACK(image) UNPACK(image)
PACK(program_query) UNPACK(program_query)
PACK(program) UNPACK(program)
PACK(regions_query) UNPACK(regions_query)
PACK(regions) UNPACK(regions)
PACK(campaign_opened) UNPACK(campaign_opened)
PACK(campaign_position) UNPACK(campaign_position)
PACK(campaign_trace) UNPACK(campaign_trace)
PACK(campaign_code_query) UNPACK(campaign_code_query)
PACK(campaign_code) UNPACK(campaign_code)
PACK(campaign_sites) UNPACK(campaign_sites)
PACK(campaign_draws) UNPACK(campaign_draws)
PACK(campaign_outcomes) UNPACK(campaign_outcomes)
PACK(campaign_follow) UNPACK(campaign_follow)
PACK(campaign_strike) UNPACK(campaign_strike)
PACK(campaign_struck) UNPACK(campaign_struck)
/* clang-format on */

PACK(arm)

int hil_arm_unpack(hil_arm_t *m, const uint8_t *data, size_t len) {
  const int status = unpack(arm_fields, COUNT_OF(arm_fields), m, sizeof *m, data, len);
  if (status != HIL_OK) return status;
  if (m->target == TARGET_CPU && m->kind > SEFI_RESET) return HIL_ERR_PAYLOAD;
  return HIL_OK;
}

int hil_id_pack(uint32_t id, uint8_t *out, size_t cap, size_t *out_len) {
  return pack(id_fields, COUNT_OF(id_fields), &id, out, cap, out_len);
}

int hil_id_unpack(uint32_t *id, const uint8_t *data, size_t len) {
  return unpack(id_fields, COUNT_OF(id_fields), id, sizeof *id, data, len);
}
