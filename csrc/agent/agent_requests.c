/* Requests: what each message makes the agent do. SPDX-License-Identifier: Apache-2.0
 *
 * Every handler answers exactly once: with its result, or with ERROR. */
#include <string.h>

#include "agent_parts.h"
#include "digest.h"
#include "span.h"
#include "version.h"

typedef struct {
  uint8_t type;
  uint16_t seq;
  const uint8_t *payload;
  size_t len;
} hil_request_t;

static void refuse(hil_agent_t *a, const hil_request_t *q, int status) {
  agent_answer_error(a, q->type, q->seq, status);
}

static void done(hil_agent_t *a, const hil_request_t *q, uint64_t value) {
  agent_answer_done(a, q->type, q->seq, value);
}

static void text(char *out, size_t cap, const char *from) {
  size_t i = 0;
  for (; i + 1u < cap && from[i]; i++) out[i] = from[i];
  out[i] = 0;
}

void agent_announce(hil_agent_t *a, uint16_t seq) {
  hil_hello_t hello;
  memset(&hello, 0, sizeof hello);
  hello.wire_version = WIRE_VERSION;
  hello.pointer_bits = (uint8_t)(8u * sizeof(void *));
  hello.cores = 1;
  hello.boot_id = a->boot_id;
  hello.uptime_us = a->port.now_us(a->port.context) - a->booted_us;
  hello.heartbeat = a->counters.steps;
  hello.targets = 1u << TARGET_STATE | 1u << TARGET_INPUT | 1u << TARGET_OUTPUT | 1u << TARGET_CHECKPOINT |
                  1u << TARGET_AGENT | 1u << TARGET_CHECKS;
  text(hello.version, sizeof hello.version, HIL_VERSION);
  a->port.identify(a->port.context, &hello);
  uint8_t payload[WIRE_PAYLOAD_MAX];
  size_t len;
  if (hil_hello_pack(&hello, payload, sizeof payload, &len) == HIL_OK) {
    agent_send(a, HIL_MSG_HELLO | HIL_MSG_ANSWER, seq, payload, len);
  }
}

static int region_range(const hil_agent_t *a, uint8_t region, uint64_t offset, uint64_t len) {
  if (!a->workload) return HIL_ERR_STATE;
  const uint32_t sizes[3] = {a->workload->state_len, a->workload->input_len, a->workload->output_len};
  return region <= REGION_OUTPUT && span_within(offset, len, sizes[region]) ? HIL_OK : HIL_ERR_ARG;
}

static const hil_workload_t *registered(const hil_agent_t *a, const char *name) {
  const hil_workload_t *own = a->port.own;
  return own && strcmp(own->name, name) == 0 ? own : workload_find(name);
}

static void load(hil_agent_t *a, const hil_request_t *q) {
  hil_load_t m;
  if (hil_load_unpack(&m, q->payload, q->len) != HIL_OK) {
    refuse(a, q, HIL_ERR_PAYLOAD);
    return;
  }
  const hil_workload_t *w = registered(a, m.workload);
  if (!w && (!a->port.find || strncmp(m.workload, "exec:", 5) != 0)) {
    refuse(a, q, HIL_ERR_NOSYS);
    return;
  }
  a->workload = NULL;
  a->worker.alive = 0;
  a->stream.active = 0; /* a READ of memory that is discarded now */
  agent_upsets_clear(a);
  checkpoint_forget(&a->checkpoint);
  a->last_reply.len = 0;
  a->done_frame = AGENT_NO_FRAME;
  a->budget = (hil_budget_t){.cpu_us = 5000000u}; /* until BUDGET replaces it */
  int status = w ? HIL_OK : a->port.find(a->port.context, m.workload, m.seed, &w);
  if (status == HIL_OK) status = a->port.load(a->port.context, w, &a->memory);
  if (status == HIL_OK) {
    w->init(a->memory.region[REGION_STATE], m.seed);
    status = a->port.start(a->port.context);
  }
  if (status != HIL_OK) {
    refuse(a, q, status);
    return;
  }
  a->workload = w;
  a->worker.alive = 1;
  const hil_loaded_t loaded = {.state_len = w->state_len,
                               .input_len = w->input_len,
                               .output_len = w->output_len,
                               .scratch_len = w->scratch_len,
                               .ticks = w->ticks,
                               .text_len = (uint32_t)((uintptr_t)w->text_end - (uintptr_t)w->text_begin),
                               .state_digest = agent_region_digest(a, REGION_STATE)};
  uint8_t payload[64];
  size_t len;
  if (hil_loaded_pack(&loaded, payload, sizeof payload, &len) == HIL_OK) {
    agent_answer(a, HIL_MSG_LOAD, q->seq, payload, len);
  }
}

