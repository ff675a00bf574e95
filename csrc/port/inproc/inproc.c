/* In-process port. SPDX-License-Identifier: Apache-2.0
 *
 * A step runs to its end inside poll(); at progress stops the agent is called back from within. A
 * processor that a SEFI froze stops at its tick and executes nothing more: the virtual clock then runs
 * past the budget, and the agent finds the hang by deadline as on any board. An answer that a limit
 * withholds also advances the clock, and costs no real time.
 * Invariants:
 *   1. Only inproc_exchange, inproc_power and inproc_batch let the board proceed.
 *   2. No call depends on real time. */
#include "inproc.h"

#include <string.h>

#include "agent.h"
#include "digest.h"
#include "philox.h"
#include "span.h"

enum { ARENA_LEN = (1 << 20) + (1 << 18), ALIGNMENT = 64, POLLS_MAX = 100000 };
enum { SIGNAL_ILLEGAL_INSTRUCTION = 4 };

typedef enum { CPU_SOUND = 0, CPU_FROZEN = 1, CPU_CRASHED = 2 } hil_cpu_t;

struct inproc {
  hil_agent_t agent;
  hil_philox_t boots;
  bool powered;
  bool reset_due;
  bool has_worker;
  bool begun; /* a step was begun and has not ended */
  hil_cpu_t cpu;
  uint64_t clock_us;
  const hil_workload_t *own; /* beside the registry; null: none */
  const hil_workload_t *workload;
  hil_workload_io_t io;
  hil_progress_t progress;
  uint8_t *out;
  size_t out_cap, out_len;
  uint64_t words[AGENT_CHECKPOINT_WORDS];
  uint8_t checks[AGENT_CHECKPOINT_WORDS];
  uint8_t arena[ARENA_LEN + ALIGNMENT];
};

/* --- the port's callbacks ------------------------------------------------------------------------ */

static size_t tx(void *context, const uint8_t *bytes, size_t len) {
  hil_inproc_t *b = context;
  const size_t room = b->out_cap - b->out_len, take = len < room ? len : room;
  if (take) memcpy(b->out + b->out_len, bytes, take);
  b->out_len += take;
  return take;
}

static uint64_t now_us(void *context) {
  const hil_inproc_t *b = context;
  return b->clock_us;
}

static int on_stop(void *context, uint32_t tick) {
  hil_inproc_t *b = context;
  const bool abandon = agent_on_tick(&b->agent, tick);
  return abandon || b->cpu != CPU_SOUND;
}

static size_t rounded(size_t len) { return (len + ALIGNMENT - 1u) / ALIGNMENT * ALIGNMENT; }

static int load(void *context, const hil_workload_t *w, hil_port_memory_t *out) {
  hil_inproc_t *b = context;
  const size_t need =
      rounded(w->state_len) + rounded(w->input_len) + rounded(w->output_len) + rounded(w->scratch_len);
  if (need > ARENA_LEN) return HIL_ERR_EXHAUSTED;
  uint8_t *p = b->arena + (ALIGNMENT - (uintptr_t)b->arena % ALIGNMENT) % ALIGNMENT;
  memset(p, 0, need);
  b->has_worker = b->begun = false;
  b->workload = w;
  out->region[REGION_STATE] = p;
  out->region[REGION_INPUT] = p + rounded(w->state_len);
  out->region[REGION_OUTPUT] = out->region[REGION_INPUT] + rounded(w->input_len);
  out->progress = &b->progress;
  b->io =
      (hil_workload_io_t){out->region[REGION_STATE], out->region[REGION_INPUT], out->region[REGION_OUTPUT],
                          out->region[REGION_OUTPUT] + rounded(w->output_len)};
  return HIL_OK;
}

static int start(void *context) {
  hil_inproc_t *b = context;
  if (!b->workload) return HIL_ERR_STATE;
  b->progress = (hil_progress_t){0, 0, on_stop, b};
  b->cpu = CPU_SOUND;
  b->has_worker = true;
  b->begun = false;
  return HIL_OK;
}

