/* Fuzz target: every message layout. SPDX-License-Identifier: Apache-2.0
 *
 * Trusted: the caller, its pointers and capacities. Untrusted: every byte of a payload.
 *
 * Input: one byte that chooses the message, then a payload. Invariants:
 *   M1. No byte outside the given buffers is read or written (sanitizers; exact-size copies).
 *   M2. unpack returns OK or PAYLOAD, whatever the bytes.
 *   M3. What unpack accepts, pack packs to the same number of bytes.
 *   M4. Bytes that were packed are stable: unpack and pack give the same bytes, and what unpack makes of
 *       them is the same struct to the last byte, padding included.
 *   M5. A payload is accepted at one length only: shortened or extended it is refused.
 *   M6. A capacity one too small is EXHAUSTED.
 *   M7. Every length and count is within the arrays of its struct, every text is terminated, every
 *       enumeration and flag is one of its values.
 *   M8. A list of sites that is accepted ends after CAMPAIGN_EXPERIMENTS_MAX experiments at most, each of one
 *       bit of a space that there is, at positions that never fall; all outcomes fit, whatever they are. So does
 *       one of targets, after CAMPAIGN_DRAWN_MAX.
 *   M9. Coded outcomes are read as they were.
 *   M10. Whatever an answer is, reading it as coded outcomes ends, and writes nothing past the experiments that were
 *       asked for. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "crc32c.h"
#include "message.h"
#include "sites.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition) \
  do {                     \
    if (!(condition)) {    \
      abort();             \
    }                      \
  } while (0)

static int terminated(const char *text, size_t size) { return memchr(text, 0, size) != NULL; }

/* M7, message by message. */
static void hello_check(const hil_hello_t *m) {
  REQUIRE(terminated(m->port, sizeof m->port) && terminated(m->arch, sizeof m->arch));
  REQUIRE(terminated(m->version, sizeof m->version) && terminated(m->board, sizeof m->board));
  REQUIRE(terminated(m->serial, sizeof m->serial));
}
static void load_check(const hil_load_t *m) { REQUIRE(terminated(m->workload, sizeof m->workload)); }
static void loaded_check(const hil_loaded_t *m) { (void)m; }
static void budget_check(const hil_budget_t *m) { (void)m; }
static void step_check(const hil_step_t *m) { REQUIRE(m->len <= sizeof m->input); }
static void reply_check(const hil_reply_t *m) {
  REQUIRE(m->len <= sizeof m->output && m->status <= WORKER_ABSENT);
}
static void arm_check(const hil_arm_t *m) {
  REQUIRE(m->trigger <= TRIGGER_US && m->target <= TARGET_CHECKS);
  REQUIRE(m->kind >= 1 && m->kind <= (m->target == TARGET_CPU ? 3 : 5));
}
static void report_check(const hil_report_t *m) {
  REQUIRE(m->len <= sizeof m->before && m->len <= sizeof m->after && m->state <= UPSET_FAILED);
  REQUIRE(m->verified <= 1 && m->changed <= 1 && m->persisted <= 1);
  REQUIRE(m->detail <= 0 && m->detail >= HIL_ERR_IO);
}
static void activation_check(const hil_activation_t *m) {
  REQUIRE(m->first <= FIRST_NONE && m->reason <= UNWATCHED_INSTRUCTION);
}
static void spans_query_check(const hil_spans_query_t *m) {
  REQUIRE(m->region <= REGION_OUTPUT && m->count <= MESSAGE_SPANS_MAX);
}
static void spans_check(const hil_spans_t *m) {
  REQUIRE(m->region <= REGION_OUTPUT && m->count <= MESSAGE_SPANS_MAX);
}
static void range_check(const hil_range_t *m) { REQUIRE(m->region <= REGION_OUTPUT); }
static void data_check(const hil_data_t *m) {
  REQUIRE(m->region <= REGION_OUTPUT && m->len <= sizeof m->bytes);
}
static void sync_check(const hil_sync_t *m) { (void)m; }
static void done_check(const hil_done_t *m) {
  REQUIRE(m->request >= HIL_MSG_HELLO && m->request <= HIL_MSG_HEALTH);
}
static void refusal_check(const hil_refusal_t *m) { REQUIRE(m->status < 0 && m->status >= HIL_ERR_IO); }
static void nak_check(const hil_nak_t *m) { REQUIRE(m->reason < 0 && m->reason >= HIL_ERR_IO); }
static void health_check(const hil_health_t *m) {
  REQUIRE(m->rails <= MESSAGE_RAILS_MAX);
  for (size_t i = 0; i < m->rails; i++) {
    REQUIRE(terminated(m->rail[i].name, sizeof m->rail[i].name));
  }
}

