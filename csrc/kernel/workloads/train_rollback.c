/* Workload: train, with a checkpoint to which it goes back. SPDX-License-Identifier: Apache-2.0
 *
 * Every BATCHES steps (an epoch) the state is copied. If the loss of a mini-batch is far above its running mean, the
 * mini-batch is dropped and training goes on from the copy, if its digest still holds: what was learned since is
 * computed again, in the frames that follow. If the loss is as high again up to that step, it was not caused by an upset
 * since the copy, and is trained on: it never goes back twice for one reason.
 *
 * State: that of train | steps when it last went back u64, 0: never | digest of the copy u64 | running mean of the
 * loss u32, Q16 | times that it went back u32 | the copy. The counters of the output: times that it went back, and
 * 0. */
#include "workload.h"

#define TRAIN_CODE WORKLOAD_TEXT(train_rollback)
#include "train_step.h"

enum {
  WENT_BACK_AT = TRAIN_LEN,
  SEAL_AT = WENT_BACK_AT + 8,
  MEAN_AT = SEAL_AT + 8,
  TIMES_AT = MEAN_AT + 4,
  COPY_AT = TIMES_AT + 4,
  STATE_LEN = COPY_AT + TRAIN_LEN,
  WARM_UP = 32,
  SPIKE = 1 << 16, /* [nat, Q16] above the mean */
  MEAN_SHIFT = 3,
  TICKS = TRAIN_TICKS + 1 + 1 + 1 /* as train; update or not, copy, the result */
};

WORKLOAD_TEXT_BOUNDS(train_rollback);

/* The digest of the copy: FNV-1a over words of 64 bits. */
TRAIN_CODE static __attribute__((noinline)) uint64_t seal_of(const uint8_t *copy) {
  uint64_t digest = UINT64_C(0xcbf29ce484222325);
  for (uint32_t i = 0; i < TRAIN_LEN; i += 8) {
    digest = (digest ^ load_u64le(copy + i)) * UINT64_C(0x100000001b3);
  }
  return digest;
}

TRAIN_CODE static void keep(uint8_t *state) {
  memcpy(state + COPY_AT, state, TRAIN_LEN);
  store_u64le(state + SEAL_AT, seal_of(state + COPY_AT));
}

static void init(uint8_t *state, uint64_t seed) {
  train_init(state, seed);
  memset(state + TRAIN_LEN, 0, COPY_AT - TRAIN_LEN);
  keep(state);
}

/* Whether the loss is one of an upset, and there is a way back. */
TRAIN_CODE static bool goes_back(const uint8_t *state, uint32_t loss) {
  const uint64_t steps = load_u64le(state + STEPS_AT);
  const bool spike = steps >= WARM_UP && loss > (uint64_t)load_u32le(state + MEAN_AT) + SPIKE;
  const bool was_here = load_u64le(state + WENT_BACK_AT) - steps < BATCHES;
  return spike && !was_here && seal_of(state + COPY_AT) == load_u64le(state + SEAL_AT);
}

TRAIN_CODE static void go_back(uint8_t *state) {
  memcpy(state + WENT_BACK_AT, state + STEPS_AT, 8);
  memcpy(state, state + COPY_AT, TRAIN_LEN);
  store_u32le(state + TIMES_AT, load_u32le(state + TIMES_AT) + 1u);
}

TRAIN_CODE static int step(const hil_workload_io_t *io, hil_progress_t *progress) {
  if (take_batch(io, progress)) {
    return HIL_ERR_STATE;
  }
  const uint32_t loss = load_u32le(io->scratch + LOSS_AT) / BATCH, mean = load_u32le(io->state + MEAN_AT);
  const bool back = goes_back(io->state, loss);
  if (back) {
    go_back(io->state);
  } else {
    update(io->output, io->state, io->scratch);
    store_u32le(io->state + MEAN_AT, mean - (mean >> MEAN_SHIFT) + (loss >> MEAN_SHIFT));
  }
  if (progress_tick(progress)) {
    return HIL_ERR_STATE;
  }
  if (!back && load_u64le(io->state + STEPS_AT) % BATCHES == 0) {
    keep(io->state);
  }
  if (progress_tick(progress)) {
    return HIL_ERR_STATE;
  }
  report(io->output, io->state, io->scratch);
  memcpy(io->output + OUT_COUNTERS, io->state + TIMES_AT, 4);
  return progress_tick(progress) ? HIL_ERR_STATE : HIL_OK;
}

extern const hil_workload_t workload_train_rollback;
const hil_workload_t workload_train_rollback = {
    .name = "train+rollback",
    .state_len = STATE_LEN,
    .input_len = INPUT_LEN,
    .output_len = OUTPUT_LEN,
    .scratch_len = SCRATCH_LEN,
    .ticks = TICKS,
    .init = init,
    .input = train_input,
    .step = step,
    .text_begin = WORKLOAD_TEXT_BEGIN(train_rollback),
    .text_end = WORKLOAD_TEXT_END(train_rollback),
};
