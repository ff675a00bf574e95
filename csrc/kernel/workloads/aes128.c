/* Workload: AES-128 (FIPS 197) in CBC mode. SPDX-License-Identifier: Apache-2.0
 *
 * Each step expands the key in the state and encrypts the BLOCKS blocks of the input, chained: each block is
 * added to the ciphertext before it, the first to the last of the step before. The output is the ciphertext.
 *
 * Table-based in the S-box alone (256 bytes), a byte at a time: the large tables that fold the S-box into the
 * columns need 4 KiB, more than a small board should spend on it, and one upset in them would stand for
 * several steps of the algorithm. Without any table SubBytes is 16 inversions in GF(2^8) a round, 20 times
 * the work. That look-ups take another time for another key does not matter here.
 *
 * State: key 16 | last ciphertext block 16 | steps done u64.
 * Scratch: the block in work 16 | round keys 11 x 16. */
#include <string.h>

#include "bytes.h"
#include "philox.h"
#include "workload.h"

enum {
  BLOCK_LEN = 16, /* [byte] */
  BLOCKS = 8,
  ROUNDS = 10,

  CHAIN_AT = BLOCK_LEN,
  STEPS_AT = CHAIN_AT + BLOCK_LEN,
  STATE_LEN = STEPS_AT + 8,

  KEYS_AT = BLOCK_LEN, /* in scratch */
  KEYS_LEN = (ROUNDS + 1) * BLOCK_LEN,
  SCRATCH_LEN = KEYS_AT + KEYS_LEN,

  TICKS = 1 + BLOCKS + 1 /* key expanded, each block, the result */
};
#define STREAM UINT64_C(0x776c2e6165733132) /* "wl.aes12" */

static const uint8_t sbox[256] = {
    0x63, 0x7c, 0x77, 0x7b, 0xf2, 0x6b, 0x6f, 0xc5, 0x30, 0x01, 0x67, 0x2b, 0xfe, 0xd7, 0xab, 0x76,
    0xca, 0x82, 0xc9, 0x7d, 0xfa, 0x59, 0x47, 0xf0, 0xad, 0xd4, 0xa2, 0xaf, 0x9c, 0xa4, 0x72, 0xc0,
    0xb7, 0xfd, 0x93, 0x26, 0x36, 0x3f, 0xf7, 0xcc, 0x34, 0xa5, 0xe5, 0xf1, 0x71, 0xd8, 0x31, 0x15,
    0x04, 0xc7, 0x23, 0xc3, 0x18, 0x96, 0x05, 0x9a, 0x07, 0x12, 0x80, 0xe2, 0xeb, 0x27, 0xb2, 0x75,
    0x09, 0x83, 0x2c, 0x1a, 0x1b, 0x6e, 0x5a, 0xa0, 0x52, 0x3b, 0xd6, 0xb3, 0x29, 0xe3, 0x2f, 0x84,
    0x53, 0xd1, 0x00, 0xed, 0x20, 0xfc, 0xb1, 0x5b, 0x6a, 0xcb, 0xbe, 0x39, 0x4a, 0x4c, 0x58, 0xcf,
    0xd0, 0xef, 0xaa, 0xfb, 0x43, 0x4d, 0x33, 0x85, 0x45, 0xf9, 0x02, 0x7f, 0x50, 0x3c, 0x9f, 0xa8,
    0x51, 0xa3, 0x40, 0x8f, 0x92, 0x9d, 0x38, 0xf5, 0xbc, 0xb6, 0xda, 0x21, 0x10, 0xff, 0xf3, 0xd2,
    0xcd, 0x0c, 0x13, 0xec, 0x5f, 0x97, 0x44, 0x17, 0xc4, 0xa7, 0x7e, 0x3d, 0x64, 0x5d, 0x19, 0x73,
    0x60, 0x81, 0x4f, 0xdc, 0x22, 0x2a, 0x90, 0x88, 0x46, 0xee, 0xb8, 0x14, 0xde, 0x5e, 0x0b, 0xdb,
    0xe0, 0x32, 0x3a, 0x0a, 0x49, 0x06, 0x24, 0x5c, 0xc2, 0xd3, 0xac, 0x62, 0x91, 0x95, 0xe4, 0x79,
    0xe7, 0xc8, 0x37, 0x6d, 0x8d, 0xd5, 0x4e, 0xa9, 0x6c, 0x56, 0xf4, 0xea, 0x65, 0x7a, 0xae, 0x08,
    0xba, 0x78, 0x25, 0x2e, 0x1c, 0xa6, 0xb4, 0xc6, 0xe8, 0xdd, 0x74, 0x1f, 0x4b, 0xbd, 0x8b, 0x8a,
    0x70, 0x3e, 0xb5, 0x66, 0x48, 0x03, 0xf6, 0x0e, 0x61, 0x35, 0x57, 0xb9, 0x86, 0xc1, 0x1d, 0x9e,
    0xe1, 0xf8, 0x98, 0x11, 0x69, 0xd9, 0x8e, 0x94, 0x9b, 0x1e, 0x87, 0xe9, 0xce, 0x55, 0x28, 0xdf,
    0x8c, 0xa1, 0x89, 0x0d, 0xbf, 0xe6, 0x42, 0x68, 0x41, 0x99, 0x2d, 0x0f, 0xb0, 0x54, 0xbb, 0x16};

WORKLOAD_TEXT_BOUNDS(aes128);

static void init(uint8_t *state, uint64_t seed) {
  const uint64_t key[2] = {seed, STREAM}, counter[4] = {0, 0, 0, 1};
  uint64_t random[4];
  memset(state, 0, STATE_LEN);
  philox_block(counter, key, random);
  for (uint32_t w = 0; w < 4; w++) {
    store_u64le(state + 8 * w, random[w]);
  }
}