static int step(void *context) {
  hil_inproc_t *b = context;
  if (!b->has_worker) return HIL_ERR_STATE;
  b->begun = true;
  return HIL_OK;
}

static uint64_t cpu_us(void *context) {
  const hil_inproc_t *b = context;
  if (b->cpu == CPU_FROZEN) return UINT64_MAX; /* it stands still permanently */
  return (uint64_t)b->progress.tick * INPROC_TICK_US;
}

static hil_port_event_t poll(void *context, uint8_t *out_signal) {
  hil_inproc_t *b = context;
  if (!b->has_worker) return PORT_CRASHED;
  if (!b->begun) return PORT_RUNNING;
  b->begun = false;
  const int status = b->cpu == CPU_SOUND ? b->workload->step(&b->io, &b->progress) : HIL_ERR_STATE;
  b->clock_us += (uint64_t)b->progress.tick * INPROC_TICK_US;
  if (status == HIL_OK) return PORT_DONE;
  if (b->cpu == CPU_CRASHED) {
    b->has_worker = false;
    *out_signal = SIGNAL_ILLEGAL_INSTRUCTION;
    return PORT_CRASHED;
  }
  return PORT_RUNNING; /* abandoned: the agent looks at its budget */
}

static int advance(void *context, uint32_t steps, uint32_t *out_taken) {
  (void)context;
  (void)steps;
  *out_taken = 0;
  return HIL_ERR_NOSYS;
}

static void kill_worker(void *context) {
  hil_inproc_t *b = context;
  b->has_worker = b->begun = false;
  b->cpu = CPU_SOUND;
}

static uint8_t *target_base(hil_inproc_t *b, hil_target_t target, uint64_t *out_len) {
  switch (target) {
    case TARGET_STATE: *out_len = b->workload->state_len; return b->io.state;
    case TARGET_INPUT: *out_len = b->workload->input_len; return b->agent.memory.region[REGION_INPUT];
    case TARGET_OUTPUT: *out_len = b->workload->output_len; return b->io.output;
    default: return NULL;
  }
}

static int target_len(void *context, hil_target_t target, uint64_t *out_len) {
  hil_inproc_t *b = context;
  return target_base(b, target, out_len) ? HIL_OK : HIL_ERR_NOSYS;
}

static int target_read(void *context, hil_target_t target, uint64_t offset, uint8_t *out, size_t len) {
  uint64_t size = 0;
  const uint8_t *base = target_base(context, target, &size);
  if (!base) return HIL_ERR_NOSYS;
  if (!span_within(offset, len, size)) return HIL_ERR_ARG;
  memcpy(out, base + offset, len);
  return HIL_OK;
}

static int target_write(void *context, hil_target_t target, uint64_t offset, const uint8_t *bytes,
                        size_t len) {
  uint64_t size = 0;
  uint8_t *base = target_base(context, target, &size);
  if (!base) return HIL_ERR_NOSYS;
  if (!span_within(offset, len, size)) return HIL_ERR_ARG;
  memcpy(base + offset, bytes, len);
  return HIL_OK;
}

static int sefi(void *context, hil_sefi_t kind, uint8_t before[16], uint8_t after[16], uint8_t *out_len) {
  hil_inproc_t *b = context;
  if (kind != SEFI_HANG && kind != SEFI_CRASH) return HIL_ERR_ARG;
  before[0] = (uint8_t)b->cpu;
  b->cpu = kind == SEFI_HANG ? CPU_FROZEN : CPU_CRASHED;
  after[0] = (uint8_t)b->cpu;
  *out_len = 1;
  return HIL_OK;
}

static uint64_t pc_offset(void *context) {
  (void)context;
  return UINT64_MAX;
}

