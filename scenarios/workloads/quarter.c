/* A workload whose vulnerability is known: a quarter of the bits of its state matter. SPDX-License-Identifier: Apache-2.0
 *
 * To check a campaign with: each step reads every byte of the state once, passes bits 0 and 4 of it on to the
 * output, and replaces it by a byte of the input. Of the faults that the step reads, exactly 2 in 8 are wrong
 * outputs, and 6 are masked.
 *
 * State: 64 bytes. Input: 64 bytes. Output: state & 0x11, added to the input. */
#include <string.h>

#include "bytes.h"
#include "philox.h"
#include "workload.h"

enum { LEN = 64, MATTERS = 0x11, TICKS = 2 /* passed on, the result */ };
#define STREAM UINT64_C(0x6f776e2e71756172) /* "own.quar" */

WORKLOAD_TEXT_BOUNDS(quarter);

static void draw(uint8_t *out, uint64_t seed, uint64_t frame, uint64_t which) {
  const uint64_t key[2] = {seed, STREAM};
  for (uint32_t i = 0; i < LEN / 32; i++) {
    const uint64_t counter[4] = {frame, i, 0, which};
    uint64_t random[4];
    philox_block(counter, key, random);
    for (uint32_t w = 0; w < 4; w++) {
      store_u64le(out + 32 * i + 8 * w, random[w]);
    }
  }
}

static void init(uint8_t *state, uint64_t seed) { draw(state, seed, 0, 1); }

static void input(uint8_t *in, uint64_t seed, uint64_t frame) { draw(in, seed, frame, 0); }

WORKLOAD_TEXT(quarter) static int step(const hil_workload_io_t *io, hil_progress_t *progress) {
  for (uint32_t i = 0; i < LEN; i++) {
    io->output[i] = (uint8_t)((io->state[i] & MATTERS) ^ io->input[i]);
  }
  if (progress_tick(progress)) {
    return HIL_ERR_STATE;
  }
  memcpy(io->state, io->input, LEN);
  return progress_tick(progress) ? HIL_ERR_STATE : HIL_OK;
}

extern const hil_workload_t workload_quarter;
const hil_workload_t workload_quarter = {
    .name = "quarter",
    .state_len = LEN,
    .input_len = LEN,
    .output_len = LEN,
    .scratch_len = 0,
    .ticks = TICKS,
    .init = init,
    .input = input,
    .step = step,
    .text_begin = WORKLOAD_TEXT_BEGIN(quarter),
    .text_end = WORKLOAD_TEXT_END(quarter),
};
