/* Experiments on one step, in this process. SPDX-License-Identifier: Apache-2.0
 *
 * Invariants:
 *   1. Between two experiments |now| equals |before| in every region.
 *   2. Only |now| is ever written after fault_bench_open.
 *   3. A step ends: the workload counts ticks, and is abandoned when they pass |max_ticks|. */
#include "fault_bench.h"

#include <string.h>

enum { ALIGNMENT = 64, IMAGES = 3, DETAIL_MAX = 255, BITS = 8 };

static size_t rounded(size_t len) { return (len + ALIGNMENT - 1u) / ALIGNMENT * ALIGNMENT; }

static void lengths_of(const hil_workload_t *w, size_t out[FAULT_REGIONS]) {
  out[FAULT_STATE] = w->state_len;
  out[FAULT_INPUT] = w->input_len;
  out[FAULT_OUTPUT] = w->output_len;
  out[FAULT_HEAP] = w->scratch_len;
}

size_t fault_bench_memory(const hil_workload_t *workload) {
  size_t len[FAULT_REGIONS], need = ALIGNMENT;
  lengths_of(workload, len);
  for (size_t i = 0; i < FAULT_REGIONS; i++) need += IMAGES * rounded(len[i]);
  return need;
}

/* --- one step ------------------------------------------------------------------------------------ */

static void flip(hil_fault_bench_t *b) {
  b->region[b->fault.region].now[b->fault.byte] ^= (uint8_t)(1u << b->fault.bit);
}

/* Returns non-zero if the step must be abandoned. */
static int strike(hil_fault_bench_t *b) {
  b->pending = 0;
  b->progress.stop_tick = b->max_ticks + 1u;
  if (b->fault.region != FAULT_CPU) {
    flip(b);
  } else {
    b->abandoned = b->fault.byte == FAULT_CPU_HANG ? FAULT_HUNG : FAULT_CRASHED;
  }
  return b->abandoned != 0;
}

static int on_stop(void *context, uint32_t tick) {
  hil_fault_bench_t *b = context;
  (void)tick; /* it is |stop_tick| */
  if (b->pending) return strike(b);
  b->abandoned = FAULT_HUNG;
  return 1;
}

static int step(hil_fault_bench_t *b) {
  const hil_fault_span_t *r = b->region;
  const hil_workload_io_t io = {r[FAULT_STATE].now, r[FAULT_INPUT].now, r[FAULT_OUTPUT].now,
                                r[FAULT_HEAP].now};
  return b->workload->step(&io, &b->progress);
}

/* --- comparing and restoring ------------------------------------------------------------------------ */

/* Put a region back. Returns whether it was as the fault-free step leaves it. */
static bool restore(const hil_fault_span_t *r) {
  bool alike = true;
  if (r->len <= FAULT_CHUNK) { /* to copy it costs less than to find out whether it must be */
    alike = memcmp(r->now, r->after, r->len) == 0;
    memcpy(r->now, r->before, r->len);
    return alike;
  }
  for (size_t at = 0; at < r->len; at += FAULT_CHUNK) {
    const size_t len = r->len - at < FAULT_CHUNK ? r->len - at : FAULT_CHUNK;
    const bool same = memcmp(r->now + at, r->after + at, len) == 0;
    /* Most of a large state is the same before and after a step: then nothing is to be written. */
    if (!same || memcmp(r->before + at, r->after + at, len) != 0) memcpy(r->now + at, r->before + at, len);
    alike = alike && same;
  }
  return alike;
}

/* Put everything back. Returns whether the state was as the fault-free step leaves it. */
static bool restore_all(const hil_fault_bench_t *b) {
  const hil_fault_span_t *r = b->region;
  if (b->image_len <= FAULT_CHUNK) { /* one copy of all costs less than one of each */
    const bool alike = memcmp(r[FAULT_STATE].now, r[FAULT_STATE].after, r[FAULT_STATE].len) == 0;
    memcpy(r[0].now, r[0].before, b->image_len);
    return alike;
  }
  memcpy(r[FAULT_INPUT].now, r[FAULT_INPUT].before, r[FAULT_INPUT].len);
  memcpy(r[FAULT_OUTPUT].now, r[FAULT_OUTPUT].before, r[FAULT_OUTPUT].len);
  (void)restore(&r[FAULT_HEAP]);
  return restore(&r[FAULT_STATE]);
}