static void reset(void *context) {
  hil_inproc_t *b = context;
  b->reset_due = true; /* done when the agent's call stack is left */
}

static void text(char *out, size_t cap, const char *from) {
  size_t i = 0;
  for (; i + 1u < cap && from[i]; i++) out[i] = from[i];
  out[i] = 0;
}

static void identify(void *context, hil_hello_t *out) {
  (void)context;
  out->targets |= 1u << TARGET_CPU;
  text(out->port, sizeof out->port, "inproc");
  text(out->arch, sizeof out->arch, "virtual");
  text(out->board, sizeof out->board, "in-process board");
}

static void health(void *context, hil_health_t *out) {
  (void)context;
  (void)out; /* a virtual board has no sensors: everything stays unknown */
}

static uint32_t last_error(void *context) {
  (void)context;
  return 0;
}

/* --- the host's side ------------------------------------------------------------------------------- */

static void boot(hil_inproc_t *b) {
  const hil_port_t port = {.context = b,
                           .own = b->own, /* no interrupt, resume, limit, set_baud, find, sensors */
                           .tx = tx,
                           .now_us = now_us,
                           .load = load,
                           .start = start,
                           .step = step,
                           .poll = poll,
                           .advance = advance,
                           .kill = kill_worker,
                           .cpu_us = cpu_us,
                           .target_len = target_len,
                           .target_read = target_read,
                           .target_write = target_write,
                           .sefi = sefi,
                           .pc_offset = pc_offset,
                           .reset = reset,
                           .identify = identify,
                           .health = health,
                           .last_error = last_error};
  hil_report_t hit;
  const bool was_hit = b->reset_due && agent_last_memory_hit(&b->agent, &hit);
  b->reset_due = b->has_worker = b->begun = false;
  b->cpu = CPU_SOUND;
  b->workload = NULL;
  (void)agent_init(&b->agent, &port, philox_next(&b->boots), b->words, b->checks, AGENT_CHECKPOINT_WORDS);
  if (was_hit) agent_recall_memory_hit(&b->agent, &hit);
}

size_t inproc_size(void) { return sizeof(hil_inproc_t); }

int inproc_init(hil_inproc_t *b, uint64_t boot_seed) {
  if (!b || (uintptr_t)b % ALIGNMENT) return HIL_ERR_ARG;
  b->clock_us = 0;
  b->out_cap = b->out_len = 0;
  b->out = NULL;
  philox_init(&b->boots, boot_seed, 0);
  b->powered = true;
  b->reset_due = false;
  b->own = NULL;
  boot(b);
  return HIL_OK;
}

void inproc_add_workload(hil_inproc_t *b, const hil_workload_t *own) {
  b->own = own; /* for its next boots, */
  b->agent.port.own = own; /* and this one */
}

void inproc_power(hil_inproc_t *b, bool on) {
  if (on && !b->powered) boot(b);
  b->powered = on;
}

int inproc_exchange(hil_inproc_t *b, const uint8_t *bytes, size_t len, uint8_t *out, size_t cap,
                    size_t *out_len) {
  if (!b || (len && !bytes) || !out || !out_len) return HIL_ERR_ARG;
  *out_len = 0;
  if (!b->powered) return HIL_OK;
  b->out = out;
  b->out_cap = cap;
  b->out_len = 0;
  if (len) agent_receive(&b->agent, bytes, len);
  for (int i = 0; i < POLLS_MAX; i++) {
    const size_t before = b->out_len;
    const uint32_t wait_us = agent_poll(&b->agent);
    if (b->reset_due) {
      boot(b);
      continue;
    }
    if (b->agent.worker.running) { /* its clock is virtual: no need to wait */
      if (b->agent.limits.held) b->clock_us += wait_us;
      continue;
    }
    if (wait_us == UINT32_MAX && (b->out_len == before || !agent_tx_pending(&b->agent))) break;
  }
  *out_len = b->out_len;
  b->out_cap = b->out_len = 0; /* nothing may be sent outside an exchange */
  return HIL_OK;
}

