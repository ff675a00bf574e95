/* Workload: train, with a cheap detector. SPDX-License-Identifier: Apache-2.0
 *
 * If the mini-batch would change the weights far more than usual (the sum of the squared changes is more than
 * SPIKE times its running mean, after WARM_UP steps), its gradients are computed once more, from the weights and the
 * images. A fault of that computation has gone then; one of weights or momentum is still there, and is applied.
 *
 * State: that of train | running mean of the squared changes u64 | mini-batches computed again u32 | of these, the
 * ones that came out otherwise u32. The last two are also the counters of the output. */
#include "workload.h"

#define TRAIN_CODE WORKLOAD_TEXT(train_recheck)
#include "train_step.h"

enum {
  MEAN_AT = TRAIN_LEN,
  AGAIN_AT = MEAN_AT + 8,
  OTHERWISE_AT = AGAIN_AT + 4,
  STATE_LEN = OTHERWISE_AT + 4,
  WARM_UP = 32,
  SPIKE_SHIFT = 3, /* 8 times: of the root of the mean square 2.8 times */
  MEAN_SHIFT = 3,
  TICKS = TRAIN_TICKS + 1 + BATCH + 1 +
          1 /* as train; the changes, each image once more or not, update, the result */
};

WORKLOAD_TEXT_BOUNDS(train_recheck);

static void init(uint8_t *state, uint64_t seed) {
  train_init(state, seed);
  memset(state + TRAIN_LEN, 0, STATE_LEN - TRAIN_LEN);
}

/* The sum of the squared changes that the gradients come to. */
TRAIN_CODE static __attribute__((noinline)) uint64_t change(const uint8_t *state, const uint8_t *scratch) {
  uint64_t norm = 0;
  for (uint32_t i = 0; i < PARAMETERS; i++) {
    norm += squared_change(next_momentum(state, scratch, i));
  }
  return norm;
}

TRAIN_CODE static bool is_spike(const uint8_t *state, uint64_t norm) {
  return load_u64le(state + STEPS_AT) >= WARM_UP && norm >> SPIKE_SHIFT > load_u64le(state + MEAN_AT);
}

TRAIN_CODE static void count(uint8_t *counter, bool one_more) {
  store_u32le(counter, load_u32le(counter) + (one_more ? 1u : 0u));
}

TRAIN_CODE static void follow(uint8_t *mean, uint64_t norm) {
  const uint64_t before = load_u64le(mean);
  store_u64le(mean, before - (before >> MEAN_SHIFT) + (norm >> MEAN_SHIFT));
}

TRAIN_CODE static int step(const hil_workload_io_t *io, hil_progress_t *progress) {
  if (take_batch(io, progress)) {
    return HIL_ERR_STATE;
  }
  const uint64_t norm = change(io->state, io->scratch);
  const bool again = is_spike(io->state, norm);
  if (again) {
    forget(io->scratch);
  }
  if (progress_tick(progress)) {
    return HIL_ERR_STATE;
  }
  for (uint32_t k = 0; k < BATCH; k++) {
    if (again) {
      learn(io->scratch, io->state, k);
    }
    if (progress_tick(progress)) {
      return HIL_ERR_STATE;
    }
  }
  update(io->output, io->state, io->scratch);
  if (progress_tick(progress)) {
    return HIL_ERR_STATE;
  }
  const uint64_t applied = load_u64le(io->output + OUT_NORM);
  follow(io->state + MEAN_AT, applied);
  count(io->state + AGAIN_AT, again);
  count(io->state + OTHERWISE_AT, again && applied != norm);
  report(io->output, io->state, io->scratch);
  memcpy(io->output + OUT_COUNTERS, io->state + AGAIN_AT, 8);
  return progress_tick(progress) ? HIL_ERR_STATE : HIL_OK;
}

extern const hil_workload_t workload_train_recheck;
const hil_workload_t workload_train_recheck = {
    .name = "train+recheck",
    .state_len = STATE_LEN,
    .input_len = INPUT_LEN,
    .output_len = OUTPUT_LEN,
    .scratch_len = SCRATCH_LEN,
    .ticks = TICKS,
    .init = init,
    .input = train_input,
    .step = step,
    .text_begin = WORKLOAD_TEXT_BEGIN(train_recheck),
    .text_end = WORKLOAD_TEXT_END(train_recheck),
};