static void budget(hil_agent_t *a, const hil_request_t *q) {
  hil_budget_t m;
  if (hil_budget_unpack(&m, q->payload, q->len) != HIL_OK || !m.cpu_us) {
    refuse(a, q, HIL_ERR_PAYLOAD);
    return;
  }
  a->budget = m;
  done(a, q, 0);
}

static void step(hil_agent_t *a, const hil_request_t *q) {
  hil_step_t m;
  if (hil_step_unpack(&m, q->payload, q->len) != HIL_OK) {
    refuse(a, q, HIL_ERR_PAYLOAD);
    return;
  }
  agent_step_begin(a, q->seq, &m);
}

static void arm(hil_agent_t *a, const hil_request_t *q) {
  hil_arm_t m;
  int status = hil_arm_unpack(&m, q->payload, q->len);
  if (status == HIL_OK) status = agent_upset_arm(a, &m);
  if (status != HIL_OK) {
    refuse(a, q, status);
    return;
  }
  done(a, q, m.id);
}

static void report(hil_agent_t *a, const hil_request_t *q) {
  uint32_t id = 0;
  const int status = hil_id_unpack(&id, q->payload, q->len);
  const hil_agent_upset_t *u = status == HIL_OK ? agent_upset_find(a, id) : NULL;
  const bool is_memory_hit = a->injector.hit_unreported && a->injector.memory_hit.id == id;
  const hil_report_t *answer = u ? &u->report : is_memory_hit ? &a->injector.memory_hit : NULL;
  if (!answer) {
    refuse(a, q, status == HIL_OK ? HIL_ERR_ARG : status);
    return;
  }
  if (is_memory_hit) a->injector.hit_unreported = false;
  uint8_t payload[WIRE_PAYLOAD_MAX];
  size_t len;
  if (hil_report_pack(answer, payload, sizeof payload, &len) == HIL_OK) {
    agent_answer(a, HIL_MSG_REPORT, q->seq, payload, len);
  }
}

static void activation(hil_agent_t *a, const hil_request_t *q) {
  uint32_t id = 0;
  int status = a->port.watch ? hil_id_unpack(&id, q->payload, q->len) : HIL_ERR_NOSYS;
  const hil_agent_upset_t *u = status == HIL_OK ? agent_upset_find(a, id) : NULL;
  if (status == HIL_OK && !u) status = HIL_ERR_ARG;
  if (status != HIL_OK) {
    refuse(a, q, status);
    return;
  }
  const hil_activation_t m = {.id = id, .first = u->watch.first, .reason = u->watch.reason};
  uint8_t payload[16];
  size_t len;
  if (hil_activation_pack(&m, payload, sizeof payload, &len) == HIL_OK) {
    agent_answer(a, HIL_MSG_ACTIVATION, q->seq, payload, len);
  }
}

static void spans(hil_agent_t *a, const hil_request_t *q) {
  hil_spans_query_t m;
  int status = hil_spans_query_unpack(&m, q->payload, q->len);
  if (status == HIL_OK) status = region_range(a, m.region, 0, 0);
  hil_spans_t out;
  memset(&out, 0, sizeof out);
  if (status == HIL_OK) {
    out.region = m.region;
    out.span = m.span;
    out.first = m.first;
    out.count = m.count;
    const size_t sizes[3] = {a->workload->state_len, a->workload->input_len, a->workload->output_len};
    status = digest_spans(a->memory.region[m.region], sizes[m.region], m.span, m.first, m.count, out.digests);
  }
  uint8_t payload[WIRE_PAYLOAD_MAX];
  size_t len = 0;
  if (status == HIL_OK) status = hil_spans_pack(&out, payload, sizeof payload, &len);
  if (status != HIL_OK) {
    refuse(a, q, status);
    return;
  }
  agent_answer(a, HIL_MSG_SPANS, q->seq, payload, len);
}

