/* SECDED(72,64). SPDX-License-Identifier: Apache-2.0
 *
 * Extended Hamming code. Give the 71 bits of a Hamming code the positions 1..71: check bit k sits
 * at position 2^k, the 64 data bits fill the other positions in order (3, 5, 6, 7, 9 ... 71). Check
 * bits 0..6 make the exclusive-or of the positions of all set bits zero, so that after one error it
 * is the position of that error. Check bit 7 makes the number of set bits even, so that one error
 * (odd) differs from two (even).
 *
 * Seen as a matrix: flipping data bit i changes the check byte by COLUMN(i), its position with
 * bit 7 chosen so that the column has an odd number of ones; flipping check bit k changes it by
 * 1 << k. All 72 columns are different and odd. Hence the syndrome (stored ^ computed check) is
 *   zero                         no error
 *   even, not zero               two errors: the sum of two odd columns
 *   odd, a column                one error, there
 *   odd, no column               three errors or more
 * Three errors may also hit a column and be miscorrected: minimum distance 4 allows no more.
 *
 * Invariants:
 *   1. Every word and check that this file writes form a code word.
 *   2. An uncorrectable word is left as it is.
 *   3. Bytes beyond |len| in the last word written are zero; words beyond it keep their value.
 *   4. One scrub call visits a word at most once, and ends whatever the cursor holds. */
#include "secded.h"

#include <stdbool.h>
#include <string.h>

#include "bytes.h"

enum {
  WORD = 8, /* [byte] */
  POSITION_BITS = 0x7f,
  LAST_POSITION = 71
};

/* The position of data bit i: one further for each power of two that is passed over. */
#define POSITION(i) ((i) + 3 + ((i) >= 1) + ((i) >= 4) + ((i) >= 11) + ((i) >= 26) + ((i) >= 57))
#define ODD4(n) (0x6996 >> (n) & 1)
#define ODD(p) (ODD4((p) & 15) ^ ODD4((p) >> 4))
#define COLUMN(i) (POSITION(i) | (ODD(POSITION(i)) ? 0 : 0x80))

/* The check byte is linear, so it is the sum of one entry for each nibble of the word: 256 bytes of
 * tables, where bytes of the word would need 2 KiB of cache or flash. */
#define ENTRY(i, n)                                                                                \
  (((n) & 1 ? COLUMN(i) : 0) ^ ((n) & 2 ? COLUMN((i) + 1) : 0) ^ ((n) & 4 ? COLUMN((i) + 2) : 0) ^ \
   ((n) & 8 ? COLUMN((i) + 3) : 0))
#define ROW(i)                                                                        \
  {ENTRY(i, 0),  ENTRY(i, 1),  ENTRY(i, 2),  ENTRY(i, 3), ENTRY(i, 4),  ENTRY(i, 5),  \
   ENTRY(i, 6),  ENTRY(i, 7),  ENTRY(i, 8),  ENTRY(i, 9), ENTRY(i, 10), ENTRY(i, 11), \
   ENTRY(i, 12), ENTRY(i, 13), ENTRY(i, 14), ENTRY(i, 15)}

static const uint8_t TABLE[16][16] = {
    ROW(0),  ROW(4),  ROW(8),  ROW(12), ROW(16), ROW(20), ROW(24), ROW(28),
    ROW(32), ROW(36), ROW(40), ROW(44), ROW(48), ROW(52), ROW(56), ROW(60),
};

uint8_t secded_encode(uint64_t data) {
  /* Written out because compilers do not unroll this at -O2, where it is four times faster. */
#define NIBBLE(k) TABLE[k][data >> (4 * (k)) & 15]
  return (uint8_t)(NIBBLE(0) ^ NIBBLE(1) ^ NIBBLE(2) ^ NIBBLE(3) ^ NIBBLE(4) ^ NIBBLE(5) ^ NIBBLE(6) ^
                   NIBBLE(7) ^ NIBBLE(8) ^ NIBBLE(9) ^ NIBBLE(10) ^ NIBBLE(11) ^ NIBBLE(12) ^ NIBBLE(13) ^
                   NIBBLE(14) ^ NIBBLE(15));
#undef NIBBLE
}

static bool is_power_of_two(unsigned x) { return x && !(x & (x - 1)); }

/* The data bit at a position that is not a power of two: undoes POSITION. */
static unsigned data_bit_at(unsigned position) {
  unsigned passed = 0; /* powers of two below */
  for (unsigned power = 1; power < position; power *= 2) {
    passed++;
  }
  return position - 1 - passed;
}

