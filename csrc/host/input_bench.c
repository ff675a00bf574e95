/* One state, many inputs. SPDX-License-Identifier: Apache-2.0 */
#include "input_bench.h"

#include <string.h>

enum { ALIGNMENT = 64 };

static size_t rounded(size_t len) { return (len + ALIGNMENT - 1u) / ALIGNMENT * ALIGNMENT; }

size_t input_bench_memory(const hil_workload_t *w) {
  return ALIGNMENT + rounded(w->state_len) + rounded(w->input_len) + rounded(w->output_len) +
         rounded(w->scratch_len);
}

int input_bench_run(const hil_workload_t *workload, const uint8_t *state, const uint8_t *inputs, size_t count,
                    uint8_t *outputs, uint8_t *memory, size_t len) {
  if (!workload || !state || !inputs || !outputs || !memory) return HIL_ERR_ARG;
  const hil_workload_t *w = workload;
  if (len < input_bench_memory(w)) return HIL_ERR_EXHAUSTED;
  memset(memory, 0, len);
  uint8_t *const first = memory + (ALIGNMENT - (uintptr_t)memory % ALIGNMENT) % ALIGNMENT;
  uint8_t *const input = first + rounded(w->state_len), *const output = input + rounded(w->input_len);
  const hil_workload_io_t io = {first, input, output, output + rounded(w->output_len)};
  for (size_t i = 0; i < count; i++) {
    hil_progress_t progress = {0, 0, NULL, NULL};
    memcpy(first, state, w->state_len);
    memcpy(input, inputs + i * w->input_len, w->input_len);
    if (w->step(&io, &progress) != HIL_OK) return HIL_ERR_STATE;
    memcpy(outputs + i * w->output_len, output, w->output_len);
  }
  return HIL_OK;
}