static void read_region(hil_agent_t *a, const hil_request_t *q) {
  hil_range_t m;
  int status = hil_range_unpack(&m, q->payload, q->len);
  if (status == HIL_OK) status = region_range(a, m.region, m.offset, m.len);
  if (status == HIL_OK && !m.len) status = HIL_ERR_ARG;
  if (status != HIL_OK) {
    refuse(a, q, status);
    return;
  }
  a->stream.range = m;
  a->stream.seq = q->seq;
  a->stream.active = 1;
}

static void write_region(hil_agent_t *a, const hil_request_t *q) {
  hil_data_t m;
  int status = hil_data_unpack(&m, q->payload, q->len);
  if (status == HIL_OK) status = region_range(a, m.region, m.offset, m.len);
  if (status != HIL_OK) {
    refuse(a, q, status);
    return;
  }
  memcpy(a->memory.region[m.region] + m.offset, m.bytes, m.len);
  agent_stuck_apply(a, AGENT_NO_FRAME); /* a stuck cell does not take what is written */
  done(a, q, m.offset);
}

static void answer_sync(hil_agent_t *a, const hil_request_t *q) {
  const hil_sync_t m = {a->done_frame, agent_region_digest(a, REGION_STATE)};
  uint8_t payload[32];
  size_t len;
  if (hil_sync_pack(&m, payload, sizeof payload, &len) == HIL_OK) {
    agent_answer(a, q->type, q->seq, payload, len);
  }
}

static void sync_frame(hil_agent_t *a, const hil_request_t *q) {
  hil_sync_t m;
  int status = hil_sync_unpack(&m, q->payload, q->len);
  if (status == HIL_OK && !a->workload) status = HIL_ERR_STATE;
  if (status == HIL_OK && agent_region_digest(a, REGION_STATE) != m.state_digest) {
    status = HIL_ERR_DAMAGED;
  }
  if (status != HIL_OK) {
    refuse(a, q, status);
    return;
  }
  a->done_frame = m.frame;
  a->last_reply.len = 0;
  agent_upsets_skip(a);
  done(a, q, m.frame);
}

/* The state is kept only if it is the one that the host names: after that frame, with that digest. */
int agent_keep_checkpoint(hil_agent_t *a, uint64_t frame, uint64_t state_digest) {
  if (!a->workload || frame != a->done_frame) return HIL_ERR_STATE;
  if (agent_region_digest(a, REGION_STATE) != state_digest) return HIL_ERR_DAMAGED;
  return checkpoint_take(&a->checkpoint, a->memory.region[REGION_STATE], a->workload->state_len, frame);
}

static void checkpoint(hil_agent_t *a, const hil_request_t *q) {
  hil_sync_t m;
  int status = hil_sync_unpack(&m, q->payload, q->len);
  if (status == HIL_OK) status = agent_keep_checkpoint(a, m.frame, m.state_digest);
  if (status != HIL_OK) {
    refuse(a, q, status);
    return;
  }
  answer_sync(a, q);
}

static void restore(hil_agent_t *a, const hil_request_t *q) {
  hil_sync_t m;
  int status = hil_sync_unpack(&m, q->payload, q->len);
  if (status == HIL_OK && !a->workload) status = HIL_ERR_STATE;
  if (status == HIL_OK) {
    status = checkpoint_restore(checkpoint_find(&a->checkpoint, m.frame, m.state_digest),
                                a->memory.region[REGION_STATE], a->workload->state_len);
  }
  if (status != HIL_OK) {
    refuse(a, q, status);
    return;
  }
  agent_stuck_apply(a, AGENT_NO_FRAME);
  a->done_frame = m.frame;
  a->last_reply.len = 0;
  agent_upsets_skip(a);
  answer_sync(a, q);
}

static void restart(hil_agent_t *a, const hil_request_t *q) {
  if (!a->workload) {
    refuse(a, q, HIL_ERR_STATE);
    return;
  }
  a->port.kill(a->port.context);
  a->worker.alive = 0;
  const int status = a->port.start(a->port.context);
  if (status != HIL_OK) {
    refuse(a, q, status);
    return;
  }
  a->worker.alive = 1;
  a->counters.restarts++;
  done(a, q, a->counters.restarts);
}