hil_secded_result_t secded_decode(uint64_t *data, uint8_t *check) {
  const unsigned syndrome = (unsigned)(*check ^ secded_encode(*data));
  const unsigned position = syndrome & POSITION_BITS;
  if (syndrome == 0) {
    return SECDED_CLEAN;
  }
  if (!ODD(syndrome)) {
    return SECDED_UNCORRECTABLE;
  }
  if (is_power_of_two(syndrome)) {
    *check = (uint8_t)(*check ^ syndrome);
    return SECDED_CORRECTED;
  }
  /* Bit 7 made every column odd, so an odd syndrome with a data bit's position is its column. A
   * power of two here is a check bit's position with bit 7 against it: even, thus not here. */
  if (position > LAST_POSITION) {
    return SECDED_UNCORRECTABLE;
  }
  *data ^= (uint64_t)1 << data_bit_at(position);
  return SECDED_CORRECTED;
}

/* ---- The store ---- */

/* Words lie little-endian in memory, so that the store's bytes are those that were copied in. */
static uint8_t *place(const hil_secded_memory_t *m, size_t i) { return (uint8_t *)&m->words[i]; }

static void put(hil_secded_memory_t *m, size_t i, uint64_t word) {
  store_u64le(place(m, i), word);
  m->checks[i] = secded_encode(word);
}

int secded_init(hil_secded_memory_t *m, uint64_t *words, uint8_t *checks, size_t count) {
  if (count && (!words || !checks)) {
    return HIL_ERR_ARG;
  }
  memset(m, 0, sizeof *m);
  m->words = words;
  m->checks = checks;
  m->count = count;
  for (size_t i = 0; i < count; i++) {
    put(m, i, 0);
  }
  return HIL_OK;
}

/* Decode a word of the store and count what is found. */
static hil_secded_result_t visit(hil_secded_memory_t *m, size_t i) {
  uint64_t word = load_u64le(place(m, i));
  if (secded_encode(word) == m->checks[i]) { /* nearly always: then touch nothing */
    return SECDED_CLEAN;
  }
  const hil_secded_result_t result = secded_decode(&word, &m->checks[i]);
  store_u64le(place(m, i), word);
  m->corrected += result == SECDED_CORRECTED;
  m->uncorrectable += result == SECDED_UNCORRECTABLE;
  return result;
}

static bool too_long(const hil_secded_memory_t *m, size_t len) {
  return len / WORD + (len % WORD != 0) > m->count;
}

int secded_write(hil_secded_memory_t *m, const uint8_t *data, size_t len) {
  if (too_long(m, len)) {
    return HIL_ERR_EXHAUSTED;
  }
  const size_t whole = len / WORD, rest = len % WORD;
  for (size_t i = 0; i < whole; i++) {
    put(m, i, load_u64le(data + i * WORD));
  }
  if (rest) {
    uint8_t bytes[WORD] = {0};
    memcpy(bytes, data + whole * WORD, rest);
    put(m, whole, load_u64le(bytes));
  }
  return HIL_OK;
}

int secded_check(hil_secded_memory_t *m, size_t len) {
  if (too_long(m, len)) {
    return HIL_ERR_EXHAUSTED;
  }
  const uint64_t before = m->uncorrectable;
  const size_t count = len / WORD + (len % WORD != 0);
  for (size_t i = 0; i < count; i++) {
    visit(m, i);
  }
  return m->uncorrectable == before ? HIL_OK : HIL_ERR_DAMAGED;
}

const uint8_t *secded_bytes(const hil_secded_memory_t *m) { return (const uint8_t *)m->words; }

int secded_read(hil_secded_memory_t *m, uint8_t *out, size_t len) {
  const int status = secded_check(m, len);
  if (status != HIL_ERR_EXHAUSTED && len) {
    memcpy(out, secded_bytes(m), len);
  }
  return status;
}

size_t secded_scrub(hil_secded_memory_t *m, size_t max_words) {
  const size_t visits = max_words < m->count ? max_words : m->count;
  size_t at = m->cursor < m->count ? m->cursor : 0; /* an upset may have moved it */
  size_t corrected = 0;
  for (size_t i = 0; i < visits; i++) {
    corrected += visit(m, at) == SECDED_CORRECTED;
    at++;
    if (at == m->count) {
      at = 0;
      m->passes++;
    }
  }
  m->cursor = at;
  return corrected;
}
