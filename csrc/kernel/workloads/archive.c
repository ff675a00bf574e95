/* Workload: mass memory, 1 MiB of records in a ring. SPDX-License-Identifier: Apache-2.0
 *
 * State: one header of 256 bytes (steps done u64, four running sums u64, zeros), then SLOTS records
 * of 32 u64. Step number s derives a record from the input words i[0..7], the record before it in
 * the ring (p) and the record it replaces (r), chained along its words, from h = s:
 *   for w in 0..31:  h = (rotl(h, 23) ^ i[w mod 8]) * M1 + p[w];  new[w] = h ^ rotl(r[w], 41)
 * writes it to slot s mod SLOTS, and reads READS records in turn, slots s * READS + 0..READS-1
 * modulo SLOTS, so that every byte of the ring is read once in SLOTS / READS steps. Four lanes fold
 * them:
 *   lane[w mod 4] = (rotl(lane, 29) ^ word[w]) * M2, starting at the lane's number.
 * The output is the four lanes; each is also added to its running sum in the header. */
#include <string.h>

#include "bytes.h"
#include "philox.h"
#include "workload.h"

enum {
  RECORD_LEN = 256, /* [byte] */
  WORDS = RECORD_LEN / 8,
  SLOTS = 4095,
  READS = 8,
  LANES = 4,
  INPUT_WORDS = 8,
  STATE_LEN = (1 + SLOTS) * RECORD_LEN,

  SUMS_AT = 8, /* in the header */

  RECORD_AT = 0, /* in scratch */
  LANES_AT = RECORD_AT + RECORD_LEN,
  SCRATCH_LEN = LANES_AT + LANES * 8,

  TICKS = 2 + READS + 1 /* record derived, record written, each record read, the result */
};
#define STREAM UINT64_C(0x776c2e6172636869) /* "wl.archi" */
#define M1 UINT64_C(0x9e3779b97f4a7c15)
#define M2 UINT64_C(0xc2b2ae3d27d4eb4f)

WORKLOAD_TEXT_BOUNDS(archive);

static void init(uint8_t *state, uint64_t seed) {
  const uint64_t key[2] = {seed, STREAM};
  memset(state, 0, RECORD_LEN);
  for (uint32_t i = 0; i < SLOTS * RECORD_LEN / 32; i++) {
    const uint64_t counter[4] = {i, 0, 0, 1};
    uint64_t random[4];
    philox_block(counter, key, random);
    for (uint32_t w = 0; w < 4; w++) {
      store_u64le(state + RECORD_LEN + (size_t)i * 32 + 8 * w, random[w]);
    }
  }
}

static void input(uint8_t *in, uint64_t seed, uint64_t frame) {
  const uint64_t key[2] = {seed, STREAM};
  for (uint32_t i = 0; i < INPUT_WORDS / 4; i++) {
    const uint64_t counter[4] = {frame, i, 0, 0};
    uint64_t random[4];
    philox_block(counter, key, random);
    for (uint32_t w = 0; w < 4; w++) {
      store_u64le(in + 32 * i + 8 * w, random[w]);
    }
  }
}

WORKLOAD_TEXT(archive) static uint64_t rotl(uint64_t x, unsigned by) { return x << by | x >> (64u - by); }

/* The record in slot |index| modulo SLOTS. */
WORKLOAD_TEXT(archive) static uint8_t *slot(uint8_t *state, uint64_t index) {
  return state + (size_t)(1u + index % SLOTS) * RECORD_LEN;
}

WORKLOAD_TEXT(archive)
static __attribute__((noinline)) void derive(uint8_t *record, uint64_t steps, const uint8_t *in,
                                             const uint8_t *previous, const uint8_t *replaced) {
  uint64_t h = steps;
  for (uint32_t w = 0; w < WORDS; w++) {
    h = (rotl(h, 23) ^ load_u64le(in + 8u * (w % INPUT_WORDS))) * M1;
    h += load_u64le(previous + 8u * w);
    store_u64le(record + 8u * w, h ^ rotl(load_u64le(replaced + 8u * w), 41));
  }
}

WORKLOAD_TEXT(archive)
static __attribute__((noinline)) void read_back(uint8_t *lanes, const uint8_t *record) {
  uint64_t lane[LANES];
  for (uint32_t i = 0; i < LANES; i++) {
    lane[i] = load_u64le(lanes + 8u * i);
  }
  for (uint32_t w = 0; w < WORDS; w += LANES) {
    for (uint32_t i = 0; i < LANES; i++) {
      lane[i] = (rotl(lane[i], 29) ^ load_u64le(record + 8u * (w + i))) * M2;
    }
  }
  for (uint32_t i = 0; i < LANES; i++) {
    store_u64le(lanes + 8u * i, lane[i]);
  }
}

WORKLOAD_TEXT(archive) static int step(const hil_workload_io_t *io, hil_progress_t *progress) {
  uint8_t *record = io->scratch + RECORD_AT, *lanes = io->scratch + LANES_AT;
  const uint64_t steps = load_u64le(io->state);
  uint8_t *target = slot(io->state, steps);

  derive(record, steps, io->input, slot(io->state, steps % SLOTS + SLOTS - 1u), target);
  if (progress_tick(progress)) {
    return HIL_ERR_STATE;
  }
  memcpy(target, record, RECORD_LEN);
  for (uint32_t i = 0; i < LANES; i++) {
    store_u64le(lanes + 8u * i, i);
  }
  if (progress_tick(progress)) {
    return HIL_ERR_STATE;
  }
  for (uint32_t i = 0; i < READS; i++) {
    read_back(lanes, slot(io->state, steps % SLOTS * READS + i));
    if (progress_tick(progress)) {
      return HIL_ERR_STATE;
    }
  }
  for (uint32_t i = 0; i < LANES; i++) {
    uint8_t *sum = io->state + SUMS_AT + 8u * i;
    store_u64le(sum, load_u64le(sum) + load_u64le(lanes + 8u * i));
  }
  store_u64le(io->state, steps + 1u);
  memcpy(io->output, lanes, LANES * 8);
  return progress_tick(progress) ? HIL_ERR_STATE : HIL_OK;
}

extern const hil_workload_t workload_archive;
const hil_workload_t workload_archive = {
    .name = "archive",
    .state_len = STATE_LEN,
    .input_len = INPUT_WORDS * 8,
    .output_len = LANES * 8,
    .scratch_len = SCRATCH_LEN,
    .ticks = TICKS,
    .init = init,
    .input = input,
    .step = step,
    .text_begin = WORKLOAD_TEXT_BEGIN(archive),
    .text_end = WORKLOAD_TEXT_END(archive),
};
