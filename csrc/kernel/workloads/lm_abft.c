/* Workload lm+abft: the language model of lm.c, its matrix-vector products with checksums.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Algorithm-based fault tolerance (Huang and Abraham, 1984). All is integers, so that sums are exact: there is no
 * threshold, and no false alarm.
 *   Products    W x must add up to (sums of the columns of W) x, as its other form x W to x (sums of the rows of W).
 *               That holds for the weights, for q k and for p v of each head. Checked when it is computed. Where it
 *               does not hold, W is put right, and the product computed again.
 *   Matrices    have the sum of each row and of each column in state: what is wrong by as much in both is the
 *               element. Those of the cache follow it. What is read alone, not by a product (a multiplier, the biases
 *               of a head, the embedding of the last character, places), has its row checked when it is read.
 *   Vectors     between the phases of a step have their sum in scratch, and are checked as they are loaded. Where one
 *               is wrong, the step is computed again up to there.
 * Sums of matrices are modulo 2^16, of products and vectors modulo 2^32: every change of one byte, or of one number,
 * changes them. Not protected: what the processor does between products, such as norms and soft-max.
 *
 * Input and output: as lm. State: that of lm | of each matrix the sums of its rows, then of its columns, u16.
 * Scratch: that of lm | sums of the vectors | number of repairs in this step (nobody votes on it). */
#include "workload.h"

#define LM_CODE WORKLOAD_TEXT(lm_abft)
#include "lm_step.h"

enum {
  MOST = HIDDEN, /* rows or columns of a matrix */
  ATTEMPTS = 2,  /* at a product */

  /* Vectors */
  PLACE_VECTOR = 0,
  H_VECTOR,
  Q_VECTOR,
  MIX_VECTOR,
  HIDDEN_VECTOR,
  SCORES_VECTOR,
  VECTORS,

  VECTOR_SUMS_AT = LM_SCRATCH_LEN,
  REPAIRS_AT = VECTOR_SUMS_AT + 4 * VECTORS,
  SCRATCH_LEN = REPAIRS_AT + 4
};

/* [byte] of the sums of a matrix */
#define SUMS_LEN(rows, columns) (2 * ((rows) + (columns)))

enum {
  COUNTERS_SUMS_AT = LM_LEN, /* steps, place, last character */
  MULTIPLIER_SUMS_AT = COUNTERS_SUMS_AT + SUMS_LEN(4, 4),
  EMBED_SUMS_AT = MULTIPLIER_SUMS_AT + SUMS_LEN(MULTIPLIERS, 4),
  QKV_SUMS_AT = EMBED_SUMS_AT + SUMS_LEN(LM_CHARACTERS, WIDTH), /* for each layer, and so on */
  OUT_SUMS_AT = QKV_SUMS_AT + LAYERS * SUMS_LEN(WIDTH, 3 * WIDTH),
  UP_SUMS_AT = OUT_SUMS_AT + LAYERS * SUMS_LEN(WIDTH, WIDTH),
  DOWN_SUMS_AT = UP_SUMS_AT + LAYERS * SUMS_LEN(WIDTH, HIDDEN),
  BIAS_SUMS_AT = DOWN_SUMS_AT + LAYERS * SUMS_LEN(HIDDEN, WIDTH),
  CACHE_SUMS_AT = BIAS_SUMS_AT + LAYERS * SUMS_LEN(HEADS, WINDOW), /* for each layer, k and v, head */
  HEAD_SUMS_LEN = SUMS_LEN(WINDOW, HEAD),
  STATE_LEN = CACHE_SUMS_AT + LAYERS * 2 * HEADS * HEAD_SUMS_LEN
};

WORKLOAD_TEXT_BOUNDS(lm_abft);

/* A matrix of bytes in state. */
typedef struct {
  uint8_t *cells, *row_sums, *column_sums;
  uint32_t rows, columns, stride;
} hil_matrix_t;

/* One step. |damaged|: a vector was not as it had been stored. |written|: layers whose slot of the cache already has
 * this character. */
typedef struct {
  const hil_workload_io_t *io;
  uint32_t repairs, written;
  bool damaged;
} hil_lm_abft_t;

/* ---- Matrices ---- */