/* The boards keep the state that they have just agreed on. */
static void keep_checkpoints(hil_inproc_t *const *boards, int nodes, const hil_frame_verdict_t *f) {
  for (int i = 0; i < nodes; i++) {
    (void)agent_keep_checkpoint(&boards[i]->agent, f->frame, f->state);
  }
}

/* One frame on all boards. |out_quiet|: all agree, and are right. HIL_OK; HIL_ERR_STATE as inproc_batch;
 * HIL_ERR_ARG as frame_verdict_decide. */
static int quiet_frame(hil_inproc_t *const *boards, int nodes, hil_golden_t *golden, hil_frame_verdict_t *f,
                       bool *out_quiet) {
  *out_quiet = false;
  int status = golden_step(golden);
  if (status != HIL_OK) return status;
  const hil_workload_t *w = golden->workload;
  for (int i = 0; i < nodes; i++) {
    hil_inproc_t *b = boards[i];
    memcpy(b->agent.memory.region[REGION_INPUT], golden->input, w->input_len);
    hil_node_result_t *node = &f->node[i];
    status = agent_step_quiet(&b->agent, f->frame, &node->output_digest, &node->state_digest);
    if (status < 0) return status;
    b->clock_us += agent_withheld_us(&b->agent);
    node->status = (uint8_t)status;
    /* The host's own: the vote is on the bytes that leave, not on what the agent reports of them. */
    if (status == WORKER_DONE) node->output_digest = hil_digest64(b->io.output, w->output_len, 0);
  }
  status = frame_verdict_decide(f);
  if (status != HIL_OK) return status;
  const bool correct = f->output == golden->output_digest && f->state == golden->state_digest;
  if (f->output == golden->output_digest) f->flags |= FRAME_CORRECT;
  for (int i = 0; i < nodes; i++) { /* also those that do not vote */
    if (f->node[i].status != NODE_DONE) return HIL_OK;
  }
  *out_quiet = f->verdict == VERDICT_UNANIMOUS && correct && !f->dissent && !f->latent;
  return HIL_OK;
}

int inproc_batch(hil_inproc_t *const *boards, int nodes, uint32_t voters, hil_golden_t *golden,
                 uint32_t count, uint32_t checkpoint_every, uint8_t *records, size_t cap) {
  if (!boards || nodes < 1 || nodes > VOTE_MAX_NODES || voters >> nodes || !golden || !records) {
    return HIL_ERR_ARG;
  }
  for (int i = 0; i < nodes; i++) { /* all of it before the first board moves */
    const hil_agent_t *a = boards[i] ? &boards[i]->agent : NULL;
    if (!a || !boards[i]->powered || boards[i]->reset_due || a->workload != golden->workload ||
        agent_quiet_ready(a, golden->next_frame) != HIL_OK) {
      return HIL_ERR_STATE;
    }
  }
  const size_t record_len = FRAME_RECORD_HEADER_LEN + (size_t)nodes * FRAME_RECORD_NODE_LEN;
  uint32_t done = 0;
  while (done < count && cap - (size_t)done * record_len >= record_len) {
    hil_frame_verdict_t f = {.frame = golden->next_frame, .nodes = (uint8_t)nodes, .voters = (uint8_t)voters};
    bool quiet;
    const int status = quiet_frame(boards, nodes, golden, &f, &quiet);
    if (status != HIL_OK) return done ? (int)done : status;
    const int packed = frame_verdict_pack(&f, records + (size_t)done * record_len, record_len);
    if (packed < 0) return HIL_ERR_ARG;
    done++;
    if (!quiet) break;
    if (checkpoint_every && (f.frame + 1u) % checkpoint_every == 0) keep_checkpoints(boards, nodes, &f);
  }
  return (int)done;
}