static void limits_check(const hil_limits_t *m) {
  REQUIRE(m->duty_permille >= 1 && m->duty_permille <= 1000 && m->suspend <= 1);
  REQUIRE(terminated(m->mode, sizeof m->mode));
}
static void sensors_check(const hil_sensors_t *m) {
  REQUIRE(m->readings <= MESSAGE_READINGS_MAX);
  REQUIRE(m->mode[MESSAGE_TEXT_LEN - 1] == 0);
  for (int i = 0; i < m->readings; i++) {
    REQUIRE(m->reading[i].kind >= 1 && m->reading[i].kind <= 3);
    REQUIRE(m->reading[i].name[MESSAGE_NAME_LEN - 1] == 0);
  }
}
static void image_check(const hil_image_t *m) {
  REQUIRE(m->known >= IMAGE_MEASURED && m->known <= IMAGE_CLAIMED);
}

static void program_query_check(const hil_program_query_t *m) { (void)m; }

static void program_check(const hil_program_t *m) {
  REQUIRE(m->how <= PROGRAM_SILENT && m->kept <= MESSAGE_STDERR_MAX && m->len <= MESSAGE_PART_MAX);
}

static void regions_query_check(const hil_regions_query_t *m) { (void)m; }

static void regions_check(const hil_regions_t *m) { REQUIRE(m->len <= MESSAGE_PACKED_MAX); }

static void baud_check(const hil_baud_t *m) { (void)m; }

static void limited_check(const hil_limited_t *m) {
  REQUIRE(m->duty_permille >= 1 && m->duty_permille <= 1000 && m->suspend <= 1);
  REQUIRE(terminated(m->mode, sizeof m->mode));
  REQUIRE(m->refused < 2 * LIMIT_MODE && m->means < 2 * MEANS_NVPMODEL);
}

static void campaign_opened_check(const hil_campaign_opened_t *m) { (void)m; }
static void campaign_position_check(const hil_campaign_position_t *m) { (void)m; }
static void campaign_trace_check(const hil_campaign_trace_t *m) {
  REQUIRE(m->len <= sizeof m->bytes && m->ended <= 1);
}
static void campaign_code_query_check(const hil_campaign_code_query_t *m) {
  REQUIRE(m->len <= sizeof((hil_campaign_code_t *)0)->bytes);
}
static void campaign_code_check(const hil_campaign_code_t *m) { REQUIRE(m->len <= sizeof m->bytes); }
static void campaign_follow_check(const hil_campaign_follow_t *m) {
  REQUIRE(m->len <= sizeof m->bytes && m->first < CAMPAIGN_FOLLOW_MAX && m->restored <= 1);
}
static void campaign_answer_check(const hil_campaign_outcomes_t *m);

static void campaign_outcomes_check(const hil_campaign_outcomes_t *m) {
  REQUIRE(m->len <= sizeof m->bytes && m->count <= CAMPAIGN_DRAWN_MAX);
  campaign_answer_check(m);
}

static void campaign_strike_check(const hil_campaign_strike_t *m) {
  REQUIRE(m->space <= SPACE_CPU && m->bit < 8 && m->stop <= STOP_FOR_DEBUGGER);
}
static void campaign_struck_check(const hil_campaign_struck_t *m) { (void)m; }

/* M8: the experiment is one, and none is before |position|. */
static void experiment_check(const hil_campaign_run_t *run, uint64_t position) {
  REQUIRE(run->site.space <= SPACE_CPU && run->site.position >= position);
  REQUIRE((run->site.bit & run->site.mask) && !(run->site.bit & (run->site.bit - 1)));
}