LM_CODE
static inline hil_matrix_t matrix(uint8_t *state, uint32_t at, uint32_t sums_at, uint32_t rows,
                                  uint32_t columns) {
  return (hil_matrix_t){state + at, state + sums_at, state + sums_at + 2u * rows, rows, columns, columns};
}

LM_CODE static inline hil_matrix_t counters(uint8_t *state) {
  return matrix(state, STEPS_AT, COUNTERS_SUMS_AT, 4, 4);
}

LM_CODE static inline hil_matrix_t multipliers(uint8_t *state) {
  return matrix(state, MULTIPLIERS_AT, MULTIPLIER_SUMS_AT, MULTIPLIERS, 4);
}

LM_CODE static inline hil_matrix_t embedding(uint8_t *state) {
  return matrix(state, EMBED_AT, EMBED_SUMS_AT, LM_CHARACTERS, WIDTH);
}

/* That of |layer|; the first is at |at|. */
LM_CODE
static inline hil_matrix_t in_layer(uint8_t *state, uint32_t layer, uint32_t at, uint32_t sums_at,
                                    uint32_t rows, uint32_t columns) {
  return matrix(state, at + layer * rows * columns, sums_at + layer * SUMS_LEN(rows, columns), rows, columns);
}

LM_CODE static inline hil_matrix_t biases(uint8_t *state, uint32_t layer) {
  return in_layer(state, layer, BIAS_AT, BIAS_SUMS_AT, HEADS, WINDOW);
}

/* k (which = 0) or v (1) of a head: as many rows as there are characters in sight. */
LM_CODE
static inline hil_matrix_t cache(uint8_t *state, uint32_t layer, uint32_t which, uint32_t head,
                                 uint32_t rows) {
  const uint32_t part = 2 * layer + which;
  uint8_t *sums = state + CACHE_SUMS_AT + (part * HEADS + head) * HEAD_SUMS_LEN;
  return (hil_matrix_t){
      state + CACHE_AT + part * CACHE_LEN + head * HEAD, sums, sums + 2 * WINDOW, rows, HEAD, WIDTH};
}

LM_CODE static inline uint16_t sum_of(const uint8_t *cells, uint32_t count) {
  int32_t sum = 0;
  for (uint32_t i = 0; i < count; i++) sum += (int8_t)cells[i];
  return (uint16_t)sum;
}

LM_CODE static inline uint16_t row_sum(const hil_matrix_t *m, uint32_t row) {
  return sum_of(m->cells + row * m->stride, m->columns);
}

LM_CODE static inline uint16_t column_sum(const hil_matrix_t *m, uint32_t column) {
  int32_t sum = 0;
  for (uint32_t r = 0; r < m->rows; r++) sum += (int8_t)m->cells[r * m->stride + column];
  return (uint16_t)sum;
}

LM_CODE static __attribute__((noinline)) void add_up(const hil_matrix_t *m) {
  for (uint32_t r = 0; r < m->rows; r++) store_u16le(m->row_sums + 2u * r, row_sum(m, r));
  for (uint32_t c = 0; c < m->columns; c++) store_u16le(m->column_sums + 2u * c, column_sum(m, c));
}

/* Put the elements of a row or column right, which are wrong by |differences|, and together by |whole|. If sums have
 * been hit as well, only the element that explains both. */
LM_CODE
static inline void correct(uint8_t *cells, uint32_t stride, uint32_t count, const uint16_t *differences,
                           uint16_t whole) {
  uint16_t sum = 0;
  for (uint32_t i = 0; i < count; i++) sum = (uint16_t)(sum + differences[i]);
  for (uint32_t i = 0; i < count; i++) {
    if (sum == whole || differences[i] == whole) {
      cells[i * stride] = (uint8_t)(cells[i * stride] + differences[i]);
    }
  }
}

/* Put a matrix right: the elements of one row or one column. If only sums are wrong, they are computed again. What is wrong
 * in several rows and columns stays so. */