static void health(hil_agent_t *a, const hil_request_t *q) {
  const hil_wire_counters_t *c = &a->link.decoder.counters;
  hil_health_t m;
  memset(&m, 0, sizeof m);
  m.uptime_us = a->port.now_us(a->port.context) - a->booted_us;
  m.cpu_temp_mc = INT32_MIN;
  m.clock_khz = m.throttled = m.rss_kib = m.free_mib = UINT32_MAX;
  m.steps = a->counters.steps;
  m.crashes = a->counters.crashes;
  m.hangs = a->counters.hangs;
  m.restarts = a->counters.restarts;
  m.corrected = checkpoint_corrected(&a->checkpoint);
  m.uncorrected = checkpoint_uncorrectable(&a->checkpoint);
  m.rx_bytes = c->bytes;
  m.rx_frames = c->frames;
  m.rx_errors = c->crc_errors + c->format_errors + c->overruns + c->version_errors;
  m.tx_bytes = a->link.tx_bytes;
  m.tx_frames = a->link.tx_frames;
  m.duplicates = a->link.duplicates;
  a->port.health(a->port.context, &m);
  uint8_t payload[WIRE_PAYLOAD_MAX];
  size_t len;
  if (hil_health_pack(&m, payload, sizeof payload, &len) == HIL_OK) {
    agent_answer(a, HIL_MSG_HEALTH, q->seq, payload, len);
  }
}

static void sensors(hil_agent_t *a, const hil_request_t *q) {
  hil_sensors_t m;
  memset(&m, 0, sizeof m);
  if (a->port.sensors) a->port.sensors(a->port.context, &m);
  uint8_t payload[WIRE_PAYLOAD_MAX];
  size_t len;
  if (hil_sensors_pack(&m, payload, sizeof payload, &len) == HIL_OK) {
    agent_answer(a, HIL_MSG_SENSORS, q->seq, payload, len);
  }
}

static void image(hil_agent_t *a, const hil_request_t *q) {
  hil_image_t m;
  memset(&m, 0, sizeof m);
  const int status = a->port.image ? a->port.image(a->port.context, &m) : HIL_ERR_NOSYS;
  uint8_t payload[1 + MESSAGE_DIGEST_LEN];
  size_t len;
  if (status != HIL_OK) {
    refuse(a, q, status);
  } else if (hil_image_pack(&m, payload, sizeof payload, &len) == HIL_OK) {
    agent_answer(a, HIL_MSG_IMAGE, q->seq, payload, len);
  }
}

static void program(hil_agent_t *a, const hil_request_t *q) {
  hil_program_query_t m;
  hil_program_t out;
  int status = a->port.program ? hil_program_query_unpack(&m, q->payload, q->len) : HIL_ERR_NOSYS;
  memset(&out, 0, sizeof out);
  if (status == HIL_OK) status = a->port.program(a->port.context, &m, &out);
  uint8_t payload[WIRE_PAYLOAD_MAX];
  size_t len = 0;
  if (status == HIL_OK) status = hil_program_pack(&out, payload, sizeof payload, &len);
  if (status != HIL_OK) {
    refuse(a, q, status);
    return;
  }
  agent_answer(a, HIL_MSG_PROGRAM, q->seq, payload, len);
}

static void regions(hil_agent_t *a, const hil_request_t *q) {
  hil_regions_query_t m;
  int status = a->port.regions ? hil_regions_query_unpack(&m, q->payload, q->len) : HIL_ERR_NOSYS;
  if (status == HIL_OK && !a->workload) status = HIL_ERR_STATE;
  hil_regions_t out;
  memset(&out, 0, sizeof out);
  if (status == HIL_OK) {
    out.first = m.first;
    status = a->port.regions(a->port.context, &out);
  }
  uint8_t payload[WIRE_PAYLOAD_MAX];
  size_t len = 0;
  if (status == HIL_OK) status = hil_regions_pack(&out, payload, sizeof payload, &len);
  if (status != HIL_OK) {
    refuse(a, q, status);
    return;
  }
  agent_answer(a, HIL_MSG_REGIONS, q->seq, payload, len);
}

static void limit(hil_agent_t *a, const hil_request_t *q) {
  hil_limits_t m;
  hil_limited_t limited;
  if (hil_limits_unpack(&m, q->payload, q->len) != HIL_OK) {
    refuse(a, q, HIL_ERR_PAYLOAD);
    return;
  }
  if (agent_limit(a, &m, &limited) != HIL_OK) {
    agent_answer_not_now(a, q->type, q->seq, AGENT_BUSY);
    return;
  }
  uint8_t payload[64];
  size_t len;
  if (hil_limited_pack(&limited, payload, sizeof payload, &len) == HIL_OK) {
    agent_answer(a, HIL_MSG_LIMIT, q->seq, payload, len);
  }
}