static unsigned bits_of(uint64_t word) { /* added in pairs, fours and eights, then all by one product */
  word -= word >> 1 & UINT64_C(0x5555555555555555);
  word = (word & UINT64_C(0x3333333333333333)) + (word >> 2 & UINT64_C(0x3333333333333333));
  word = (word + (word >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
  return (unsigned)(word * UINT64_C(0x0101010101010101) >> 56);
}

static uint8_t wrong_bits(const hil_fault_span_t *output) {
  unsigned bits = 0;
  for (size_t at = 0; at < output->len && bits < DETAIL_MAX; at += sizeof(uint64_t)) {
    uint64_t now = 0, after = 0;
    const size_t left = output->len - at, len = left < sizeof now ? left : sizeof now;
    memcpy(&now, output->now + at, len);
    memcpy(&after, output->after + at, len);
    bits += bits_of(now ^ after);
  }
  return (uint8_t)(bits < DETAIL_MAX ? bits : DETAIL_MAX);
}

/* What the step that has just ended came to; memory is put back. */
static hil_fault_effect_t conclude(hil_fault_bench_t *b, uint8_t *out_detail) {
  const hil_fault_span_t *output = &b->region[FAULT_OUTPUT];
  const bool output_alike = memcmp(output->now, output->after, output->len) == 0;
  const uint8_t wrong = output_alike ? 0 : wrong_bits(output);
  const bool state_alike = restore_all(b);
  *out_detail = 0;
  if (b->abandoned) return (hil_fault_effect_t)b->abandoned;
  if (!output_alike) {
    *out_detail = wrong;
    return FAULT_SDC;
  }
  if (!state_alike) return FAULT_LATENT;
  return b->progress.tick == b->ticks ? FAULT_MASKED : FAULT_DETECTED;
}

/* Run the step with |fault| to its end. */
static void run_faulty(hil_fault_bench_t *b, const hil_fault_t *fault) {
  b->fault = *fault;
  b->pending = 1;
  b->abandoned = 0;
  b->progress.tick = 0;
  b->progress.stop_tick = fault->tick;
  const int status = fault->tick || strike(b) == 0 ? step(b) : HIL_ERR_STATE;
  if (status != HIL_OK && !b->abandoned) b->abandoned = FAULT_HUNG; /* the step has failed by itself */
}

static bool exists(const hil_fault_bench_t *b, const hil_fault_t *fault) {
  if (fault->tick > b->ticks) return false;
  if (fault->region == FAULT_CPU) return fault->byte == FAULT_CPU_HANG || fault->byte == FAULT_CPU_CRASH;
  return fault->region < FAULT_REGIONS && fault->byte < b->region[fault->region].len && fault->bit < BITS;
}

/* --- calls ---------------------------------------------------------------------------------------- */

static void lay_out(hil_fault_bench_t *b, uint8_t *memory) {
  uint8_t *const first = memory + (ALIGNMENT - (uintptr_t)memory % ALIGNMENT) % ALIGNMENT;
  size_t len[FAULT_REGIONS];
  lengths_of(b->workload, len);
  b->image_len = 0;
  for (size_t i = 0; i < FAULT_REGIONS; i++) b->image_len += rounded(len[i]);
  uint8_t *p = first;
  for (size_t i = 0; i < FAULT_REGIONS; i++) {
    b->region[i] = (hil_fault_span_t){p, p + b->image_len, p + 2u * b->image_len, len[i]};
    p += rounded(len[i]);
  }
}

int fault_bench_open(hil_fault_bench_t *b, const hil_golden_t *golden, uint32_t max_ticks, uint8_t *memory,
                     size_t len) {
  if (!b || !golden || !golden->workload || !memory || max_ticks == UINT32_MAX) return HIL_ERR_ARG;
  const hil_workload_t *w = golden->workload;
  if (len < fault_bench_memory(w)) return HIL_ERR_EXHAUSTED;
  memset(memory, 0, len);
  *b = (hil_fault_bench_t){.workload = w, .max_ticks = max_ticks};
  lay_out(b, memory);
  hil_fault_span_t *r = b->region;
  memcpy(r[FAULT_STATE].before, golden->state, w->state_len);
  memcpy(r[FAULT_OUTPUT].before, golden->output, w->output_len);
  memcpy(r[FAULT_HEAP].before, golden->scratch, w->scratch_len);
  w->input(r[FAULT_INPUT].before, golden->seed, golden->next_frame);
  for (size_t i = 0; i < FAULT_REGIONS; i++) memcpy(r[i].now, r[i].before, r[i].len);
  b->progress = (hil_progress_t){0, max_ticks + 1u, on_stop, b};
  if (step(b) != HIL_OK) return HIL_ERR_STATE;
  b->ticks = b->progress.tick;
  for (size_t i = 0; i < FAULT_REGIONS; i++) {
    memcpy(r[i].after, r[i].now, r[i].len);
    memcpy(r[i].now, r[i].before, r[i].len);
  }
  return b->ticks <= max_ticks ? HIL_OK : HIL_ERR_ARG;
}

int fault_bench_run(hil_fault_bench_t *b, const hil_fault_t *faults, size_t count, uint8_t *effects,
                    uint8_t *details) {
  if (!b || !faults || !effects || !details) return HIL_ERR_ARG;
  for (size_t i = 0; i < count; i++) {
    if (!exists(b, &faults[i])) return HIL_ERR_ARG;
  }
  for (size_t i = 0; i < count; i++) {
    run_faulty(b, &faults[i]);
    effects[i] = (uint8_t)conclude(b, &details[i]);
  }
  return HIL_OK;
}

int fault_bench_inspect(hil_fault_bench_t *b, const hil_fault_t *fault, uint8_t *effect, uint8_t *detail,
                        uint8_t *output, uint8_t *state) {
  if (!b || !fault || !effect || !detail || !output || !state || !exists(b, fault)) return HIL_ERR_ARG;
  run_faulty(b, fault);
  memcpy(output, b->region[FAULT_OUTPUT].now, b->region[FAULT_OUTPUT].len);
  memcpy(state, b->region[FAULT_STATE].now, b->region[FAULT_STATE].len);
  *effect = (uint8_t)conclude(b, detail);
  return HIL_OK;
}

int fault_bench_bare(hil_fault_bench_t *b, size_t count) {
  if (!b) return HIL_ERR_ARG;
  int status = HIL_OK;
  b->pending = 0;
  for (size_t i = 0; i < count && status == HIL_OK; i++) {
    b->progress.tick = 0;
    b->progress.stop_tick = b->max_ticks + 1u;
    status = step(b);
  }
  (void)restore_all(b);
  return status == HIL_OK ? HIL_OK : HIL_ERR_STATE;
}