LM_CODE static __attribute__((noinline)) void repair(hil_lm_abft_t *s, const hil_matrix_t *m) {
  uint16_t rows[MOST], columns[MOST];
  uint32_t bad_rows = 0, bad_columns = 0, row = 0, column = 0;
  for (uint32_t r = 0; r < m->rows; r++) {
    rows[r] = (uint16_t)(load_u16le(m->row_sums + 2u * r) - row_sum(m, r));
    bad_rows += rows[r] != 0;
    row = rows[r] ? r : row;
  }
  for (uint32_t c = 0; c < m->columns; c++) {
    columns[c] = (uint16_t)(load_u16le(m->column_sums + 2u * c) - column_sum(m, c));
    bad_columns += columns[c] != 0;
    column = columns[c] ? c : column;
  }
  s->repairs++;
  if (!bad_rows || !bad_columns) {
    add_up(m);
  } else if (bad_rows == 1) {
    correct(m->cells + row * m->stride, 1, m->columns, columns, rows[row]);
  } else if (bad_columns == 1) {
    correct(m->cells + column, m->stride, m->rows, rows, columns[column]);
  }
}

/* A row that is read alone. */
LM_CODE static inline const uint8_t *checked_row(hil_lm_abft_t *s, hil_matrix_t m, uint32_t row) {
  if (row_sum(&m, row) != load_u16le(m.row_sums + 2u * row)) repair(s, &m);
  return m.cells + row * m.stride;
}

LM_CODE static inline uint32_t multiplier(hil_lm_abft_t *s, uint32_t number) {
  return load_u32le(checked_row(s, multipliers(s->io->state), number));
}

/* ---- Vectors ---- */

LM_CODE static inline uint32_t sum_of_words(const uint8_t *vector, uint32_t len) {
  uint32_t sum = 0;
  for (uint32_t i = 0; i < len / 4; i++) sum += load_u32le(vector + 4u * i);
  return sum;
}

LM_CODE static inline void keep(hil_lm_abft_t *s, uint32_t vector, uint32_t at, const uint8_t *local,
                                uint32_t len) {
  memcpy(s->io->scratch + at, local, len);
  store_u32le(s->io->scratch + VECTOR_SUMS_AT + 4u * vector, sum_of_words(local, len));
}

LM_CODE static inline void fetch(hil_lm_abft_t *s, uint32_t vector, uint32_t at, uint8_t *local,
                                 uint32_t len) {
  memcpy(local, s->io->scratch + at, len);
  if (sum_of_words(local, len) != load_u32le(s->io->scratch + VECTOR_SUMS_AT + 4u * vector))
    s->damaged = true;
}

LM_CODE static inline void fetch_h(hil_lm_abft_t *s, uint8_t h[4 * WIDTH]) {
  fetch(s, H_VECTOR, H_AT, h, 4 * WIDTH);
}

LM_CODE static inline void keep_h(hil_lm_abft_t *s, const uint8_t h[4 * WIDTH]) {
  keep(s, H_VECTOR, H_AT, h, 4 * WIDTH);
}

LM_CODE static inline uint32_t fetch_place(hil_lm_abft_t *s) {
  uint8_t place[4];
  fetch(s, PLACE_VECTOR, PLACE_IN_SCRATCH, place, 4);
  return load_u32le(place);
}

/* ---- Products ---- */

LM_CODE static inline uint32_t total(const int32_t *sums, uint32_t count) {
  uint32_t sum = 0;
  for (uint32_t i = 0; i < count; i++) sum += (uint32_t)sums[i];
  return sum;
}

/* The sum of values times the sums of rows or columns: what a product must add up to. Values are i8, or u8. */
LM_CODE
static inline uint32_t expected(const uint8_t *sums, const void *values, uint32_t count, bool is_signed) {
  const uint8_t *bytes = values;
  uint32_t sum = 0;
  for (uint32_t i = 0; i < count; i++) {
    const int32_t value = is_signed ? (int8_t)bytes[i] : bytes[i];
    sum += (uint32_t)value * (uint32_t)(int16_t)load_u16le(sums + 2u * i);
  }
  return sum;
}

/* Multiply values with a matrix of weights; again, once it is put right, if it does not add up. The last comparison
 * says whether the type is signed. */
#define MULTIPLY_CHECKED(s, sums, m, columns_, rows_, values, type)                            \
  for (uint32_t attempt_ = 0; attempt_ < ATTEMPTS; attempt_++) {                               \
    memset(sums, 0, sizeof(sums));                                                             \
    MULTIPLY(sums, columns_, rows_, values, type, (m).cells)                                   \
    if (total(sums, columns_) == expected((m).row_sums, values, rows_, (type) - 1 < 0)) break; \
    repair(s, &(m));                                                                           \
  }

