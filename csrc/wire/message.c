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
} field_kind_t;

typedef struct field {
  uint16_t at;                 /* [byte] in the struct */
  uint16_t size;               /* [byte] of the field, of one entry for a TAIL */
  uint8_t kind;                /* field_kind_t */
  uint8_t parts;               /* TAIL: fields of one entry */
  int16_t low, high;           /* RANGE, LENGTH */
  const struct field *part;    /* TAIL: the fields of one entry; null: bytes */
} field_t;

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define AT(type, member) (uint16_t) offsetof(type, member)
#define SIZE(type, member) (uint16_t)sizeof(((type *)0)->member)
#define FIELD(kind, type, member, low, high) \
  { AT(type, member), SIZE(type, member), kind, 0, low, high, 0 }
#define INT(type, member) FIELD(INTEGER, type, member, 0, 0)
#define ENUM(type, member, low, high) FIELD(RANGE, type, member, low, high)
#define FLAG(type, member) FIELD(RANGE, type, member, 0, 1)
#define LEN(type, member, max) FIELD(LENGTH, type, member, 0, max)
#define STR(type, member) FIELD(TEXT, type, member, 0, 0)
#define RAW(type, member) FIELD(BYTES, type, member, 0, 0)
#define OCTETS(type, member) \
  { AT(type, member), 1, TAIL, 0, 0, 0, 0 }
#define ENTRIES(type, member, fields) \
  { AT(type, member), SIZE(type, member[0]), TAIL, COUNT_OF(fields), 0, 0, fields }

/* The layouts. */
static const field_t hello_fields[] = {
    INT(hello_t, wire_version), INT(hello_t, pointer_bits), INT(hello_t, cores),
    INT(hello_t, memory_mib),   INT(hello_t, boot_id),      INT(hello_t, uptime_us),
    INT(hello_t, targets),      INT(hello_t, gpr_count),    INT(hello_t, vector_bytes),
    INT(hello_t, heartbeat),    STR(hello_t, port),         STR(hello_t, arch),
    STR(hello_t, version),      STR(hello_t, board),        STR(hello_t, serial),
};

static const field_t load_fields[] = {STR(load_t, workload), INT(load_t, seed)};

static const field_t loaded_fields[] = {
    INT(loaded_t, state_len),   INT(loaded_t, input_len), INT(loaded_t, output_len),
    INT(loaded_t, scratch_len), INT(loaded_t, ticks),     INT(loaded_t, text_len),
    INT(loaded_t, state_digest),
};

static const field_t budget_fields[] = {
    INT(budget_t, cpu_us),
    INT(budget_t, max_ticks),
    INT(budget_t, checkpoint_every),
    INT(budget_t, scrub_words),
};

static const field_t step_fields[] = {
    INT(step_t, frame),
    LEN(step_t, len, MESSAGE_IO_MAX),
    OCTETS(step_t, input),
};

static const field_t reply_fields[] = {
    INT(reply_t, frame),
    ENUM(reply_t, status, WORKER_DONE, WORKER_ABSENT),
    INT(reply_t, signal),
    INT(reply_t, pending),
    INT(reply_t, ticks),
    INT(reply_t, cpu_us),
    INT(reply_t, step_us),
    INT(reply_t, output_digest),
    INT(reply_t, state_digest),
    LEN(reply_t, len, MESSAGE_IO_MAX),
    OCTETS(reply_t, output),
};

static const field_t arm_fields[] = {
    INT(arm_t, id),
    INT(arm_t, frame),
    ENUM(arm_t, trigger, TRIGGER_TICK, TRIGGER_US),
    ENUM(arm_t, target, TARGET_STATE, TARGET_VECTOR),
    INT(arm_t, at),
    INT(arm_t, steps),
    INT(arm_t, hold_frames),
    ENUM(arm_t, kind, UPSET_BIT, UPSET_RANDOM_WORD), /* narrower for TARGET_CPU: arm_unpack */
    INT(arm_t, width),
    INT(arm_t, bit),
    INT(arm_t, value),
};

static const field_t id_fields[] = {{0, sizeof(uint32_t), INTEGER, 0, 0, 0, 0}};