static void input(uint8_t *in, uint64_t seed, uint64_t frame) {
  const uint64_t key[2] = {seed, STREAM};
  for (uint32_t i = 0; i < BLOCKS * BLOCK_LEN / 32; i++) {
    const uint64_t counter[4] = {frame, i, 0, 0};
    uint64_t random[4];
    philox_block(counter, key, random);
    for (uint32_t w = 0; w < 4; w++) {
      store_u64le(in + 32 * i + 8 * w, random[w]);
    }
  }
}

/* Times x in GF(2^8) modulo x^8 + x^4 + x^3 + x + 1. */
WORKLOAD_TEXT(aes128) static uint8_t times_x(uint8_t b) {
  return (uint8_t)((unsigned)b << 1 ^ (unsigned)(b >> 7) * 0x1bu);
}

/* Key expansion (section 5.2). */
WORKLOAD_TEXT(aes128) static __attribute__((noinline)) void expand(uint8_t *keys, const uint8_t *key) {
  uint8_t constant = 1;
  memcpy(keys, key, BLOCK_LEN);
  for (uint32_t i = BLOCK_LEN; i < KEYS_LEN; i += 4) {
    uint8_t word[4];
    memcpy(word, keys + i - 4, 4);
    if (i % BLOCK_LEN == 0) {
      const uint8_t first = word[0];
      word[0] = (uint8_t)(sbox[word[1]] ^ constant);
      word[1] = sbox[word[2]];
      word[2] = sbox[word[3]];
      word[3] = sbox[first];
      constant = times_x(constant);
    }
    for (uint32_t k = 0; k < 4; k++) {
      keys[i + k] = (uint8_t)(keys[i + k - BLOCK_LEN] ^ word[k]);
    }
  }
}

/* SubBytes and ShiftRows (sections 5.1.1 and 5.1.2): byte r + 4 c of |to| is the substitute of row r, column
 * c + r of |from|. */
WORKLOAD_TEXT(aes128) static void substitute_and_shift(uint8_t *to, const uint8_t *from) {
  for (uint32_t i = 0; i < BLOCK_LEN; i++) {
    to[i] = sbox[from[(i + 4u * (i % 4u)) % BLOCK_LEN]];
  }
}

/* MixColumns (section 5.1.3). */
WORKLOAD_TEXT(aes128) static void mix_columns(uint8_t *b) {
  for (uint32_t c = 0; c < BLOCK_LEN; c += 4) {
    const uint8_t p = b[c], q = b[c + 1], r = b[c + 2], s = b[c + 3];
    const uint8_t all = (uint8_t)(p ^ q ^ r ^ s);
    b[c] = (uint8_t)(p ^ all ^ times_x((uint8_t)(p ^ q)));
    b[c + 1] = (uint8_t)(q ^ all ^ times_x((uint8_t)(q ^ r)));
    b[c + 2] = (uint8_t)(r ^ all ^ times_x((uint8_t)(r ^ s)));
    b[c + 3] = (uint8_t)(s ^ all ^ times_x((uint8_t)(s ^ p)));
  }
}

WORKLOAD_TEXT(aes128) static void add_key(uint8_t *b, const uint8_t *key) {
  for (uint32_t i = 0; i < BLOCK_LEN; i++) {
    b[i] = (uint8_t)(b[i] ^ key[i]);
  }
}

/* The cipher (section 5.1), in place. */
WORKLOAD_TEXT(aes128) static __attribute__((noinline)) void encrypt(uint8_t *block, const uint8_t *keys) {
  uint8_t work[BLOCK_LEN], next[BLOCK_LEN];
  memcpy(work, block, BLOCK_LEN);
  add_key(work, keys);
  for (uint32_t round = 1; round <= ROUNDS; round++) {
    substitute_and_shift(next, work);
    if (round < ROUNDS) {
      mix_columns(next);
    }
    add_key(next, keys + (size_t)round * BLOCK_LEN);
    memcpy(work, next, BLOCK_LEN);
  }
  memcpy(block, work, BLOCK_LEN);
}

WORKLOAD_TEXT(aes128) static int step(const hil_workload_io_t *io, hil_progress_t *progress) {
  uint8_t *block = io->scratch, *keys = io->scratch + KEYS_AT;
  expand(keys, io->state);
  memcpy(block, io->state + CHAIN_AT, BLOCK_LEN);
  if (progress_tick(progress)) {
    return HIL_ERR_STATE;
  }
  for (uint32_t i = 0; i < BLOCKS; i++) {
    add_key(block, io->input + (size_t)i * BLOCK_LEN);
    encrypt(block, keys);
    memcpy(io->output + (size_t)i * BLOCK_LEN, block, BLOCK_LEN);
    if (progress_tick(progress)) {
      return HIL_ERR_STATE;
    }
  }
  memcpy(io->state + CHAIN_AT, block, BLOCK_LEN);
  store_u64le(io->state + STEPS_AT, load_u64le(io->state + STEPS_AT) + 1u);
  return progress_tick(progress) ? HIL_ERR_STATE : HIL_OK;
}

extern const hil_workload_t workload_aes128;
const hil_workload_t workload_aes128 = {
    .name = "aes128",
    .state_len = STATE_LEN,
    .input_len = BLOCKS * BLOCK_LEN,
    .output_len = BLOCKS * BLOCK_LEN,
    .scratch_len = SCRATCH_LEN,
    .ticks = TICKS,
    .init = init,
    .input = input,
    .step = step,
    .text_begin = WORKLOAD_TEXT_BEGIN(aes128),
    .text_end = WORKLOAD_TEXT_END(aes128),
};