/* ---- The phases of a step ---- */

LM_CODE static __attribute__((noinline)) void embed_phase(hil_lm_abft_t *s) {
  uint8_t *state = s->io->state, h[4 * WIDTH], place[4] = {0};
  uint32_t last = 0;
  if (s->io->input[0] & 1) {
    s->written = 0;
    for (uint32_t part = 0; part < 2 * LAYERS * HEADS; part++) {
      memset(state + CACHE_SUMS_AT + part * HEAD_SUMS_LEN + 2 * WINDOW, 0, 2 * HEAD);
    }
  } else {
    memcpy(place, checked_row(s, counters(state), PLACE_AT / 4), 4);
    last = load_u32le(checked_row(s, counters(state), LAST_AT / 4));
  }
  const uint8_t *weights = checked_row(s, embedding(state), last < LM_CHARACTERS ? last : 0);
  embed_character(h, weights, multiplier(s, EMBED));
  keep(s, PLACE_VECTOR, PLACE_IN_SCRATCH, place, 4);
  keep_h(s, h);
}

/* Replace a row of k (which = 0) or v (1). |replaces|: there is a character in the slot. */
LM_CODE
static inline void remember(hil_lm_abft_t *s, uint32_t layer, uint32_t which, uint32_t place, bool replaces,
                            const uint8_t row[WIDTH]) {
  const uint32_t slot = place % WINDOW, rows = place < WINDOW ? place + (replaces ? 1u : 0u) : WINDOW;
  for (uint32_t head = 0; head < HEADS; head++) {
    const hil_matrix_t m = cache(s->io->state, layer, which, head, rows);
    const uint8_t *now = row + head * HEAD;
    uint8_t *cells = m.cells + slot * WIDTH;
    if (replaces) (void)checked_row(s, m, slot);
    for (uint32_t i = 0; i < HEAD; i++) {
      const int32_t change = (int8_t)now[i] - (replaces ? (int8_t)cells[i] : 0);
      store_u16le(m.column_sums + 2u * i, (uint16_t)(load_u16le(m.column_sums + 2u * i) + (uint32_t)change));
      cells[i] = now[i];
    }
    store_u16le(m.row_sums + 2u * slot, sum_of(now, HEAD));
  }
}

LM_CODE static __attribute__((noinline)) void project(hil_lm_abft_t *s, uint32_t layer) {
  uint8_t h[4 * WIDTH], row[WIDTH];
  int8_t n[WIDTH];
  int32_t sums[3 * WIDTH];
  fetch_h(s, h);
  const uint32_t place = fetch_place(s);
  if (s->damaged) return; /* before another slot is written */
  norm(n, h);
  const hil_matrix_t m = in_layer(s->io->state, layer, QKV_AT, QKV_SUMS_AT, WIDTH, 3 * WIDTH);
  MULTIPLY_CHECKED(s, sums, m, 3 * WIDTH, WIDTH, n, int8_t)
  const bool replaces = place >= WINDOW || (s->written >> layer & 1u);
  rescale(row, sums, multiplier(s, of_layer(layer, Q)));
  keep(s, Q_VECTOR, Q_AT, row, WIDTH);
  rescale(row, sums + WIDTH, multiplier(s, of_layer(layer, K)));
  remember(s, layer, 0, place, replaces, row);
  rescale(row, sums + 2 * WIDTH, multiplier(s, of_layer(layer, V)));
  remember(s, layer, 1, place, replaces, row);
  s->written |= 1u << layer;
}