/* M8 and M9: the same list with a coded answer, which is read as it was. */
static void coded_sites_check(const hil_campaign_sites_t *m) {
  hil_campaign_run_t *run = calloc(1, sizeof *run);
  uint8_t *outcomes = malloc(CAMPAIGN_EXPERIMENTS_MAX), *details = malloc(CAMPAIGN_EXPERIMENTS_MAX);
  REQUIRE(run && outcomes && details);
  run->sites = *m;
  run->sites.details = DETAIL_BITS;
  const int status = sites_begin_coded(run);
  REQUIRE((run->site.bit != 0) == (status == HIL_OK));
  unsigned count = 0;
  for (; run->site.bit; count++) {
    REQUIRE(count < CAMPAIGN_EXPERIMENTS_MAX);
    sites_put(run, (hil_outcome_t)(m->bytes[count % sizeof m->bytes] & 3u), (uint8_t)(count * m->bytes[0]));
  }
  const hil_campaign_outcomes_t answer = run->outcomes;
  REQUIRE(answer.count == count && answer.len <= sizeof answer.bytes);
  if (status == HIL_OK) {
    size_t len;
    REQUIRE(sites_begin_coded(run) == HIL_OK);
    REQUIRE(sites_read_coded(run, &answer, outcomes, details, &len) == HIL_OK && len <= count);
    for (unsigned i = 0; i < count; i++) REQUIRE(outcomes[i] == (m->bytes[i % sizeof m->bytes] & 3u));
  }
  free(run);
  free(outcomes);
  free(details);
}

static void campaign_sites_check(const hil_campaign_sites_t *m) {
  REQUIRE(m->len <= sizeof m->bytes && m->details < 2 * DETAIL_FATE);
  hil_campaign_run_t *run = calloc(1, sizeof *run);
  REQUIRE(run);
  run->sites = *m;
  const int status = sites_begin(run);
  REQUIRE(status == HIL_OK || status == HIL_ERR_PAYLOAD || status == HIL_ERR_ARG);
  REQUIRE((run->site.bit != 0) == (status == HIL_OK));
  uint64_t position = 0;
  for (unsigned count = 0; run->site.bit; count++) {
    REQUIRE(count < CAMPAIGN_EXPERIMENTS_MAX);
    experiment_check(run, position);
    position = run->site.position;
    static const uint8_t details[SITES_DETAILS_MAX] = {1};
    if (m->details & DETAIL_OUTPUT) {
      sites_put_details(run, (hil_outcome_t)(3 - count % 3), details,
                        (size_t)(7u * count) % SITES_DETAILS_MAX);
    } else {
      sites_put(run, (hil_outcome_t)(3 - count % 3), (uint8_t)count);
    }
  }
  campaign_outcomes_check(&run->outcomes);
  free(run);
  coded_sites_check(m);
}

/* The targets that continuations are of: one, whose experiments go on to the end of its parts. */
static void some_targets(hil_draw_targets_t *targets) {
  memset(targets, 0, sizeof *targets);
  targets->count = 1;
  targets->bytes[0][17] = targets->bytes[0][33] = targets->bytes[0][41] = 0x40;
}

/* M8 and M9. The check of a continuation is mended: a fuzzer does not find it. */
static void campaign_draws_check(const hil_campaign_draws_t *m) {
  REQUIRE(m->len <= sizeof m->bytes && m->continued <= 1);
  hil_campaign_run_t *run = calloc(1, sizeof *run), *host = calloc(1, sizeof *host);
  uint8_t *outcomes = malloc(CAMPAIGN_DRAWN_MAX), *details = malloc(CAMPAIGN_DRAWN_MAX);
  hil_draw_targets_t targets;
  hil_campaign_draws_t mended = *m;
  REQUIRE(run && host && outcomes && details);
  some_targets(&targets);
  if (m->continued && m->len >= DRAW_CHECK_BYTES) {
    store_u32le(mended.bytes, hil_crc32c(0, targets.bytes[0], DRAW_TARGET_BYTES));
  }
  const int status = sites_begin_drawn(run, &targets, &mended);
  REQUIRE(status == HIL_OK || status == HIL_ERR_PAYLOAD || status == HIL_ERR_ARG);
  REQUIRE((run->site.bit != 0) == (status == HIL_OK));
  uint64_t position = 0;
  unsigned count = 0;
  for (; run->site.bit; count++) {
    REQUIRE(count < CAMPAIGN_DRAWN_MAX);
    experiment_check(run, position);
    position = run->site.position;
    sites_put(run, (hil_outcome_t)(m->bytes[count % sizeof m->bytes] & 3u), (uint8_t)(count * m->bytes[0]));
  }
  campaign_outcomes_check(&run->outcomes);
  REQUIRE(run->outcomes.count == count);
  if (status == HIL_OK) {
    size_t len;
    REQUIRE(sites_begin_drawn(host, &targets, &mended) == HIL_OK);
    REQUIRE(sites_read_coded(host, &run->outcomes, outcomes, details, &len) == HIL_OK && len <= count);
    for (unsigned i = 0; i < count; i++) REQUIRE(outcomes[i] == (m->bytes[i % sizeof m->bytes] & 3u));
  }
  free(run);
  free(host);
  free(outcomes);
  free(details);
}

