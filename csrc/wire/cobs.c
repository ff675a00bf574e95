/* Consistent Overhead Byte Stuffing. SPDX-License-Identifier: Apache-2.0
 *
 * The encoding is a row of blocks. A block is a code byte c and c - 1 bytes that are not zero; it
 * stands for these bytes and one zero, except that a full block (c = 255) and the last block stand
 * for their bytes only. Encoding a block means copying bytes until a zero, decoding it means copying
 * bytes that must not contain one: both are copy_nonzero(), which works a word at a time.
 *
 * Invariants:
 *   C1. no byte outside data[0..len) is read, none outside out[0..cap) is written;
 *   C2. cobs_encode writes no zero, and never ends in an empty block after a full one (the shortest
 *       of the possible encodings);
 *   C3. when decoding, the write position stays below the read position, so that |out| may be
 *       |data|. */
#include "cobs.h"

#include <stdbool.h>
#include <string.h>

enum { FULL_CODE = 255, BLOCK_MAX = 254 };

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

/* Is one of the eight bytes zero? (Exact: Warren, Hacker's Delight, section 6-1.) */
static bool has_zero(uint64_t word) {
  return ((word - 0x0101010101010101U) & ~word & 0x8080808080808080U) != 0;
}

/* Copy bytes upwards until a zero or |n| of them; return how many. |out| may lie anywhere below
 * |in|: a word is loaded before any later byte is stored over. */
static size_t copy_nonzero(uint8_t *out, const uint8_t *in, size_t n) {
  size_t i = 0;
  for (; n - i >= sizeof(uint64_t); i += sizeof(uint64_t)) {
    uint64_t word;
    memcpy(&word, in + i, sizeof word);
    if (has_zero(word)) break;
    memcpy(out + i, &word, sizeof word);
  }
  for (; i < n && in[i] != 0; i++) out[i] = in[i];
  return i;
}

size_t cobs_max(size_t len) { return COBS_ENCODE_MAX(len); }

int cobs_encode(const uint8_t *data, size_t len, uint8_t *out, size_t cap, size_t *out_len) {
  if (!data || !out || !out_len) return HIL_ERR_ARG;
  size_t from = 0, to = 0;
  for (;;) { /* each turn consumes a byte of |data| or is the last */
    if (to == cap) return HIL_ERR_EXHAUSTED;
    const size_t most = smaller(len - from, BLOCK_MAX);
    const size_t room = cap - to - 1; /* a block that this cuts short ends at cap: seen next turn */
    const size_t n = copy_nonzero(out + to + 1, data + from, smaller(most, room));
    out[to] = (uint8_t)(n + 1);
    to += n + 1;
    from += n;
    if (from == len) break;
    if (n < BLOCK_MAX) from++; /* the zero that the block stands for */
  }
  *out_len = to;
  return HIL_OK;
}

int cobs_decode(const uint8_t *data, size_t len, uint8_t *out, size_t cap, size_t *out_len) {
  if (!data || !out || !out_len) return HIL_ERR_ARG;
  size_t from = 0, to = 0;
  while (from < len) {
    const uint8_t code = data[from++];
    const size_t n = (size_t)code - 1;
    if (code == 0 || n > len - from) return HIL_ERR_PAYLOAD;
    if (n > cap - to) return HIL_ERR_EXHAUSTED;
    if (copy_nonzero(out + to, data + from, n) != n) return HIL_ERR_PAYLOAD;
    from += n;
    to += n;
    if (code != FULL_CODE && from < len) {
      if (to == cap) return HIL_ERR_EXHAUSTED;
      out[to++] = 0;
    }
  }
  *out_len = to;
  return HIL_OK;
}
