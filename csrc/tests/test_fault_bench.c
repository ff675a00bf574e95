/* Experiments on one step, in this process: known answers, and nothing left behind. SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>

#include "fault_bench.h"
#include "unit.h"

enum { SEED = 7, MOST = 40, MEMORY = 1 << 16 };

/* A workload of which it is known what each fault does:
 *   state[0]   is copied to output[0] between ticks 1 and 2
 *   state[1]   counts frames, and is read by nobody
 *   state[2]   how many ticks are counted before that, less one; bit 7 of the input adds one
 *   state[3]   which byte of scratch is added to output[1]; the step never writes these */
enum { TICKS = 3, SCRATCH = 256 };

static void init(uint8_t *state, uint64_t seed) { memcpy(state, (uint8_t[]){(uint8_t)seed, 0, 0, 0}, 4); }

static void input(uint8_t *in, uint64_t seed, uint64_t frame) { in[0] = (uint8_t)(seed + frame); }

static int step(const hil_workload_io_t *io, hil_progress_t *progress) {
  for (int i = 0; i <= io->state[2] + (io->input[0] >> 7); i++) {
    if (progress_tick(progress)) return HIL_ERR_STATE;
  }
  io->output[0] = io->state[0];
  if (progress_tick(progress)) return HIL_ERR_STATE;
  io->scratch[io->state[3]] = 0;
  io->output[1] = 0;
  for (int i = 0; i < SCRATCH; i++) io->output[1] = (uint8_t)(io->output[1] + io->scratch[i]);
  io->scratch[0] = 0;
  io->state[1]++;
  return progress_tick(progress) ? HIL_ERR_STATE : HIL_OK;
}

static const hil_workload_t known = {.name = "known",
                                     .state_len = 4,
                                     .input_len = 1,
                                     .output_len = 2,
                                     .scratch_len = SCRATCH,
                                     .ticks = TICKS,
                                     .init = init,
                                     .input = input,
                                     .step = step};

static uint8_t golden_bytes[MEMORY], bench_bytes[MEMORY];

static void hold(hil_fault_bench_t *b, hil_golden_t *g, const hil_workload_t *w) {
  CHECK_EQ(golden_init(g, w, SEED, golden_bytes, sizeof golden_bytes), HIL_OK);
  CHECK_EQ(golden_step(g), HIL_OK);
  CHECK_EQ(fault_bench_open(b, g, MOST, bench_bytes, sizeof bench_bytes), HIL_OK);
}

static hil_fault_t fault(uint32_t tick, hil_fault_region_t region, uint32_t byte, uint8_t bit) {
  return (hil_fault_t){.tick = tick, .byte = byte, .region = (uint8_t)region, .bit = bit};
}

static void each_effect_is_the_known_one(void) {
  const struct {
    hil_fault_t fault;
    hil_fault_effect_t effect;
    uint8_t detail;
  } cases[] = {
      {fault(0, FAULT_STATE, 0, 3), FAULT_SDC, 1},
      {fault(1, FAULT_STATE, 0, 3), FAULT_SDC, 1},
      {fault(2, FAULT_STATE, 0, 3), FAULT_LATENT, 0}, /* it was copied before */
      {fault(0, FAULT_STATE, 1, 0), FAULT_LATENT, 0},
      {fault(0, FAULT_INPUT, 0, 0), FAULT_MASKED, 0},
      {fault(0, FAULT_INPUT, 0, 7), FAULT_DETECTED, 0},
      {fault(0, FAULT_OUTPUT, 0, 0), FAULT_MASKED, 0}, /* overwritten */
      {fault(2, FAULT_OUTPUT, 0, 0), FAULT_SDC, 1},
      {fault(TICKS, FAULT_OUTPUT, 1, 7), FAULT_SDC, 1},
      {fault(0, FAULT_HEAP, 9, 0), FAULT_SDC, 1},
      {fault(0, FAULT_HEAP, 0, 0), FAULT_MASKED, 0},
      {fault(TICKS, FAULT_HEAP, 9, 0), FAULT_MASKED, 0},
      {fault(0, FAULT_STATE, 2, 1), FAULT_LATENT, 0}, /* two ticks more, and the bit stays */
      {fault(0, FAULT_STATE, 2, 7), FAULT_HUNG, 0}, /* more ticks than it may have */
      {fault(0, FAULT_CPU, FAULT_CPU_HANG, 0), FAULT_HUNG, 0},
      {fault(TICKS, FAULT_CPU, FAULT_CPU_CRASH, 0), FAULT_CRASHED, 0},
  };
  enum { CASES = sizeof cases / sizeof cases[0], ROUNDS = 3 };
  hil_fault_bench_t b;
  hil_golden_t g;
  hold(&b, &g, &known);
  CHECK_EQ(b.ticks, TICKS);
  for (int round = 0; round < ROUNDS; round++) { /* none depends on those before it */
    for (size_t i = 0; i < CASES; i++) {
      const size_t at = round == 1 ? CASES - 1 - i : i;
      uint8_t effect = 0xff, detail = 0xff;
      CHECK_EQ(fault_bench_run(&b, &cases[at].fault, 1, &effect, &detail), HIL_OK);
      CHECK_EQ(effect, cases[at].effect);
      CHECK_EQ(detail, cases[at].detail);
    }
  }
}

