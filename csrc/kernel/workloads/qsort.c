/* Workload: quicksort, in place. SPDX-License-Identifier: Apache-2.0
 *
 * Each step mixes the keys with the input, k[i] <- rotl(k[i], 11) * 0x9e3779b1 + input[i mod 16], and sorts
 * them again. Iterative, with its own stack of segments. Each segment that is taken from the stack fixes the
 * place of one key, its pivot, so that N keys are sorted by taking exactly N segments, whatever they are: the
 * number of ticks does not depend on the keys. Partition as Lomuto's, around the key in the middle. The
 * smaller part is sorted first, so that a fault-free stack never holds more than eight segments; one that an
 * upset has changed is checked when it is used: what lies outside of the keys is not a segment.
 *
 * State: N keys u32, sorted | steps done u64. Output: every fourth key.
 * Scratch: segments on the stack u32 | DEPTH segments, first u16 and length u16. */
#include <string.h>

#include "bytes.h"
#include "philox.h"
#include "workload.h"

enum {
  N = 256,
  INPUT_WORDS = 16,
  STEPS_AT = 4 * N,
  STATE_LEN = STEPS_AT + 8,
  INPUT_LEN = 4 * INPUT_WORDS,
  OUTPUT_LEN = N, /* a quarter of the keys */

  DEPTH = 16,
  STACK_AT = 4, /* in scratch */
  SCRATCH_LEN = STACK_AT + DEPTH * 4,

  PER_TICK = 8, /* segments */
  TICKS = 1 + N / PER_TICK + 1 /* mixed, segments taken, the result */
};
#define STREAM UINT64_C(0x776c2e71736f7274) /* "wl.qsort" */

WORKLOAD_TEXT_BOUNDS(qsort);

static void init(uint8_t *state, uint64_t seed) {
  const uint64_t key[2] = {seed, STREAM};
  memset(state, 0, STATE_LEN);
  for (uint32_t i = 0; i < 4 * N / 32; i++) {
    const uint64_t counter[4] = {i, 0, 0, 1};
    uint64_t random[4];
    philox_block(counter, key, random);
    for (uint32_t w = 0; w < 4; w++) {
      store_u64le(state + 32 * i + 8 * w, random[w]);
    }
  }
}

static void input(uint8_t *in, uint64_t seed, uint64_t frame) {
  const uint64_t key[2] = {seed, STREAM};
  for (uint32_t i = 0; i < INPUT_LEN / 32; i++) {
    const uint64_t counter[4] = {frame, i, 0, 0};
    uint64_t random[4];
    philox_block(counter, key, random);
    for (uint32_t w = 0; w < 4; w++) {
      store_u64le(in + 32 * i + 8 * w, random[w]);
    }
  }
}

WORKLOAD_TEXT(qsort) static void swap(uint8_t *a, uint8_t *b) {
  const uint32_t key = load_u32le(a);
  store_u32le(a, load_u32le(b));
  store_u32le(b, key);
}

/* Put the pivot of the segment in its place; return how many keys of the segment lie before it. */
WORKLOAD_TEXT(qsort)
static __attribute__((noinline)) uint32_t partition(uint8_t *keys, uint32_t first, uint32_t len) {
  uint8_t *low = keys + 4u * first, *last = low + 4u * (len - 1u);
  uint32_t before = 0;
  swap(low + 4u * (len / 2u), last);
  const uint32_t pivot = load_u32le(last);
  for (uint32_t i = 0; i + 1u < len; i++) {
    if (load_u32le(low + 4u * i) < pivot) {
      swap(low + 4u * i, low + 4u * before);
      before++;
    }
  }
  swap(low + 4u * before, last);
  return before;
}

WORKLOAD_TEXT(qsort) static void push(uint8_t *scratch, uint32_t first, uint32_t len) {
  const uint32_t depth = load_u32le(scratch);
  if (len && depth < DEPTH) {
    store_u16le(scratch + STACK_AT + 4u * depth, (uint16_t)first);
    store_u16le(scratch + STACK_AT + 4u * depth + 2u, (uint16_t)len);
    store_u32le(scratch, depth + 1u);
  }
}

/* Take the segment on top of the stack, and divide it; nothing if there is none. */
WORKLOAD_TEXT(qsort) static __attribute__((noinline)) void take(uint8_t *keys, uint8_t *scratch) {
  const uint32_t depth = load_u32le(scratch) - 1u;
  if (depth >= DEPTH) {
    return;
  }
  const uint32_t first = load_u16le(scratch + STACK_AT + 4u * depth);
  const uint32_t len = load_u16le(scratch + STACK_AT + 4u * depth + 2u);
  store_u32le(scratch, depth);
  if (len == 0 || first + len > N) {
    return;
  }
  const uint32_t before = partition(keys, first, len), after = len - 1u - before;
  if (before > after) {
    push(scratch, first, before);
    push(scratch, first + before + 1u, after);
  } else {
    push(scratch, first + before + 1u, after);
    push(scratch, first, before);
  }
}

WORKLOAD_TEXT(qsort) static int step(const hil_workload_io_t *io, hil_progress_t *progress) {
  for (uint32_t i = 0; i < N; i++) {
    const uint32_t key = load_u32le(io->state + 4u * i);
    const uint32_t mixed =
        (key << 11 | key >> 21) * 0x9e3779b1u + load_u32le(io->input + 4u * (i % INPUT_WORDS));
    store_u32le(io->state + 4u * i, mixed);
  }
  store_u32le(io->scratch, 0);
  push(io->scratch, 0, N);
  if (progress_tick(progress)) {
    return HIL_ERR_STATE;
  }
  for (uint32_t taken = 0; taken < N; taken += PER_TICK) {
    for (uint32_t i = 0; i < PER_TICK; i++) {
      take(io->state, io->scratch);
    }
    if (progress_tick(progress)) {
      return HIL_ERR_STATE;
    }
  }
  store_u64le(io->state + STEPS_AT, load_u64le(io->state + STEPS_AT) + 1u);
  for (uint32_t i = 0; i < N / 4; i++) {
    memcpy(io->output + 4u * i, io->state + 16u * i, 4);
  }
  return progress_tick(progress) ? HIL_ERR_STATE : HIL_OK;
}

extern const hil_workload_t workload_qsort;
const hil_workload_t workload_qsort = {
    .name = "qsort",
    .state_len = STATE_LEN,
    .input_len = INPUT_LEN,
    .output_len = OUTPUT_LEN,
    .scratch_len = SCRATCH_LEN,
    .ticks = TICKS,
    .init = init,
    .input = input,
    .step = step,
    .text_begin = WORKLOAD_TEXT_BEGIN(qsort),
    .text_end = WORKLOAD_TEXT_END(qsort),
};
