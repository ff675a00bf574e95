/* Workload: CRC-32 of a telemetry buffer (IEEE 802.3). SPDX-License-Identifier: Apache-2.0
 *
 * A ring of SLOTS records. Each step puts the input into the oldest slot, and computes the CRC of the whole
 * ring, from its oldest record to the newest, and that of all records ever, each added to the one before.
 * Reflected polynomial 0xedb88320, begun and ended with all ones, four bits at a time: a table of 64 bytes.
 * The ring is read in every step, so that one wrong bit shows at once, until its record is replaced.
 *
 * State: steps done u64 | CRC of all records u32 | zero u32 | SLOTS records.
 * Output: CRC of the ring u32 | of all records u32 | steps done u64. */
#include <string.h>

#include "bytes.h"
#include "philox.h"
#include "workload.h"

enum {
  RECORD_LEN = 64, /* [byte] */
  SLOTS = 16,      /* a power of two */

  TOTAL_AT = 8,
  RING_AT = 16,
  STATE_LEN = RING_AT + SLOTS * RECORD_LEN,
  OUTPUT_LEN = 16,
  SCRATCH_LEN = 4, /* the CRC of the ring so far */

  TICKS = 2 + SLOTS + 1 /* begun, the record put in, each record read, the result */
};
#define STREAM UINT64_C(0x776c2e6372633332) /* "wl.crc32" */

static const uint32_t table[16] = {0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
                                   0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
                                   0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};

WORKLOAD_TEXT_BOUNDS(crc32);

static void init(uint8_t *state, uint64_t seed) {
  const uint64_t key[2] = {seed, STREAM};
  memset(state, 0, RING_AT);
  for (uint32_t i = 0; i < SLOTS * RECORD_LEN / 32; i++) {
    const uint64_t counter[4] = {i, 0, 0, 1};
    uint64_t random[4];
    philox_block(counter, key, random);
    for (uint32_t w = 0; w < 4; w++) {
      store_u64le(state + RING_AT + 32 * i + 8 * w, random[w]);
    }
  }
}

static void input(uint8_t *in, uint64_t seed, uint64_t frame) {
  const uint64_t key[2] = {seed, STREAM};
  for (uint32_t i = 0; i < RECORD_LEN / 32; i++) {
    const uint64_t counter[4] = {frame, i, 0, 0};
    uint64_t random[4];
    philox_block(counter, key, random);
    for (uint32_t w = 0; w < 4; w++) {
      store_u64le(in + 32 * i + 8 * w, random[w]);
    }
  }
}

/* The CRC of |crc|'s bytes and then of a record. */
WORKLOAD_TEXT(crc32) static __attribute__((noinline)) uint32_t add(uint32_t crc, const uint8_t *record) {
  crc = ~crc;
  for (uint32_t i = 0; i < RECORD_LEN; i++) {
    crc ^= record[i];
    crc = crc >> 4 ^ table[crc & 15u];
    crc = crc >> 4 ^ table[crc & 15u];
  }
  return ~crc;
}

WORKLOAD_TEXT(crc32) static int step(const hil_workload_io_t *io, hil_progress_t *progress) {
  const uint64_t steps = load_u64le(io->state);
  uint8_t *ring = io->state + RING_AT;
  store_u32le(io->scratch, 0);
  if (progress_tick(progress)) {
    return HIL_ERR_STATE;
  }
  memcpy(ring + (size_t)(steps % SLOTS) * RECORD_LEN, io->input, RECORD_LEN);
  if (progress_tick(progress)) {
    return HIL_ERR_STATE;
  }
  for (uint32_t i = 1; i <= SLOTS; i++) {
    const uint8_t *record = ring + (size_t)((steps + i) % SLOTS) * RECORD_LEN;
    store_u32le(io->scratch, add(load_u32le(io->scratch), record));
    if (progress_tick(progress)) {
      return HIL_ERR_STATE;
    }
  }
  const uint32_t total = add(load_u32le(io->state + TOTAL_AT), io->input);
  store_u64le(io->state, steps + 1u);
  store_u32le(io->state + TOTAL_AT, total);
  store_u32le(io->output, load_u32le(io->scratch));
  store_u32le(io->output + 4, total);
  store_u64le(io->output + 8, steps + 1u);
  return progress_tick(progress) ? HIL_ERR_STATE : HIL_OK;
}

extern const hil_workload_t workload_crc32;
const hil_workload_t workload_crc32 = {
    .name = "crc32",
    .state_len = STATE_LEN,
    .input_len = RECORD_LEN,
    .output_len = OUTPUT_LEN,
    .scratch_len = SCRATCH_LEN,
    .ticks = TICKS,
    .init = init,
    .input = input,
    .step = step,
    .text_begin = WORKLOAD_TEXT_BEGIN(crc32),
    .text_end = WORKLOAD_TEXT_END(crc32),
};
