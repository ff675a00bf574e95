/* Workload: SHA-256 hash chain (FIPS 180-4). SPDX-License-Identifier: Apache-2.0
 *
 * Each step applies ROUNDS times: chain <- SHA-256(chain || input || old), where |old| is the chain
 * as it stood LINKS steps ago; then the new chain replaces |old| in the table of links. The output is
 * the new chain. An upset in a link that is not yet due stays latent for up to LINKS steps.
 *
 * State: chain 32 | steps done u64 | LINKS links of 32. */
#include <string.h>

#include "bytes.h"
#include "philox.h"
#include "workload.h"

enum {
  HASH_LEN = 32,  /* [byte] */
  BLOCK_LEN = 64, /* [byte] */
  BLOCKS = 2,     /* of one message: 3 * HASH_LEN bytes and the padding */
  ROUNDS = 8,
  LINKS = 8, /* a power of two */

  STEPS_AT = HASH_LEN,
  LINKS_AT = STEPS_AT + 8,
  STATE_LEN = LINKS_AT + LINKS * HASH_LEN,

  MESSAGE_AT = 0, /* in scratch */
  HASH_AT = MESSAGE_AT + BLOCKS * BLOCK_LEN,
  SCHEDULE_AT = HASH_AT + HASH_LEN,
  SCRATCH_LEN = SCHEDULE_AT + 64 * 4,

  TICKS = ROUNDS * BLOCKS + 1 /* each compressed block, and the result */
};
#define STREAM UINT64_C(0x776c2e7368613235) /* "wl.sha25" */

static const uint32_t first_hash[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                       0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

static const uint32_t constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

WORKLOAD_TEXT_BOUNDS(sha256);

static void init(uint8_t *state, uint64_t seed) {
  const uint64_t key[2] = {seed, STREAM};
  memset(state, 0, STATE_LEN);
  for (uint32_t i = 0; i < 1 + LINKS; i++) {
    const uint64_t counter[4] = {i, 0, 0, 1};
    uint8_t *hash = i ? state + LINKS_AT + (i - 1) * HASH_LEN : state;
    uint64_t random[4];
    philox_block(counter, key, random);
    for (uint32_t w = 0; w < 4; w++) {
      store_u64le(hash + 8 * w, random[w]);
    }
  }
}

static void input(uint8_t *in, uint64_t seed, uint64_t frame) {
  const uint64_t key[2] = {seed, STREAM}, counter[4] = {frame, 0, 0, 0};
  uint64_t random[4];
  philox_block(counter, key, random);
  for (uint32_t w = 0; w < 4; w++) {
    store_u64le(in + 8 * w, random[w]);
  }
}

WORKLOAD_TEXT(sha256) static uint32_t load_u32be(const uint8_t *p) {
  return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | (uint32_t)p[3];
}

WORKLOAD_TEXT(sha256) static void store_u32be(uint8_t *p, uint32_t v) {
  p[0] = (uint8_t)(v >> 24);
  p[1] = (uint8_t)(v >> 16);
  p[2] = (uint8_t)(v >> 8);
  p[3] = (uint8_t)v;
}

WORKLOAD_TEXT(sha256) static uint32_t rotr(uint32_t x, unsigned by) { return x >> by | x << (32u - by); }

/* Message schedule W of |block| (section 6.2.2 step 1), written to |schedule|. */
WORKLOAD_TEXT(sha256)
static __attribute__((noinline)) void fill_schedule(uint8_t *schedule, const uint8_t *block) {
  uint32_t w[64];
  for (uint32_t t = 0; t < 16; t++) {
    w[t] = load_u32be(block + 4u * t);
  }
  for (uint32_t t = 16; t < 64; t++) {
    const uint32_t x = w[t - 15], y = w[t - 2];
    w[t] = (rotr(y, 17) ^ rotr(y, 19) ^ y >> 10) + w[t - 7] + (rotr(x, 7) ^ rotr(x, 18) ^ x >> 3) + w[t - 16];
  }
  memcpy(schedule, w, sizeof w);
}

/* Fold the block whose schedule is given into |hash| (section 6.2.2 steps 2-4). */
WORKLOAD_TEXT(sha256) static __attribute__((noinline)) void compress(uint8_t *hash, const uint8_t *schedule) {
  uint32_t h[8], w[64];
  memcpy(h, hash, sizeof h);
  memcpy(w, schedule, sizeof w);
  uint32_t a = h[0], b = h[1], c = h[2], d = h[3], e = h[4], f = h[5], g = h[6], k = h[7];
  for (uint32_t t = 0; t < 64; t++) {
    const uint32_t x =
        k + (rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25)) + ((e & f) ^ (~e & g)) + constants[t] + w[t];
    const uint32_t y = (rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
    k = g, g = f, f = e, e = d + x;
    d = c, c = b, b = a, a = x + y;
  }
  h[0] += a, h[1] += b, h[2] += c, h[3] += d;
  h[4] += e, h[5] += f, h[6] += g, h[7] += k;
  memcpy(hash, h, sizeof h);
}

WORKLOAD_TEXT(sha256) static int step(const hil_workload_io_t *io, hil_progress_t *progress) {
  uint8_t *message = io->scratch + MESSAGE_AT, *hash = io->scratch + HASH_AT;
  const uint64_t steps = load_u64le(io->state + STEPS_AT);
  uint8_t *old = io->state + LINKS_AT + (size_t)(steps % LINKS) * HASH_LEN;

  memcpy(message + 1 * HASH_LEN, io->input, HASH_LEN);
  memcpy(message + 2 * HASH_LEN, old, HASH_LEN);
  memset(message + 3 * HASH_LEN, 0, HASH_LEN);
  message[3 * HASH_LEN] = 0x80;
  store_u32be(message + BLOCKS * BLOCK_LEN - 4, 3 * HASH_LEN * 8);

  for (uint32_t round = 0; round < ROUNDS; round++) {
    memcpy(message, io->state, HASH_LEN);
    memcpy(hash, first_hash, sizeof first_hash);
    for (uint32_t block = 0; block < BLOCKS; block++) {
      fill_schedule(io->scratch + SCHEDULE_AT, message + (size_t)block * BLOCK_LEN);
      compress(hash, io->scratch + SCHEDULE_AT);
      if (progress_tick(progress)) {
        return HIL_ERR_STATE;
      }
    }
    uint32_t h[8];
    memcpy(h, hash, sizeof h);
    for (uint32_t i = 0; i < 8; i++) {
      store_u32be(io->state + 4u * i, h[i]);
    }
  }
  memcpy(old, io->state, HASH_LEN);
  store_u64le(io->state + STEPS_AT, steps + 1u);
  memcpy(io->output, io->state, HASH_LEN);
  return progress_tick(progress) ? HIL_ERR_STATE : HIL_OK;
}

extern const hil_workload_t workload_sha256;
const hil_workload_t workload_sha256 = {
    .name = "sha256",
    .state_len = STATE_LEN,
    .input_len = HASH_LEN,
    .output_len = HASH_LEN,
    .scratch_len = SCRATCH_LEN,
    .ticks = TICKS,
    .init = init,
    .input = input,
    .step = step,
    .text_begin = WORKLOAD_TEXT_BEGIN(sha256),
    .text_end = WORKLOAD_TEXT_END(sha256),
};