/* state[3] leads a step to a byte of scratch that the fault-free one leaves alone. */
static void what_a_wild_step_wrote_is_put_back(void) {
  hil_fault_bench_t b;
  hil_golden_t g;
  uint8_t effects[3], details[3];
  CHECK_EQ(golden_init(&g, &known, SEED, golden_bytes, sizeof golden_bytes), HIL_OK);
  CHECK_EQ(golden_step(&g), HIL_OK);
  g.scratch[64] = 5;
  CHECK_EQ(fault_bench_open(&b, &g, MOST, bench_bytes, sizeof bench_bytes), HIL_OK);
  const hil_fault_t wild = fault(0, FAULT_STATE, 3, 6), none = fault(0, FAULT_INPUT, 0, 0);
  const hil_fault_t faults[] = {wild, none, wild};
  CHECK_EQ(fault_bench_run(&b, faults, 3, effects, details), HIL_OK);
  CHECK_EQ(effects[0], FAULT_SDC); /* the 5 was cleared, and is missing */
  CHECK_EQ(effects[1], FAULT_MASKED);
  CHECK_EQ(effects[2], FAULT_SDC);
  CHECK_EQ(details[0], details[2]);
}

/* What the step leaves is copied before it is put back, and the experiment is the same as in a run. */
static void one_experiment_is_inspected(void) {
  hil_fault_bench_t b;
  hil_golden_t g;
  hold(&b, &g, &known);
  const hil_fault_t hit = fault(1, FAULT_STATE, 0, 3), none = fault(TICKS + 1, FAULT_STATE, 0, 0);
  uint8_t effect = 0xff, detail = 0xff, output[2] = {0}, state[4] = {0};
  CHECK_EQ(fault_bench_inspect(&b, &hit, &effect, &detail, output, state), HIL_OK);
  CHECK_EQ(effect, FAULT_SDC);
  CHECK_EQ(detail, 1);
  CHECK_EQ(output[0], b.region[FAULT_OUTPUT].after[0] ^ 8u);
  CHECK_EQ(state[0], b.region[FAULT_STATE].after[0] ^ 8u);
  CHECK_EQ(state[1], b.region[FAULT_STATE].after[1]);
  CHECK(memcmp(b.region[FAULT_STATE].now, b.region[FAULT_STATE].before, sizeof state) == 0);
  CHECK_EQ(fault_bench_inspect(&b, &none, &effect, &detail, output, state), HIL_ERR_ARG);
  CHECK_EQ(fault_bench_inspect(&b, &hit, NULL, &detail, output, state), HIL_ERR_ARG);
}

static void bare_steps_leave_nothing_behind(void) {
  hil_fault_bench_t b;
  hil_golden_t g;
  hold(&b, &g, &known);
  const hil_fault_t one = fault(0, FAULT_INPUT, 0, 0);
  uint8_t effect = 0xff, detail = 0xff;
  CHECK_EQ(fault_bench_bare(&b, 1000), HIL_OK);
  CHECK_EQ(fault_bench_run(&b, &one, 1, &effect, &detail), HIL_OK);
  CHECK_EQ(effect, FAULT_MASKED);
}

