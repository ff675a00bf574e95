/* Workload: wrapping 32-bit matrix product. SPDX-License-Identifier: Apache-2.0
 *
 * C = A * B modulo 2^32, then A[i][j] <- rotl(A[i][j], 7) ^ C[i][j].
 * A (N x N, row by row, little-endian words) is the whole state. B is expanded from 16 input words
 * s:  x = s[n mod 16] * (2 n + 1) + n * 0x9e3779b9, B[n] = x ^ x >> 15, for n = row * N + column.
 * Output: 16 words that start at zero; word i mod 16 <- rotl(word, 11) + sum of row i of C.
 * B and C live in scratch, as words of the machine; rows are copied to locals to compute on. */
#include <string.h>

#include "bytes.h"
#include "philox.h"
#include "workload.h"

enum {
  N = 48,
  ROW_LEN = 4 * N,          /* [byte] */
  MATRIX_LEN = N * ROW_LEN, /* [byte] */
  SEED_WORDS = 16,
  OUTPUT_WORDS = 16,
  TICKS = N + 2 /* B expanded, each row of C, A folded */
};
#define STREAM UINT64_C(0x776c2e6d61746d75) /* "wl.matmu" */

WORKLOAD_TEXT_BOUNDS(matmul);

static void init(uint8_t *state, uint64_t seed) {
  const uint64_t key[2] = {seed, STREAM};
  for (uint32_t i = 0; i < MATRIX_LEN / 32; i++) {
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
  for (uint32_t i = 0; i < SEED_WORDS / 8; i++) {
    const uint64_t counter[4] = {frame, i, 0, 0};
    uint64_t random[4];
    philox_block(counter, key, random);
    for (uint32_t w = 0; w < 4; w++) {
      store_u64le(in + 32 * i + 8 * w, random[w]);
    }
  }
}

WORKLOAD_TEXT(matmul) static uint32_t rotl(uint32_t x, unsigned by) { return x << by | x >> (32u - by); }

WORKLOAD_TEXT(matmul) static __attribute__((noinline)) void expand(uint8_t *b, const uint8_t *in) {
  uint32_t row[N];
  for (uint32_t i = 0; i < N; i++) {
    for (uint32_t j = 0; j < N; j++) {
      const uint32_t n = i * N + j;
      const uint32_t x = load_u32le(in + 4u * (n % SEED_WORDS)) * (2u * n + 1u) + n * 0x9e3779b9u;
      row[j] = x ^ x >> 15;
    }
    memcpy(b + (size_t)i * ROW_LEN, row, ROW_LEN);
  }
}

/* One row of C, from one row of A; returns the row's sum. */
WORKLOAD_TEXT(matmul)
static __attribute__((noinline)) uint32_t multiply_row(uint8_t *c_row, const uint8_t *a_row,
                                                       const uint8_t *b) {
  uint32_t sums[N] = {0}, row[N], total = 0;
  for (uint32_t k = 0; k < N; k++) {
    const uint32_t a = load_u32le(a_row + 4u * k);
    memcpy(row, b + (size_t)k * ROW_LEN, ROW_LEN);
    for (uint32_t j = 0; j < N; j++) {
      sums[j] += a * row[j];
    }
  }
  for (uint32_t j = 0; j < N; j++) {
    total += sums[j];
  }
  memcpy(c_row, sums, ROW_LEN);
  return total;
}

WORKLOAD_TEXT(matmul) static __attribute__((noinline)) void fold(uint8_t *a, const uint8_t *c) {
  uint32_t row[N];
  for (uint32_t i = 0; i < N; i++) {
    memcpy(row, c + (size_t)i * ROW_LEN, ROW_LEN);
    for (uint32_t j = 0; j < N; j++) {
      uint8_t *cell = a + (size_t)i * ROW_LEN + 4u * j;
      store_u32le(cell, rotl(load_u32le(cell), 7) ^ row[j]);
    }
  }
}

WORKLOAD_TEXT(matmul) static int step(const hil_workload_io_t *io, hil_progress_t *progress) {
  uint8_t *b = io->scratch, *c = io->scratch + MATRIX_LEN;
  expand(b, io->input);
  memset(io->output, 0, 4 * OUTPUT_WORDS);
  if (progress_tick(progress)) {
    return HIL_ERR_STATE;
  }
  for (uint32_t i = 0; i < N; i++) {
    const size_t row = (size_t)i * ROW_LEN;
    const uint32_t sum = multiply_row(c + row, io->state + row, b);
    uint8_t *word = io->output + 4u * (i % OUTPUT_WORDS);
    store_u32le(word, rotl(load_u32le(word), 11) + sum);
    if (progress_tick(progress)) {
      return HIL_ERR_STATE;
    }
  }
  fold(io->state, c);
  return progress_tick(progress) ? HIL_ERR_STATE : HIL_OK;
}

extern const hil_workload_t workload_matmul;
const hil_workload_t workload_matmul = {
    .name = "matmul",
    .state_len = MATRIX_LEN,
    .input_len = 4 * SEED_WORDS,
    .output_len = 4 * OUTPUT_WORDS,
    .scratch_len = 2 * MATRIX_LEN,
    .ticks = TICKS,
    .init = init,
    .input = input,
    .step = step,
    .text_begin = WORKLOAD_TEXT_BEGIN(matmul),
    .text_end = WORKLOAD_TEXT_END(matmul),
};