static void dispatch(hil_agent_t *a, const hil_request_t *q) {
  if (agent_campaign_request(a, q->type, q->seq, q->payload, q->len)) return;
  switch (q->type) {
    case HIL_MSG_LOAD: load(a, q); break;
    case HIL_MSG_BUDGET: budget(a, q); break;
    case HIL_MSG_STEP: step(a, q); break;
    case HIL_MSG_ARM: arm(a, q); break;
    case HIL_MSG_REPORT: report(a, q); break;
    case HIL_MSG_ACTIVATION: activation(a, q); break;
    case HIL_MSG_SPANS: spans(a, q); break;
    case HIL_MSG_READ: read_region(a, q); break;
    case HIL_MSG_WRITE: write_region(a, q); break;
    case HIL_MSG_SYNC: sync_frame(a, q); break;
    case HIL_MSG_CHECKPOINT: checkpoint(a, q); break;
    case HIL_MSG_RESTORE: restore(a, q); break;
    case HIL_MSG_RESTART: restart(a, q); break;
    case HIL_MSG_SENSORS: sensors(a, q); break;
    case HIL_MSG_IMAGE: image(a, q); break;
    case HIL_MSG_PROGRAM: program(a, q); break;
    case HIL_MSG_REGIONS: regions(a, q); break;
    default: refuse(a, q, HIL_ERR_NOSYS); break;
  }
}

/* Requests without a payload must have none. */
static bool takes_nothing(uint8_t type) {
  return type == HIL_MSG_HELLO || type == HIL_MSG_RESTART || type == HIL_MSG_RESET ||
         type == HIL_MSG_HEALTH || type == HIL_MSG_SENSORS || type == HIL_MSG_IMAGE ||
         type == HIL_MSG_CAMPAIGN_CLOSE;
}

void agent_request(hil_agent_t *a, const hil_wire_frame_t *frame) {
  const hil_request_t q = {frame->type, frame->seq, frame->payload, frame->len};
  if (q.type & HIL_MSG_ANSWER) return; /* our own echo, or another agent: not for us */
  if (takes_nothing(q.type) && q.len) {
    refuse(a, &q, HIL_ERR_PAYLOAD);
    return;
  }
  switch (q.type) {
    case HIL_MSG_HELLO: /* never from the cache: a new host may count its seq from the same start */
      a->answer.valid = 0;
      agent_announce(a, q.seq);
      return;
    case HIL_MSG_HEALTH: /* reading sensors may take long enough for a repeat to come: one answer for both */
      if (!agent_answer_again(a, q.type, q.seq)) health(a, &q);
      return;
    case HIL_MSG_LIMIT: /* a step may last for long under a limit that is to be lifted */
      if (!agent_answer_again(a, q.type, q.seq)) limit(a, &q);
      return;
    case HIL_MSG_RESET:
      a->stream.active = 0; /* or the answer would wait for all of a READ */
      agent_campaign_stop(a);
      done(a, &q, 0);
      agent_baud_leave(a); /* after the answer, which leaves at this rate; a reset agent begins at its own */
      a->resetting = 1;
      a->reset_by_us = a->port.now_us(a->port.context) + AGENT_RESET_PATIENCE_US;
      return;
    default: break;
  }
  if (agent_campaign_is_active(a)) {
    if (agent_campaign_keep_next(a, q.type, q.seq, q.payload, q.len)) return;
    agent_answer_not_now(a, q.type, q.seq, AGENT_BUSY);
    return;
  }
  /* never from the cache: after the answer the rate must change */
  if (q.type == HIL_MSG_BAUD && !a->worker.running) {
    agent_baud_request(a, q.seq, q.payload, q.len);
    return;
  }
  if (a->worker.running) {
    if (q.type == HIL_MSG_STEP && q.seq == a->step.seq) a->link.duplicates++; /* its answer is on its way */
    agent_answer_not_now(a, q.type, q.seq, AGENT_BUSY);
    return;
  }
  if (!agent_answer_again(a, q.type, q.seq)) dispatch(a, &q);
}

const char *agent_version(void) { return HIL_VERSION; }
