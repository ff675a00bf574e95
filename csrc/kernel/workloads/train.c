/* Workload: training of a digit classifier, a mini-batch a step. SPDX-License-Identifier: Apache-2.0
 *
 * train_step.h has the network, the numbers and the layout of state and output. Nothing is checked here: what an
 * upset changes, the steps after it train on. */
#include "workload.h"

#define TRAIN_CODE WORKLOAD_TEXT(train)
#include "train_step.h"

enum { TICKS = TRAIN_TICKS + 1 + 1 /* update, the result */ };

WORKLOAD_TEXT_BOUNDS(train);

WORKLOAD_TEXT(train) static int step(const hil_workload_io_t *io, hil_progress_t *progress) {
  if (take_batch(io, progress)) {
    return HIL_ERR_STATE;
  }
  update(io->output, io->state, io->scratch);
  if (progress_tick(progress)) {
    return HIL_ERR_STATE;
  }
  report(io->output, io->state, io->scratch);
  return progress_tick(progress) ? HIL_ERR_STATE : HIL_OK;
}

extern const hil_workload_t workload_train;
const hil_workload_t workload_train = {
    .name = "train",
    .state_len = TRAIN_LEN,
    .input_len = INPUT_LEN,
    .output_len = OUTPUT_LEN,
    .scratch_len = SCRATCH_LEN,
    .ticks = TICKS,
    .init = train_init,
    .input = train_input,
    .step = step,
    .text_begin = WORKLOAD_TEXT_BEGIN(train),
    .text_end = WORKLOAD_TEXT_END(train),
};