static const field_t report_fields[] = {
    INT(report_t, id),
    ENUM(report_t, state, UPSET_ARMED, UPSET_FAILED),
    FLAG(report_t, verified),
    FLAG(report_t, changed),
    FLAG(report_t, persisted),
    ENUM(report_t, detail, HIL_ERR_IO, HIL_OK),
    INT(report_t, frame),
    INT(report_t, tick),
    INT(report_t, steps),
    INT(report_t, at_us),
    INT(report_t, pc_offset),
    INT(report_t, bit),
    INT(report_t, space),
    LEN(report_t, len, UPSET_WINDOW_MAX),
    RAW(report_t, before),
    RAW(report_t, after),
};

static const field_t spans_query_fields[] = {
    ENUM(spans_query_t, region, REGION_STATE, REGION_OUTPUT),
    INT(spans_query_t, span),
    INT(spans_query_t, first),
    LEN(spans_query_t, count, MESSAGE_SPANS_MAX),
};

static const field_t digest_fields[] = {{0, sizeof(uint64_t), INTEGER, 0, 0, 0, 0}};

static const field_t spans_fields[] = {
    ENUM(spans_t, region, REGION_STATE, REGION_OUTPUT),
    INT(spans_t, span),
    INT(spans_t, first),
    LEN(spans_t, count, MESSAGE_SPANS_MAX),
    ENTRIES(spans_t, digests, digest_fields),
};

static const field_t range_fields[] = {
    ENUM(range_t, region, REGION_STATE, REGION_OUTPUT),
    INT(range_t, offset),
    INT(range_t, len),
};

static const field_t data_fields[] = {
    ENUM(data_t, region, REGION_STATE, REGION_OUTPUT),
    INT(data_t, offset),
    LEN(data_t, len, MESSAGE_DATA_MAX),
    OCTETS(data_t, bytes),
};

static const field_t sync_fields[] = {INT(sync_t, frame), INT(sync_t, state_digest)};

static const field_t done_fields[] = {
    ENUM(done_t, request, MSG_HELLO, MSG_HEALTH),
    INT(done_t, value),
};

static const field_t refusal_fields[] = {
    INT(refusal_t, request), /* any byte: an unknown type is a reason to refuse */
    ENUM(refusal_t, status, HIL_ERR_IO, HIL_ERR_ARG),
    INT(refusal_t, detail),
};

static const field_t nak_fields[] = {ENUM(nak_t, reason, HIL_ERR_IO, HIL_ERR_ARG)};

static const field_t rail_fields[] = {STR(rail_t, name), INT(rail_t, mv), INT(rail_t, ma)};

static const field_t health_fields[] = {
    INT(health_t, uptime_us),
    INT(health_t, cpu_temp_mc),
    INT(health_t, clock_khz),
    INT(health_t, throttled),
    INT(health_t, rss_kib),
    INT(health_t, free_mib),
    INT(health_t, steps),
    INT(health_t, crashes),
    INT(health_t, hangs),
    INT(health_t, restarts),
    INT(health_t, corrected),
    INT(health_t, uncorrected),
    INT(health_t, rx_bytes),
    INT(health_t, rx_frames),
    INT(health_t, rx_errors),
    INT(health_t, tx_bytes),
    INT(health_t, tx_frames),
    INT(health_t, duplicates),
    LEN(health_t, rails, MESSAGE_RAILS_MAX),
    ENTRIES(health_t, rail, rail_fields),
};

static const field_t limits_fields[] = {
    ENUM(limits_t, duty_permille, 1, 1000),
    INT(limits_t, cores),
    FLAG(limits_t, suspend),
    INT(limits_t, clock_khz),
    STR(limits_t, mode),
};

static const field_t limited_fields[] = {
    ENUM(limited_t, duty_permille, 1, 1000),
    INT(limited_t, cores),
    FLAG(limited_t, suspend),
    INT(limited_t, clock_khz),
    STR(limited_t, mode),
    ENUM(limited_t, refused, 0, 2 * LIMIT_MODE - 1),
    ENUM(limited_t, means, 0, 2 * MEANS_NVPMODEL - 1),
    INT(limited_t, detail),
};

static const field_t baud_fields[] = {INT(baud_t, baud)};

static const field_t reading_fields[] = {
    ENUM(reading_t, kind, READING_TEMPERATURE, READING_FAN_DRIVE),
    STR(reading_t, name),
    INT(reading_t, value),
};

static const field_t sensors_fields[] = {
    STR(sensors_t, mode),
    LEN(sensors_t, readings, MESSAGE_READINGS_MAX),
    ENTRIES(sensors_t, reading, reading_fields),
};

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