LM_CODE
static __attribute__((noinline)) void attend_head(hil_lm_abft_t *s, int32_t mix[HEAD], const uint8_t *q,
                                                  uint32_t layer, uint32_t head, uint32_t place) {
  const uint32_t length = in_sight(place);
  const hil_matrix_t k = cache(s->io->state, layer, 0, head, length);
  const hil_matrix_t v = cache(s->io->state, layer, 1, head, length);
  int32_t values[WINDOW], sums[HEAD];
  for (uint32_t attempt = 0; attempt < ATTEMPTS; attempt++) {
    multiply_keys(values, q, k.cells, place);
    if (total(values, length) == expected(k.column_sums, q, HEAD, true)) break;
    repair(s, &k);
  }
  const uint8_t *bias = checked_row(s, biases(s->io->state, layer), head);
  const uint32_t whole = soft_max(values, bias, multiplier(s, of_layer(layer, SCORE)), length);
  for (uint32_t attempt = 0; attempt < ATTEMPTS; attempt++) {
    uint32_t right = 0;
    memset(sums, 0, sizeof sums);
    multiply_values(sums, values, v.cells, place);
    for (uint32_t d = 0; d < length; d++) {
      const int16_t row = (int16_t)load_u16le(v.row_sums + 2u * ((place - d) % WINDOW));
      right += (uint32_t)values[d] * (uint32_t)row;
    }
    if (total(sums, HEAD) == right) break;
    repair(s, &v);
  }
  mean(mix, sums, whole);
}

LM_CODE static __attribute__((noinline)) void attend(hil_lm_abft_t *s, uint32_t layer) {
  uint8_t q[WIDTH], row[WIDTH];
  int32_t mix[WIDTH];
  fetch(s, Q_VECTOR, Q_AT, q, WIDTH);
  const uint32_t place = fetch_place(s);
  for (uint32_t head = 0; head < HEADS; head++) {
    attend_head(s, mix + head * HEAD, q + head * HEAD, layer, head, place);
  }
  rescale(row, mix, multiplier(s, of_layer(layer, MIX)));
  keep(s, MIX_VECTOR, MIX_AT, row, WIDTH);
}

LM_CODE static __attribute__((noinline)) void out(hil_lm_abft_t *s, uint32_t layer) {
  uint8_t mix[WIDTH], h[4 * WIDTH];
  int32_t sums[WIDTH];
  fetch(s, MIX_VECTOR, MIX_AT, mix, WIDTH);
  const hil_matrix_t m = in_layer(s->io->state, layer, OUT_AT, OUT_SUMS_AT, WIDTH, WIDTH);
  MULTIPLY_CHECKED(s, sums, m, WIDTH, WIDTH, mix, int8_t)
  fetch_h(s, h);
  add(h, sums, multiplier(s, of_layer(layer, OUT)));
  keep_h(s, h);
}

LM_CODE static __attribute__((noinline)) void up(hil_lm_abft_t *s, uint32_t layer) {
  uint8_t h[4 * WIDTH], hidden[HIDDEN];
  int8_t n[WIDTH];
  int32_t sums[HIDDEN];
  fetch_h(s, h);
  norm(n, h);
  const hil_matrix_t m = in_layer(s->io->state, layer, UP_AT, UP_SUMS_AT, WIDTH, HIDDEN);
  MULTIPLY_CHECKED(s, sums, m, HIDDEN, WIDTH, n, int8_t)
  rectify(hidden, sums, multiplier(s, of_layer(layer, UP)));
  keep(s, HIDDEN_VECTOR, HIDDEN_AT, hidden, HIDDEN);
}

LM_CODE static __attribute__((noinline)) void down(hil_lm_abft_t *s, uint32_t layer) {
  uint8_t hidden[HIDDEN], h[4 * WIDTH];
  int32_t sums[WIDTH];
  fetch(s, HIDDEN_VECTOR, HIDDEN_AT, hidden, HIDDEN);
  const hil_matrix_t m = in_layer(s->io->state, layer, DOWN_AT, DOWN_SUMS_AT, HIDDEN, WIDTH);
  MULTIPLY_CHECKED(s, sums, m, WIDTH, HIDDEN, hidden, uint8_t)
  fetch_h(s, h);
  add(h, sums, multiplier(s, of_layer(layer, DOWN)));
  keep_h(s, h);
}

LM_CODE static __attribute__((noinline)) void predict(hil_lm_abft_t *s) {
  uint8_t h[4 * WIDTH], scores[4 * LM_CHARACTERS];
  int8_t n[WIDTH];
  int32_t sums[LM_CHARACTERS];
  fetch_h(s, h);
  norm(n, h);
  const hil_matrix_t m = embedding(s->io->state);
  for (uint32_t attempt = 0; attempt < ATTEMPTS; attempt++) {
    multiply_characters(sums, n, m.cells);
    if (total(sums, LM_CHARACTERS) == expected(m.column_sums, n, WIDTH, true)) break;
    repair(s, &m);
  }
  store_scores(scores, sums, multiplier(s, LOGIT));
  keep(s, SCORES_VECTOR, SCORES_AT, scores, sizeof scores);
}