static void faults_that_there_are_not_are_refused(void) {
  const hil_fault_t wrong[] = {
      fault(TICKS + 1, FAULT_STATE, 0, 0), fault(0, FAULT_STATE, 4, 0), fault(0, FAULT_STATE, 0, 8),
      fault(0, FAULT_CPU, 0, 0),           fault(0, FAULT_CPU, 3, 0),   {.region = FAULT_CPU + 1},
  };
  hil_fault_bench_t b;
  hil_golden_t g;
  hold(&b, &g, &known);
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    const hil_fault_t faults[] = {fault(0, FAULT_STATE, 0, 0), wrong[i]};
    uint8_t effects[2] = {UNIT_GUARD, UNIT_GUARD}, details[2];
    CHECK_EQ(fault_bench_run(&b, faults, 2, effects, details), HIL_ERR_ARG);
    CHECK_EQ(effects[0], UNIT_GUARD);
  }
  CHECK_EQ(fault_bench_run(NULL, wrong, 1, (uint8_t[1]){0}, (uint8_t[1]){0}), HIL_ERR_ARG);
  CHECK_EQ(fault_bench_open(&b, &g, MOST, bench_bytes, fault_bench_memory(&known) - 1), HIL_ERR_EXHAUSTED);
  CHECK_EQ(fault_bench_open(&b, &g, TICKS - 1, bench_bytes, sizeof bench_bytes), HIL_ERR_STATE);
  CHECK_EQ(fault_bench_open(&b, NULL, MOST, bench_bytes, sizeof bench_bytes), HIL_ERR_ARG);
}

/* Every workload: the fault-free step is the golden one, and order does not matter. */
static void outcomes_of_real_workloads_do_not_depend_on_their_order(void) {
  for (int i = 0; workload_at(i); i++) {
    const hil_workload_t *w = workload_at(i);
    enum { COUNT = 24 };
    uint8_t *golden = malloc(golden_memory(w)), *memory = malloc(fault_bench_memory(w));
    hil_golden_t g;
    hil_fault_bench_t b;
    CHECK(golden && memory);
    if (!golden || !memory) break;
    CHECK_EQ(golden_init(&g, w, SEED, golden, golden_memory(w)), HIL_OK);
    CHECK_EQ(fault_bench_open(&b, &g, 4 * w->ticks + 64, memory, fault_bench_memory(w)), HIL_OK);
    CHECK_EQ(golden_step(&g), HIL_OK);
    CHECK_EQ(b.ticks, w->ticks);
    CHECK(memcmp(b.region[FAULT_OUTPUT].after, g.output, w->output_len) == 0);
    CHECK(memcmp(b.region[FAULT_STATE].after, g.state, w->state_len) == 0);
    hil_fault_t up[COUNT], down[COUNT];
    uint8_t effects[2][COUNT], details[2][COUNT];
    for (uint32_t k = 0; k < COUNT; k++) {
      const uint32_t byte = k * 7919u % w->state_len;
      up[k] = down[COUNT - 1 - k] = fault(k % (w->ticks + 1), FAULT_STATE, byte, (uint8_t)(k % 8));
    }
    CHECK_EQ(fault_bench_run(&b, up, COUNT, effects[0], details[0]), HIL_OK);
    CHECK_EQ(fault_bench_run(&b, down, COUNT, effects[1], details[1]), HIL_OK);
    for (size_t k = 0; k < COUNT; k++) {
      CHECK_EQ(effects[0][k], effects[1][COUNT - 1 - k]);
      CHECK_EQ(details[0][k], details[1][COUNT - 1 - k]);
    }
    free(golden);
    free(memory);
  }
}

int main(void) {
  RUN(each_effect_is_the_known_one);
  RUN(what_a_wild_step_wrote_is_put_back);
  RUN(one_experiment_is_inspected);
  RUN(bare_steps_leave_nothing_behind);
  RUN(faults_that_there_are_not_are_refused);
  RUN(outcomes_of_real_workloads_do_not_depend_on_their_order);
  return UNIT_RESULT();
}