static int in_range(const field_t *f, uint64_t v) {
  if (f->low < 0) { return (int8_t)v >= f->low && (int8_t)v <= f->high; }
  return v >= (uint64_t)f->low && v <= (uint64_t)f->high;
}

/* Writing and reading: the first failure sticks, everything after it does nothing. */
typedef struct {
  uint8_t *at;
  size_t left;
  int status;
} writer_t;

typedef struct {
  const uint8_t *at;
  size_t left;
  int status;
} reader_t;

static void put_bytes(writer_t *w, const uint8_t *bytes, size_t n) {
  if (w->status == HIL_OK && n > w->left) { w->status = HIL_ERR_EXHAUSTED; }
  if (w->status != HIL_OK) { return; }
  memcpy(w->at, bytes, n);
  w->at += n;
  w->left -= n;
}

static void get_bytes(reader_t *r, uint8_t *bytes, size_t n) {
  if (n > r->left) { r->status = HIL_ERR_PAYLOAD; }
  if (r->status != HIL_OK) { return; }
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
static uint64_t put_field(writer_t *w, const field_t *f, const uint8_t *base) {
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
  if (f->kind == LENGTH && !in_range(f, v)) { w->status = HIL_ERR_ARG; }
  store_u64le(le, v);
  put_bytes(w, le, f->size);
  return v;
}

static uint64_t get_field(reader_t *r, const field_t *f, uint8_t *base) {
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
  if (f->kind != INTEGER && !in_range(f, v)) { r->status = HIL_ERR_PAYLOAD; }
  store_native(p, f->size, v);
  return v;
}

static int pack(const field_t *fields, size_t count, const void *m, uint8_t *out, size_t cap,
                size_t *out_len) {
  if (!m || !out || !out_len) { return HIL_ERR_ARG; }
  const uint8_t *base = m;
  writer_t w = {out, cap, HIL_OK};
  size_t entries = 0;
  for (const field_t *f = fields; f < fields + count && w.status == HIL_OK; f++) {
    if (f->kind != TAIL) {
      const uint64_t v = put_field(&w, f, base);
      if (f->kind == LENGTH) { entries = (size_t)v; }
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
  if (w.status == HIL_OK) { *out_len = cap - w.left; }
  return w.status;
}

static int unpack(const field_t *fields, size_t count, void *m, size_t size, const uint8_t *data,
                  size_t len) {
  if (!m || !data) { return HIL_ERR_ARG; }
  uint8_t *base = m;
  reader_t r = {data, len, HIL_OK};
  size_t entries = 0;
  memset(base, 0, size);
  for (const field_t *f = fields; f < fields + count && r.status == HIL_OK; f++) {
    if (f->kind != TAIL) {
      const uint64_t v = get_field(&r, f, base);
      if (f->kind == LENGTH) { entries = (size_t)v; }
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
  if (r.left > 0) { r.status = HIL_ERR_PAYLOAD; }
  return r.status;
}

#define PACK(name)                                                                      \
  int name##_pack(const name##_t *m, uint8_t *out, size_t cap, size_t *out_len) {       \
    return pack(name##_fields, COUNT_OF(name##_fields), m, out, cap, out_len);          \
  }
#define UNPACK(name)                                                                    \
  int name##_unpack(name##_t *m, const uint8_t *data, size_t len) {                     \
    return unpack(name##_fields, COUNT_OF(name##_fields), m, sizeof *m, data, len);     \
  }

PACK(hello) UNPACK(hello)
PACK(load) UNPACK(load)
PACK(loaded) UNPACK(loaded)
PACK(budget) UNPACK(budget)
PACK(step) UNPACK(step)
PACK(reply) UNPACK(reply)
PACK(report) UNPACK(report)
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

PACK(arm)

int arm_unpack(arm_t *m, const uint8_t *data, size_t len) {
  const int status = unpack(arm_fields, COUNT_OF(arm_fields), m, sizeof *m, data, len);
  if (status != HIL_OK) { return status; }
  if (m->target == TARGET_CPU && m->kind > SEFI_RESET) { return HIL_ERR_PAYLOAD; }
  return HIL_OK;
}

int id_pack(uint32_t id, uint8_t *out, size_t cap, size_t *out_len) {
  return pack(id_fields, COUNT_OF(id_fields), &id, out, cap, out_len);
}

int id_unpack(uint32_t *id, const uint8_t *data, size_t len) {
  return unpack(id_fields, COUNT_OF(id_fields), id, sizeof *id, data, len);
}