LM_CODE static void phase(hil_lm_abft_t *s, uint32_t number) {
  const uint32_t layer = (number - 1u) / EACH_LAYER_TICKS;
  if (number == 0) {
    embed_phase(s);
  } else if (number > LAYERS * EACH_LAYER_TICKS) {
    predict(s);
  } else {
    switch (number - 1u - layer * EACH_LAYER_TICKS) {
      case 0: project(s, layer); break;
      case 1: attend(s, layer); break;
      case 2: out(s, layer); break;
      case 3: up(s, layer); break;
      default: down(s, layer); break;
    }
  }
}

/* Compute the step again up to phase |last|: a vector was damaged. */
LM_CODE static __attribute__((noinline)) void start_again(hil_lm_abft_t *s, uint32_t last) {
  s->damaged = false;
  s->repairs++;
  for (uint32_t i = 0; i <= last; i++) phase(s, i);
}

/* Choose the next character from scores that are right. */
LM_CODE static void choose_checked(hil_lm_abft_t *s) {
  uint8_t scores[4 * LM_CHARACTERS];
  uint32_t place = 0;
  for (uint32_t attempt = 0; attempt < ATTEMPTS; attempt++) {
    fetch(s, SCORES_VECTOR, SCORES_AT, scores, sizeof scores);
    place = fetch_place(s);
    if (!s->damaged) break;
    start_again(s, PHASES - 2);
  }
  for (uint32_t row = 0; row < 4; row++) (void)checked_row(s, counters(s->io->state), row);
  choose(s->io, scores, place);
  const hil_matrix_t m = counters(s->io->state);
  add_up(&m);
}

LM_CODE static int step(const hil_workload_io_t *io, hil_progress_t *progress) {
  hil_lm_abft_t s = {.io = io};
  for (uint32_t i = 0; i < PHASES - 1; i++) {
    phase(&s, i);
    if (s.damaged) start_again(&s, i);
    if (progress_tick(progress)) return HIL_ERR_STATE;
  }
  choose_checked(&s);
  store_u32le(io->scratch + REPAIRS_AT, s.repairs);
  return progress_tick(progress) ? HIL_ERR_STATE : HIL_OK;
}

/* ---- The workload ---- */

extern const hil_workload_t workload_lm, workload_lm_abft;

static void add_up_weights(uint8_t *state) {
  hil_matrix_t all[3 + 5 * LAYERS] = {counters(state), multipliers(state), embedding(state)};
  uint32_t count = 3;
  for (uint32_t layer = 0; layer < LAYERS; layer++) {
    all[count++] = in_layer(state, layer, QKV_AT, QKV_SUMS_AT, WIDTH, 3 * WIDTH);
    all[count++] = in_layer(state, layer, OUT_AT, OUT_SUMS_AT, WIDTH, WIDTH);
    all[count++] = in_layer(state, layer, UP_AT, UP_SUMS_AT, WIDTH, HIDDEN);
    all[count++] = in_layer(state, layer, DOWN_AT, DOWN_SUMS_AT, HIDDEN, WIDTH);
    all[count++] = biases(state, layer);
  }
  for (uint32_t i = 0; i < count; i++) add_up(&all[i]);
}

static void init(uint8_t *state, uint64_t seed) {
  workload_lm.init(state, seed);
  memset(state + LM_LEN, 0, STATE_LEN - LM_LEN);
  add_up_weights(state);
}

static void input(uint8_t *in, uint64_t seed, uint64_t frame) { workload_lm.input(in, seed, frame); }

const hil_workload_t workload_lm_abft = {
    .name = "lm+abft",
    .state_len = STATE_LEN,
    .input_len = INPUT_LEN,
    .output_len = OUTPUT_LEN,
    .scratch_len = SCRATCH_LEN,
    .ticks = PHASES,
    .init = init,
    .input = input,
    .step = step,
    .text_begin = WORKLOAD_TEXT_BEGIN(lm_abft),
    .text_end = WORKLOAD_TEXT_END(lm_abft),
};
