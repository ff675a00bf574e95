/* Golden run. SPDX-License-Identifier: Apache-2.0
 *
 * One workload in memory of its own, stepped without any progress stop.
 * Invariant: after a successful golden_step the digests belong to frame next_frame - 1. */
#include "golden.h"

#include <string.h>

#include "digest.h"

enum { ALIGNMENT = 64 };

static size_t rounded(size_t len) { return (len + ALIGNMENT - 1u) / ALIGNMENT * ALIGNMENT; }

size_t golden_memory(const hil_workload_t *workload) {
  return ALIGNMENT + rounded(workload->state_len) + rounded(workload->input_len) +
         rounded(workload->output_len) + rounded(workload->scratch_len);
}

int golden_init(hil_golden_t *g, const hil_workload_t *workload, uint64_t seed, uint8_t *memory, size_t len) {
  if (!g || !workload || !memory) return HIL_ERR_ARG;
  if (len < golden_memory(workload)) return HIL_ERR_EXHAUSTED;
  memset(memory, 0, len);
  uint8_t *p = memory + (ALIGNMENT - (uintptr_t)memory % ALIGNMENT) % ALIGNMENT;
  *g = (hil_golden_t){.workload = workload, .seed = seed};
  g->state = p;
  g->input = g->state + rounded(workload->state_len);
  g->output = g->input + rounded(workload->input_len);
  g->scratch = g->output + rounded(workload->output_len);
  workload->init(g->state, seed);
  g->output_digest = hil_digest64(g->output, workload->output_len, 0);
  g->state_digest = hil_digest64(g->state, workload->state_len, 0);
  return HIL_OK;
}

int golden_step(hil_golden_t *g) {
  const hil_workload_t *w = g->workload;
  const hil_workload_io_t io = {g->state, g->input, g->output, g->scratch};
  hil_progress_t progress = {0, 0, NULL, NULL};
  w->input(g->input, g->seed, g->next_frame);
  const int status = w->step(&io, &progress);
  if (status != HIL_OK) return status;
  g->output_digest = hil_digest64(g->output, w->output_len, 0);
  g->state_digest = hil_digest64(g->state, w->state_len, 0);
  g->next_frame++;
  return HIL_OK;
}