/* M10: |m| is the answer of a hostile board. */
static void campaign_answer_check(const hil_campaign_outcomes_t *m) {
  static const uint8_t part[DRAW_PART_BYTES] = {0, 0, 0, 0, 0, 4}; /* 1024 experiments */
  hil_campaign_run_t *run = calloc(1, sizeof *run);
  uint8_t *outcomes = malloc(1024), *details = malloc(1024);
  hil_draw_targets_t targets;
  hil_campaign_draws_t ask = {.len = DRAW_BYTES};
  size_t len;
  REQUIRE(run && outcomes && details);
  some_targets(&targets);
  memcpy(ask.bytes, targets.bytes[0], DRAW_TARGET_BYTES);
  memcpy(ask.bytes + DRAW_TARGET_BYTES, part, sizeof part);
  REQUIRE(sites_begin_drawn(run, &targets, &ask) == HIL_OK);
  const int status = sites_read_coded(run, m, outcomes, details, &len);
  REQUIRE(status == HIL_OK || status == HIL_ERR_PAYLOAD);
  REQUIRE(len <= 1024 && !run->site.bit);
  run->sites = (hil_campaign_sites_t){.details = DETAIL_BITS, .len = 4, .bytes = {0, 0, 0xff, 90}};
  REQUIRE(sites_begin_coded(run) == HIL_OK);
  const int listed = sites_read_coded(run, m, outcomes, details, &len);
  REQUIRE(listed == HIL_OK || listed == HIL_ERR_PAYLOAD);
  REQUIRE(len <= CAMPAIGN_EXPERIMENTS_MAX && !run->site.bit);
  free(run);
  free(outcomes);
  free(details);
}

typedef int (*hil_unpack_t)(void *m, const uint8_t *data, size_t len);
typedef int (*hil_pack_t)(const void *m, uint8_t *out, size_t cap, size_t *out_len);

typedef struct {
  size_t size; /* of the struct */
  hil_unpack_t unpack;
  hil_pack_t pack;
  void (*check)(const void *m);
} hil_layout_t;

#define WRAP(name)                                                                       \
  static int name##_unpack_any(void *m, const uint8_t *data, size_t len) {               \
    return hil_##name##_unpack(m, data, len);                                            \
  }                                                                                      \
  static int name##_pack_any(const void *m, uint8_t *out, size_t cap, size_t *out_len) { \
    return hil_##name##_pack(m, out, cap, out_len);                                      \
  }                                                                                      \
  static void name##_check_any(const void *m) { name##_check(m); }
#define LAYOUT(name) {sizeof(hil_##name##_t), name##_unpack_any, name##_pack_any, name##_check_any}

/* clang-format off */
WRAP(hello) WRAP(load) WRAP(loaded) WRAP(budget) WRAP(step) WRAP(reply) WRAP(arm) WRAP(report)
WRAP(spans_query) WRAP(spans) WRAP(range) WRAP(data) WRAP(sync) WRAP(done) WRAP(refusal) WRAP(nak)
WRAP(health) WRAP(limits) WRAP(limited) WRAP(baud) WRAP(sensors) WRAP(program_query) WRAP(program)
WRAP(campaign_opened) WRAP(campaign_position) WRAP(campaign_trace) WRAP(campaign_code_query)
WRAP(campaign_code) WRAP(campaign_sites) WRAP(campaign_outcomes) WRAP(activation)
WRAP(campaign_follow) WRAP(campaign_strike) WRAP(campaign_struck) WRAP(regions_query) WRAP(regions)
WRAP(campaign_draws) WRAP(image)
/* clang-format on */

