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

static uint8_t wrong_bits(const hil_fault_span_t *output) {
  unsigned bits = 0;
  for (size_t i = 0; i < output->len; i++) {
    for (unsigned differ = (unsigned)(output->now[i] ^ output->after[i]); differ; differ &= differ - 1u)
      bits++;
  }
  return (uint8_t)(bits < DETAIL_MAX ? bits : DETAIL_MAX);
}

/* What the step that has just ended came to; memory is put back. */
static hil_fault_effect_t conclude(hil_fault_bench_t *b, uint8_t *out_detail) {
  const hil_fault_span_t *output = &b->region[FAULT_OUTPUT];
  const bool output_alike = memcmp(output->now, output->after, output->len) == 0;
  const uint8_t wrong = output_alike ? 0 : wrong_bits(output);
  memcpy(output->now, output->before, output->len);
  const bool state_alike = restore(&b->region[FAULT_STATE]);
  memcpy(b->region[FAULT_INPUT].now, b->region[FAULT_INPUT].before, b->region[FAULT_INPUT].len);
  (void)restore(&b->region[FAULT_HEAP]);
  *out_detail = 0;
  if (b->abandoned) return (hil_fault_effect_t)b->abandoned;
  if (!output_alike) {
    *out_detail = wrong;
    return FAULT_SDC;
  }
  if (!state_alike) return FAULT_LATENT;
  return b->progress.tick == b->ticks ? FAULT_MASKED : FAULT_DETECTED;
}

static hil_fault_effect_t experiment(hil_fault_bench_t *b, const hil_fault_t *fault, uint8_t *out_detail) {
  b->fault = *fault;
  b->pending = 1;
  b->abandoned = 0;
  b->progress.tick = 0;
  b->progress.stop_tick = fault->tick;
  const int status = fault->tick || strike(b) == 0 ? step(b) : HIL_ERR_STATE;
  if (status != HIL_OK && !b->abandoned) b->abandoned = FAULT_HUNG; /* the step has failed by itself */
  return conclude(b, out_detail);
}

static bool exists(const hil_fault_bench_t *b, const hil_fault_t *fault) {
  if (fault->tick > b->ticks) return false;
  if (fault->region == FAULT_CPU) return fault->byte == FAULT_CPU_HANG || fault->byte == FAULT_CPU_CRASH;
  return fault->region < FAULT_REGIONS && fault->byte < b->region[fault->region].len && fault->bit < BITS;
}

/* --- calls ---------------------------------------------------------------------------------------- */

static void lay_out(hil_fault_bench_t *b, uint8_t *memory) {
  uint8_t *p = memory + (ALIGNMENT - (uintptr_t)memory % ALIGNMENT) % ALIGNMENT;
  size_t len[FAULT_REGIONS];
  lengths_of(b->workload, len);
  for (size_t i = 0; i < FAULT_REGIONS; i++) {
    const size_t room = rounded(len[i]);
    b->region[i] = (hil_fault_span_t){p, p + room, p + 2u * room, len[i]};
    p += IMAGES * room;
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
  for (size_t i = 0; i < count; i++) effects[i] = (uint8_t)experiment(b, &faults[i], &details[i]);
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
  for (size_t i = 0; i < FAULT_REGIONS; i++) (void)restore(&b->region[i]);
  return status == HIL_OK ? HIL_OK : HIL_ERR_STATE;
}
