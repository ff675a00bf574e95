/* Workload matmul+abft: the matrix product of matmul.c with checksums. SPDX-License-Identifier: Apache-2.0
 *
 * Algorithm-based fault tolerance (Huang and Abraham, 1984). Sums are modulo 2^32, as the product is, so they are
 * exact: there is no threshold, and no false alarm.
 *   A   has the sum of each row and of each column in state. A row is checked when it is read; the column whose
 *       sum is wrong by as much as that of the row shows the element, which is then corrected.
 *   B   is expanded with the sum b of each row.
 *   C   row i must add up to A[i] * b. Checked when it is computed and again when it is used; where it does not,
 *       B is expanded again from the input and the row computed again from a row of A that is right.
 * While A is replaced row by row, |rest| has the sums of the columns of the rows that are still the old ones.
 *
 * State: A | sums of its rows | sums of its columns. Input, output, A: as matmul.
 * Scratch: B | C | b | A * b | number of repairs in this step (nobody votes on it). */
#include <stdbool.h>
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
  TICKS = N + 2, /* B expanded, each row of C, A folded */

  ROW_SUMS_AT = MATRIX_LEN,
  COLUMN_SUMS_AT = ROW_SUMS_AT + ROW_LEN,
  STATE_LEN = COLUMN_SUMS_AT + ROW_LEN,

  C_AT = MATRIX_LEN, /* in scratch; B is at its beginning */
  B_SUMS_AT = 2 * MATRIX_LEN,
  EXPECTED_AT = B_SUMS_AT + ROW_LEN,
  REPAIRS_AT = EXPECTED_AT + ROW_LEN,
  SCRATCH_LEN = REPAIRS_AT + 4
};
#define STREAM UINT64_C(0x776c2e6d61746d75) /* that of matmul: "wl.matmu" */

WORKLOAD_TEXT_BOUNDS(matmul_abft);

/* The matrix, then the sums of its rows and columns. */
static void init(uint8_t *state, uint64_t seed) {
  const uint64_t key[2] = {seed, STREAM};
  for (uint32_t i = 0; i < MATRIX_LEN / 32; i++) {
    const uint64_t counter[4] = {i, 0, 0, 1};
    uint64_t random[4];
    philox_block(counter, key, random);
    for (uint32_t w = 0; w < 4; w++) store_u64le(state + 32 * i + 8 * w, random[w]);
  }
  memset(state + ROW_SUMS_AT, 0, 2 * ROW_LEN);
  for (uint32_t n = 0; n < N * N; n++) {
    uint8_t *row = state + ROW_SUMS_AT + 4u * (n / N), *column = state + COLUMN_SUMS_AT + 4u * (n % N);
    store_u32le(row, load_u32le(row) + load_u32le(state + 4u * n));
    store_u32le(column, load_u32le(column) + load_u32le(state + 4u * n));
  }
}

static void input(uint8_t *in, uint64_t seed, uint64_t frame) {
  const uint64_t key[2] = {seed, STREAM};
  for (uint32_t i = 0; i < SEED_WORDS / 8; i++) {
    const uint64_t counter[4] = {frame, i, 0, 0};
    uint64_t random[4];
    philox_block(counter, key, random);
    for (uint32_t w = 0; w < 4; w++) store_u64le(in + 32 * i + 8 * w, random[w]);
  }
}

/* One step. |rest|: sums of the columns of A, of the rows that are still those of the last step; |folded|: the
 * first of these. */
typedef struct {
  uint8_t *a, *b, *c, *row_sums, *b_sums, *expected;
  const uint8_t *input;
  uint32_t repairs, folded;
  uint32_t rest[N];
} hil_abft_t;

WORKLOAD_TEXT(matmul_abft) static uint32_t rotl(uint32_t x, unsigned by) { return x << by | x >> (32u - by); }

WORKLOAD_TEXT(matmul_abft) static uint32_t sum_of(const uint32_t *row) {
  uint32_t sum = 0;
  for (uint32_t j = 0; j < N; j++) sum += row[j];
  return sum;
}

WORKLOAD_TEXT(matmul_abft) static void load_row(uint32_t *row, const uint8_t *p) {
  for (uint32_t j = 0; j < N; j++) row[j] = load_u32le(p + 4u * j);
}

WORKLOAD_TEXT(matmul_abft) static __attribute__((noinline)) void expand(hil_abft_t *s) {
  uint32_t row[N];
  for (uint32_t i = 0; i < N; i++) {
    for (uint32_t j = 0; j < N; j++) {
      const uint32_t n = i * N + j;
      const uint32_t x = load_u32le(s->input + 4u * (n % SEED_WORDS)) * (2u * n + 1u) + n * 0x9e3779b9u;
      row[j] = x ^ x >> 15;
    }
    memcpy(s->b + (size_t)i * ROW_LEN, row, ROW_LEN);
    store_u32le(s->b_sums + 4u * i, sum_of(row));
  }
}

/* Put right the element of row |i| of A whose column is wrong by |difference|, as the row is. If none is, it was
 * the row's sum that was hit. */
WORKLOAD_TEXT(matmul_abft)
static __attribute__((noinline)) void correct(hil_abft_t *s, uint32_t i, uint32_t difference) {
  s->repairs++;
  for (uint32_t k = 0; k < N; k++) {
    uint32_t sum = 0;
    for (uint32_t r = s->folded; r < N; r++) sum += load_u32le(s->a + (size_t)r * ROW_LEN + 4u * k);
    if (s->rest[k] - sum == difference) {
      uint8_t *element = s->a + (size_t)i * ROW_LEN + 4u * k;
      store_u32le(element, load_u32le(element) + difference);
      return;
    }
  }
  store_u32le(s->row_sums + 4u * i, load_u32le(s->row_sums + 4u * i) - difference);
}