typedef uint32_t hil_ident_t; /* the one payload that is not a struct */
static int hil_ident_unpack(void *m, const uint8_t *data, size_t len) { return hil_id_unpack(m, data, len); }
static int hil_ident_pack(const hil_ident_t *m, uint8_t *out, size_t cap, size_t *out_len) {
  return hil_id_pack(*m, out, cap, out_len);
}
static void ident_check(const hil_ident_t *m) { (void)m; }
WRAP(ident)

/* The order is part of the corpus: append only. */
static const hil_layout_t layouts[] = {
    LAYOUT(hello),
    LAYOUT(load),
    LAYOUT(loaded),
    LAYOUT(budget),
    LAYOUT(step),
    LAYOUT(reply),
    LAYOUT(arm),
    LAYOUT(report),
    LAYOUT(ident),
    LAYOUT(spans_query),
    LAYOUT(spans),
    LAYOUT(range),
    LAYOUT(data),
    LAYOUT(sync),
    LAYOUT(done),
    LAYOUT(refusal),
    LAYOUT(nak),
    LAYOUT(health),
    LAYOUT(limits),
    LAYOUT(limited),
    LAYOUT(baud),
    LAYOUT(sensors),
    LAYOUT(program_query),
    LAYOUT(program),
    LAYOUT(campaign_opened),
    LAYOUT(campaign_position),
    LAYOUT(campaign_trace),
    LAYOUT(campaign_code_query),
    LAYOUT(campaign_code),
    LAYOUT(campaign_sites),
    LAYOUT(campaign_outcomes),
    LAYOUT(activation),
    LAYOUT(campaign_follow),
    LAYOUT(campaign_strike),
    LAYOUT(campaign_struck),
    LAYOUT(regions_query),
    LAYOUT(regions),
    LAYOUT(campaign_draws),
    LAYOUT(image),
};
enum { LAYOUTS = sizeof layouts / sizeof layouts[0] };

/* unpack from a copy of exactly |len| bytes. */
static int unpack_exact(const hil_layout_t *l, void *m, const uint8_t *data, size_t len) {
  uint8_t *copy = malloc(len ? len : 1);
  REQUIRE(copy);
  if (len > 0) memcpy(copy, data, len);
  const int status = l->unpack(m, copy, len);
  free(copy);
  REQUIRE(status == HIL_OK || status == HIL_ERR_PAYLOAD);
  return status;
}

static void check_payload(const hil_layout_t *l, const uint8_t *data, size_t len) {
  uint8_t *m = malloc(l->size), *second = malloc(l->size), *packed = malloc(len + 1);
  uint8_t *longer = malloc(len + 1);
  REQUIRE(m && second && packed && longer);
  memset(m, 0x5A, l->size);
  memset(second, 0xA5, l->size);
  if (unpack_exact(l, m, data, len) == HIL_OK) {
    l->check(m);
    size_t n = 0;
    REQUIRE(l->pack(m, packed, len - 1, &n) == HIL_ERR_EXHAUSTED);
    REQUIRE(l->pack(m, packed, len, &n) == HIL_OK && n == len);
    REQUIRE(unpack_exact(l, second, packed, len) == HIL_OK);
    REQUIRE(memcmp(m, second, l->size) == 0);

    memcpy(longer, packed, len);
    longer[len] = 0;
    REQUIRE(l->pack(second, packed, len, &n) == HIL_OK && n == len);
    REQUIRE(memcmp(packed, longer, len) == 0);
    REQUIRE(unpack_exact(l, second, longer, len + 1) == HIL_ERR_PAYLOAD);
    for (size_t cut = 0; cut < len; cut++) {
      REQUIRE(unpack_exact(l, second, data, cut) == HIL_ERR_PAYLOAD);
    }
  }
  free(m);
  free(second);
  free(packed);
  free(longer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 1) return 0;
  check_payload(&layouts[data[0] % LAYOUTS], data + 1, size - 1);
  return 0;
}
