/* One step of a workload, for a debugger to inject faults into. SPDX-License-Identifier: Apache-2.0
 *
 * usage: injected_step WORKLOAD SEED FRAME
 *
 * Computes the frames before FRAME, then that one in carry_out_step, where a debugger stops; prints output and
 * state. Not part of hil: `hil perf` builds it from the workloads that hil-agent has. */
#include <stdio.h>
#include <stdlib.h>

#include "workload.h"

enum { ROOM = 4 << 20, ARGUMENTS = 4 };

_Alignas(64) unsigned char region_state[ROOM];
_Alignas(64) unsigned char region_input[256];
_Alignas(64) unsigned char region_output[256];
_Alignas(64) unsigned char region_scratch[ROOM];

__attribute__((noinline)) int carry_out_step(const hil_workload_t *w) {
  const hil_workload_io_t io = {region_state, region_input, region_output, region_scratch};
  hil_progress_t progress = {0};
  return w->step(&io, &progress);
}

static void print(const unsigned char *bytes, unsigned len) {
  for (unsigned i = 0; i < len; i++) (void)printf("%02x", bytes[i]);
  (void)puts("");
}

int main(int argc, char **argv) {
  const hil_workload_t *w = argc == ARGUMENTS ? workload_find(argv[1]) : NULL;
  if (!w || w->state_len > ROOM || w->scratch_len > ROOM) return EXIT_FAILURE;
  const unsigned long long seed = strtoull(argv[2], NULL, 10), frame = strtoull(argv[3], NULL, 10);
  w->init(region_state, seed);
  for (unsigned long long f = 0; f < frame; f++) {
    const hil_workload_io_t io = {region_state, region_input, region_output, region_scratch};
    hil_progress_t progress = {0};
    w->input(region_input, seed, f);
    if (w->step(&io, &progress) != 0) return EXIT_FAILURE;
  }
  w->input(region_input, seed, frame);
  const int status = carry_out_step(w);
  (void)printf("status %d\n", status);
  print(region_output, w->output_len);
  print(region_state, w->state_len);
  return EXIT_SUCCESS;
}
