/* The golden run: every workload, in memory of its own. SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>

#include "digest.h"
#include "golden.h"
#include "unit.h"

enum { FRAMES = 12, SHIFTS = 64 };

static const uint64_t SEED = 42;

static void it_equals_the_workloads_own_functions_at_any_alignment(void) {
  for (int i = 0; workload_at(i); i++) {
    const hil_workload_t *w = workload_at(i);
    const size_t need = golden_memory(w);
    uint8_t *memory = malloc(need + SHIFTS + 1), *state = calloc(1, w->state_len);
    uint8_t *input = calloc(1, w->input_len + 1u), *output = calloc(1, w->output_len + 1u);
    uint8_t *scratch = malloc(w->scratch_len + 1u);
    CHECK(memory && state && input && output && scratch);
    for (size_t shift = 0; memory && shift < SHIFTS; shift += 21) {
      hil_golden_t g;
      memset(memory, UNIT_GUARD, need + SHIFTS + 1);
      CHECK_EQ(golden_init(&g, w, SEED, memory + shift, need), HIL_OK);
      CHECK_EQ((uintptr_t)g.state % 64 | (uintptr_t)g.input % 64 | (uintptr_t)g.output % 64 |
                   (uintptr_t)g.scratch % 64,
               0);
      memset(state, 0, w->state_len);
      w->init(state, SEED);
      CHECK_EQ(g.next_frame, 0);
      CHECK_EQ(g.state_digest, hil_digest64(state, w->state_len, 0));
      memset(scratch, 0x33, w->scratch_len); /* scratch is garbage at entry */
      for (uint64_t frame = 0; frame < FRAMES; frame++) {
        hil_progress_t progress = {0, 0, NULL, NULL};
        const hil_workload_io_t io = {state, input, output, scratch};
        w->input(input, SEED, frame);
        CHECK_EQ(w->step(&io, &progress), HIL_OK);
        CHECK_EQ(golden_step(&g), HIL_OK);
        CHECK_EQ(g.next_frame, frame + 1);
        CHECK(memcmp(g.input, input, w->input_len) == 0);
        CHECK(memcmp(g.output, output, w->output_len) == 0);
        CHECK(memcmp(g.state, state, w->state_len) == 0);
        CHECK_EQ(g.output_digest, hil_digest64(output, w->output_len, 0));
        CHECK_EQ(g.state_digest, hil_digest64(state, w->state_len, 0));
      }
      for (size_t k = 0; k < shift; k++) CHECK_EQ(memory[k], UNIT_GUARD);
      CHECK_EQ(memory[shift + need], UNIT_GUARD);
    }
    free(memory);
    free(state);
    free(input);
    free(output);
    free(scratch);
  }
}

static void seeds_make_different_runs_and_the_same_seed_the_same(void) {
  static uint8_t first_memory[1 << 16], second_memory[1 << 16];
  const hil_workload_t *w = workload_find("sha256");
  hil_golden_t first, second;
  CHECK_EQ(golden_init(&first, w, 1, first_memory, sizeof first_memory), HIL_OK);
  CHECK_EQ(golden_init(&second, w, 1, second_memory, sizeof second_memory), HIL_OK);
  for (int frame = 0; frame < 5; frame++) {
    CHECK_EQ(golden_step(&first), HIL_OK);
    CHECK_EQ(golden_step(&second), HIL_OK);
    CHECK_EQ(first.output_digest, second.output_digest);
  }
  CHECK_EQ(golden_init(&second, w, 2, second_memory, sizeof second_memory), HIL_OK);
  CHECK_EQ(golden_step(&second), HIL_OK);
  CHECK(first.output_digest != second.output_digest);
}

static void memory_too_small_is_exhausted_and_untouched(void) {
  static uint8_t memory[1 << 16];
  const hil_workload_t *w = workload_find("attitude");
  hil_golden_t g;
  memset(memory, UNIT_GUARD, sizeof memory);
  CHECK_EQ(golden_init(&g, w, 1, memory, golden_memory(w) - 1), HIL_ERR_EXHAUSTED);
  CHECK_EQ(memory[0], UNIT_GUARD);
  CHECK_EQ(golden_init(NULL, w, 1, memory, sizeof memory), HIL_ERR_ARG);
  CHECK_EQ(golden_init(&g, NULL, 1, memory, sizeof memory), HIL_ERR_ARG);
  CHECK_EQ(golden_init(&g, w, 1, NULL, sizeof memory), HIL_ERR_ARG);
}

/* A workload whose step fails in its third frame. */
static int calls;
static void no_init(uint8_t *state, uint64_t seed) { state[0] = (uint8_t)seed; }
static void no_input(uint8_t *input, uint64_t seed, uint64_t frame) { input[0] = (uint8_t)(seed + frame); }
static int failing_step(const hil_workload_io_t *io, hil_progress_t *progress) {
  (void)progress;
  io->output[0] = 1;
  return ++calls == 3 ? HIL_ERR_STATE : HIL_OK;
}

static void a_step_that_fails_is_reported_and_not_counted(void) {
  const hil_workload_t w = {.name = "x",
                            .state_len = 1,
                            .input_len = 1,
                            .output_len = 1,
                            .scratch_len = 0,
                            .init = no_init,
                            .input = no_input,
                            .step = failing_step};
  static uint8_t memory[1024];
  hil_golden_t g;
  CHECK_EQ(golden_init(&g, &w, 9, memory, sizeof memory), HIL_OK);
  CHECK_EQ(golden_step(&g), HIL_OK);
  CHECK_EQ(golden_step(&g), HIL_OK);
  CHECK_EQ(golden_step(&g), HIL_ERR_STATE);
  CHECK_EQ(g.next_frame, 2);
  CHECK_EQ(golden_step(&g), HIL_OK);
  CHECK_EQ(g.input[0], 9 + 2);
  CHECK_EQ(g.next_frame, 3);
}

int main(void) {
  RUN(it_equals_the_workloads_own_functions_at_any_alignment);
  RUN(seeds_make_different_runs_and_the_same_seed_the_same);
  RUN(memory_too_small_is_exhausted_and_untouched);
  RUN(a_step_that_fails_is_reported_and_not_counted);
  return UNIT_RESULT();
}