/* Row |i| of A, put right if it is wrong. */
WORKLOAD_TEXT(matmul_abft)
static __attribute__((noinline)) void read_a(hil_abft_t *s, uint32_t i, uint32_t *row) {
  const uint8_t *p = s->a + (size_t)i * ROW_LEN;
  load_row(row, p);
  const uint32_t difference = load_u32le(s->row_sums + 4u * i) - sum_of(row);
  if (difference) {
    correct(s, i, difference);
    load_row(row, p);
  }
}

/* Row |i| of C from a row of A, and what it must add up to. Returns whether it does. */
WORKLOAD_TEXT(matmul_abft)
static __attribute__((noinline)) bool multiply_row(hil_abft_t *s, uint32_t i, const uint32_t *a_row) {
  uint32_t sums[N] = {0}, row[N], expected = 0;
  for (uint32_t k = 0; k < N; k++) {
    const uint32_t a = a_row[k];
    memcpy(row, s->b + (size_t)k * ROW_LEN, ROW_LEN);
    for (uint32_t j = 0; j < N; j++) sums[j] += a * row[j];
    expected += a * load_u32le(s->b_sums + 4u * k);
  }
  memcpy(s->c + (size_t)i * ROW_LEN, sums, ROW_LEN);
  store_u32le(s->expected + 4u * i, expected);
  return sum_of(sums) == expected;
}

/* Compute row |i| of C; once more, with B from the input, if it does not add up. */
WORKLOAD_TEXT(matmul_abft) static void compute_row(hil_abft_t *s, uint32_t i) {
  uint32_t a_row[N];
  read_a(s, i, a_row);
  if (!multiply_row(s, i, a_row)) {
    s->repairs++;
    expand(s);
    (void)multiply_row(s, i, a_row);
  }
}

/* Row |i| of C as it is used, computed again if it does not add up any more; and the row of A that it is of. */
WORKLOAD_TEXT(matmul_abft)
static __attribute__((noinline)) uint32_t read_c(hil_abft_t *s, uint32_t i, uint32_t *c_row,
                                                 uint32_t *a_row) {
  read_a(s, i, a_row);
  memcpy(c_row, s->c + (size_t)i * ROW_LEN, ROW_LEN);
  uint32_t total = sum_of(c_row);
  if (total != load_u32le(s->expected + 4u * i)) {
    s->repairs++;
    expand(s);
    (void)multiply_row(s, i, a_row);
    memcpy(c_row, s->c + (size_t)i * ROW_LEN, ROW_LEN);
    total = sum_of(c_row);
  }
  return total;
}

/* A[i] <- rotl(A[i], 7) ^ C[i] with new sums, and the row's part of the output. */
WORKLOAD_TEXT(matmul_abft)
static __attribute__((noinline)) void fold_row(hil_abft_t *s, uint32_t i, uint32_t *columns,
                                               uint32_t *words) {
  uint32_t c_row[N], a_row[N];
  const uint32_t total = read_c(s, i, c_row, a_row);
  uint32_t sum = 0;
  for (uint32_t j = 0; j < N; j++) {
    const uint32_t folded = rotl(a_row[j], 7) ^ c_row[j];
    store_u32le(s->a + (size_t)i * ROW_LEN + 4u * j, folded);
    s->rest[j] -= a_row[j];
    columns[j] += folded;
    sum += folded;
  }
  s->folded = i + 1u;
  store_u32le(s->row_sums + 4u * i, sum);
  words[i % OUTPUT_WORDS] = rotl(words[i % OUTPUT_WORDS], 11) + total;
}

WORKLOAD_TEXT(matmul_abft) static int step(const hil_workload_io_t *io, hil_progress_t *progress) {
  hil_abft_t s = {.a = io->state,
                  .b = io->scratch,
                  .c = io->scratch + C_AT,
                  .row_sums = io->state + ROW_SUMS_AT,
                  .b_sums = io->scratch + B_SUMS_AT,
                  .expected = io->scratch + EXPECTED_AT,
                  .input = io->input};
  uint32_t columns[N] = {0}, words[OUTPUT_WORDS] = {0};
  load_row(s.rest, io->state + COLUMN_SUMS_AT);
  expand(&s);
  if (progress_tick(progress)) return HIL_ERR_STATE;
  for (uint32_t i = 0; i < N; i++) {
    compute_row(&s, i);
    if (progress_tick(progress)) return HIL_ERR_STATE;
  }
  for (uint32_t i = 0; i < N; i++) fold_row(&s, i, columns, words);
  for (uint32_t j = 0; j < N; j++) store_u32le(io->state + COLUMN_SUMS_AT + 4u * j, columns[j]);
  for (uint32_t w = 0; w < OUTPUT_WORDS; w++) store_u32le(io->output + 4u * w, words[w]);
  store_u32le(io->scratch + REPAIRS_AT, s.repairs);
  return progress_tick(progress) ? HIL_ERR_STATE : HIL_OK;
}

extern const hil_workload_t workload_matmul_abft;
const hil_workload_t workload_matmul_abft = {
    .name = "matmul+abft",
    .state_len = STATE_LEN,
    .input_len = 4 * SEED_WORDS,
    .output_len = 4 * OUTPUT_WORDS,
    .scratch_len = SCRATCH_LEN,
    .ticks = TICKS,
    .init = init,
    .input = input,
    .step = step,
    .text_begin = WORKLOAD_TEXT_BEGIN(matmul_abft),
    .text_end = WORKLOAD_TEXT_END(matmul_abft),
};
