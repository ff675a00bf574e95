/* Voting: bit by bit over buffers, and by class over digests. SPDX-License-Identifier: Apache-2.0
 *
 * Bitwise. Nodes agree almost always, so the work is cut into blocks that fit the first-level
 * cache. A fast pass writes a block's majority and ORs up every disagreement on the way; only a
 * block that has one is looked at again, from the cache, to find which nodes differ, where, and in how many
 * bits. The fast pass needs few operations a word: with p = a^b and q = c^b the majority is
 * b ^ (p & q), for b is outvoted exactly where both others differ from it. Five and seven inputs are counted with full
 * adders, in all bit positions at once. Large results bypass the caches (streaming stores): to
 * fetch a line only to overwrite it would be a fifth of the traffic.
 *
 * By class. Digests that are equal form a class, named by its lowest member.
 *
 * Invariants:
 *   1. Nothing is written, neither out nor out_where, unless the result is HIL_OK.
 *   2. A block in place is written only after all that is to be read of it has been read.
 *   3. diff_bits[i] > 0, first_diff[i] < len and bit i of dissent_mask are true together or not.
 *   4. Digests of absent nodes are never read.
 *   5. A winner's class holds its lowest member; its agree_mask and dissent_mask together are
 *      present_mask. */
#include "vote.h"

#include <stdbool.h>
#include <string.h>

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#define VOTE_AVX2 1
#else
#define VOTE_AVX2 0
#endif

#if defined(__GNUC__)
#define ALWAYS_INLINE static inline __attribute__((always_inline))
#else
#define ALWAYS_INLINE static inline
#endif

enum {
  BLOCK = 4096, /* [byte] three inputs and a result stay in 32 KiB of cache, with room to spare */
  WORD = 8,     /* [byte] */
  LINE = 64     /* [byte] streaming stores must fill whole cache lines */
};

/* [byte] From here on the four buffers no longer fit a second-level cache of 1 MiB. Measured on
 * Zen 4: streaming wins from 256 KiB, and by 1.4 times at 4 MiB. */
#define STREAM_MIN ((size_t)256 * 1024)

/* One vote over buffers. */
typedef struct {
  const uint8_t *const *inputs;
  int n;
  bool in_place; /* out is one of the inputs */
  bool stream;   /* write around the caches */
  bool fast;     /* this processor has AVX2 and POPCNT */
} hil_ballot_t;

/* Up to WORD bytes as an integer. Bit order within it does not matter to votes and counts. */
ALWAYS_INLINE uint64_t load_part(const uint8_t *p, size_t len) {
  uint64_t w = 0;
  memcpy(&w, p, len);
  return w;
}

static bool has_avx2(void) {
#if VOTE_AVX2
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("popcnt");
#else
  return false;
#endif
}

/* ---- The fast pass: one whole block of three inputs. Returns non-zero if any bit differs. ---- */

/* A constant trip count and restrict let the compiler vectorise this for whatever target it is
 * inlined into, without run-time checks. */
ALWAYS_INLINE uint64_t block3(const uint8_t *restrict a, const uint8_t *restrict b, const uint8_t *restrict c,
                              uint8_t *restrict out) {
  uint64_t differ = 0;
  for (size_t i = 0; i < BLOCK; i += WORD) {
    uint64_t x, y, z;
    memcpy(&x, a + i, WORD);
    memcpy(&y, b + i, WORD);
    memcpy(&z, c + i, WORD);
    const uint64_t p = x ^ y, q = z ^ y, voted = y ^ (p & q);
    differ |= p | q;
    memcpy(out + i, &voted, WORD);
  }
  return differ;
}

static uint64_t block3_plain(const uint8_t *a, const uint8_t *b, const uint8_t *c, uint8_t *out) {
  return block3(a, b, c, out);
}

#if VOTE_AVX2
__attribute__((target("avx2"))) static uint64_t block3_avx2(const uint8_t *a, const uint8_t *b,
                                                            const uint8_t *c, uint8_t *out) {
  return block3(a, b, c, out);
}

/* As above around the caches. |out| is aligned to LINE. */
__attribute__((target("avx2"))) static uint64_t block3_stream(const uint8_t *a, const uint8_t *b,
                                                              const uint8_t *c, uint8_t *out) {
  __m256i differ = _mm256_setzero_si256();
  for (size_t i = 0; i < BLOCK; i += LINE) {
    for (size_t j = i; j < i + LINE; j += sizeof(__m256i)) {
      const __m256i y = _mm256_loadu_si256((const void *)(b + j));
      const __m256i p = _mm256_xor_si256(_mm256_loadu_si256((const void *)(a + j)), y);
      const __m256i q = _mm256_xor_si256(_mm256_loadu_si256((const void *)(c + j)), y);
      differ = _mm256_or_si256(differ, _mm256_or_si256(p, q));
      _mm256_stream_si256((void *)(out + j), _mm256_xor_si256(y, _mm256_and_si256(p, q)));
    }
  }
  return (uint64_t)!_mm256_testz_si256(differ, differ);
}
#endif

/* ---- The general pass: any length, any n. ---- */

ALWAYS_INLINE uint64_t majority3(uint64_t a, uint64_t b, uint64_t c) { return b ^ ((a ^ b) & (c ^ b)); }

/* Bitwise votes are of an odd number of words; an even one, of classes only, may be larger. */
enum { WORDS_MAX = 7 };

/* The majority of n = 1, 3, 5 or 7 words. With s = sum and k = carry of a full adder, n = 5 gives
 * count = s2 + 2 (k1 + k2), which is at least 3 where two of s2, k1, k2 are set; n = 7 gives
 * count = s3 + 2 (k1 + k2 + k3), which is at least 4 where two of the carries are set. */
ALWAYS_INLINE uint64_t majority_word(const uint64_t w[WORDS_MAX], int n) {
  if (n == 1) {
    return w[0];
  }
  const uint64_t k1 = majority3(w[0], w[1], w[2]), s1 = w[0] ^ w[1] ^ w[2];
  if (n == 3) {
    return k1;
  }
  const uint64_t k2 = majority3(s1, w[3], w[4]), s2 = s1 ^ w[3] ^ w[4];
  return majority3(k1, k2, n == 5 ? s2 : majority3(s2, w[5], w[6]));
}

/* One word, or |part| bytes of one, at offset |at|. Returns non-zero if any bit differs. Inputs
 * beyond n repeat the first. Written without loops because compilers do not unroll them at -O2. */
ALWAYS_INLINE uint64_t majority_at(const uint8_t *const *in, int n, size_t at, size_t part, uint8_t *out) {
  const uint64_t first = load_part(in[0] + at, part);
#define INPUT(k) (n > (k) ? load_part(in[k] + at, part) : first)
  const uint64_t w[WORDS_MAX] = {first, INPUT(1), INPUT(2), INPUT(3), INPUT(4), INPUT(5), INPUT(6)};
#undef INPUT
  const uint64_t voted = majority_word(w, n);
  memcpy(out, &voted, part);
  return (w[1] ^ first) | (w[2] ^ first) | (w[3] ^ first) | (w[4] ^ first) | (w[5] ^ first) | (w[6] ^ first);
}

ALWAYS_INLINE uint64_t majority_of(const uint8_t *const *in, int n, size_t at, size_t len, uint8_t *out) {
  uint64_t differ = 0;
  size_t i = 0;
  for (; len - i >= WORD; i += WORD) {
    differ |= majority_at(in, n, at + i, WORD, out + i);
  }
  return i < len ? differ | majority_at(in, n, at + i, len - i, out + i) : differ;
}

/* n as a constant takes the choices out of the loop. */
static uint64_t majority_any(const hil_ballot_t *b, size_t at, size_t len, uint8_t *out) {
  switch (b->n) {
    case 3: return majority_of(b->inputs, 3, at, len, out);
    case 5: return majority_of(b->inputs, 5, at, len, out);
    case 7: return majority_of(b->inputs, 7, at, len, out);
    default: return majority_of(b->inputs, 1, at, len, out);
  }
}

/* Vote one block (or less) at offset |at| into |out| by the fastest way that fits. */
static uint64_t majority(const hil_ballot_t *b, size_t at, size_t len, uint8_t *out, bool stream) {
  if (b->n != 3 || len != BLOCK) {
    return majority_any(b, at, len, out);
  }
  const uint8_t *x = b->inputs[0] + at, *y = b->inputs[1] + at, *z = b->inputs[2] + at;
#if VOTE_AVX2
  if (b->fast) {
    return stream ? block3_stream(x, y, z, out) : block3_avx2(x, y, z, out);
  }
#endif
  (void)stream;
  return block3_plain(x, y, z, out);
}

/* ---- The exact pass, for blocks with a disagreement: which nodes, where, how many bits. ---- */

/* Bits set, by adding ever wider fields; the multiplication adds up the eight bytes. */
ALWAYS_INLINE uint64_t popcount_plain(uint64_t x) {
  x -= (x >> 1) & 0x5555555555555555u;
  x = (x & 0x3333333333333333u) + ((x >> 2) & 0x3333333333333333u);
  x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0fu;
  return (x * 0x0101010101010101u) >> 56;
}

/* How many bits of |a| and |b| differ. */
static uint64_t count_plain(const uint8_t *a, const uint8_t *b, size_t len) {
  uint64_t bits = 0;
  size_t i = 0;
  for (; len - i >= WORD; i += WORD) {
    bits += popcount_plain(load_part(a + i, WORD) ^ load_part(b + i, WORD));
  }
  return bits + popcount_plain(load_part(a + i, len - i) ^ load_part(b + i, len - i));
}

#if VOTE_AVX2
__attribute__((target("popcnt"))) static uint64_t count_popcnt(const uint8_t *a, const uint8_t *b,
                                                               size_t len) {
  uint64_t bits = 0;
  size_t i = 0;
  for (; len - i >= WORD; i += WORD) {
    bits += (uint64_t)_mm_popcnt_u64(load_part(a + i, WORD) ^ load_part(b + i, WORD));
  }
  return bits + (uint64_t)_mm_popcnt_u64(load_part(a + i, len - i) ^ load_part(b + i, len - i));
}
#endif

static uint64_t count_bits(const hil_ballot_t *b, const uint8_t *x, const uint8_t *y, size_t len) {
#if VOTE_AVX2
  if (b->fast) {
    return count_popcnt(x, y, len);
  }
#endif
  (void)b;
  return count_plain(x, y, len);
}

/* Offset of the first byte that differs; |len| if none does. */
static size_t first_difference(const uint8_t *a, const uint8_t *b, size_t len) {
  size_t i = 0;
  while (len - i >= WORD && load_part(a + i, WORD) == load_part(b + i, WORD)) {
    i += WORD;
  }
  while (i < len && a[i] == b[i]) {
    i++;
  }
  return i;
}

/* Enter the differences between each input and the voted block at offset |at|. */
static void account(const hil_ballot_t *b, size_t at, size_t len, const uint8_t *voted,
                    hil_vote_bits_t *where) {
  for (int k = 0; k < b->n; k++) {
    const uint8_t *in = b->inputs[k] + at;
    const uint64_t bits = count_bits(b, in, voted, len);
    if (bits && !where->diff_bits[k]) {
      where->first_diff[k] = at + first_difference(in, voted, len);
      where->dissent_mask |= 1u << k;
    }
    where->diff_bits[k] += bits;
  }
}

/* ---- Buffers ---- */

static void vote_blocks(const hil_ballot_t *b, uint8_t *out, size_t len, hil_vote_bits_t *where) {
  uint8_t scratch[BLOCK];
  /* A short first block brings the streamed ones to a line boundary. */
  size_t part = b->stream ? (size_t)(0u - (uintptr_t)out) % LINE : 0;
  for (size_t at = 0; at < len; at += part, part = 0) {
    const size_t rest = len - at;
    part = part ? part : (rest < BLOCK ? rest : BLOCK);
    /* In place the vote goes beside the inputs first: the exact pass still needs them all. If all
     * agree, out already holds the majority and nothing has to be written. */
    uint8_t *voted = b->in_place ? scratch : out + at;
    if (!majority(b, at, part, voted, b->stream)) {
      continue;
    }
    if (b->stream) { /* what was streamed is far away: voting again is faster than fetching it */
      (void)majority(b, at, part, scratch, false);
      voted = scratch;
    }
    account(b, at, part, voted, where);
    if (b->in_place) {
      memcpy(out + at, scratch, part);
    }
  }
#if VOTE_AVX2
  if (b->stream) {
    _mm_sfence(); /* another thread that learns of the result must see it */
  }
#endif
}

static int vote_buffers(const uint8_t *const *inputs, int n, uint8_t *out, size_t len,
                        hil_vote_bits_t *out_where, bool fast) {
  if (!out_where || (len && (!inputs || !out))) {
    return HIL_ERR_ARG;
  }
  bool in_place = false;
  for (int k = 0; len && k < n; k++) {
    if (!inputs[k]) {
      return HIL_ERR_ARG;
    }
    in_place |= inputs[k] == out;
  }
  memset(out_where, 0, sizeof *out_where);
  for (int k = 0; k < VOTE_MAX_NODES; k++) {
    out_where->first_diff[k] = len;
  }
  const hil_ballot_t ballot = {inputs, n, in_place, fast && n == 3 && !in_place && len >= STREAM_MIN, fast};
  vote_blocks(&ballot, out, len, out_where);
  return HIL_OK;
}

int vote_bitwise(const uint8_t *const *inputs, int n, uint8_t *out, size_t len, hil_vote_bits_t *out_where) {
  if (n < 1 || n > VOTE_MAX_NODES || n % 2 == 0) {
    return HIL_ERR_ARG;
  }
  return vote_buffers(inputs, n, out, len, out_where, has_avx2());
}

int vote_bitwise3(const uint8_t *a, const uint8_t *b, const uint8_t *c, uint8_t *out, size_t len,
                  hil_vote_bits_t *out_where) {
  const uint8_t *const inputs[3] = {a, b, c};
  return vote_buffers(inputs, 3, out, len, out_where, has_avx2());
}

/* ---- Classes ---- */

static int count_mask(uint32_t mask) {
  int count = 0;
  for (; mask; mask &= mask - 1u) {
    count++;
  }
  return count;
}

/* The present nodes whose digest equals that of node |i|. */
static uint32_t class_of(const uint64_t *digests, int n, uint32_t present_mask, int i) {
  uint32_t members = 0;
  for (int j = 0; j < n; j++) {
    if ((present_mask >> j & 1u) && digests[j] == digests[i]) {
      members |= 1u << j;
    }
  }
  return members;
}

static bool class_args_bad(int n, uint32_t present_mask) {
  return n < 1 || n > VOTE_MAX_NODES || present_mask >> n != 0;
}

/* The largest class wins if it has at least |needed| members and no equal. */
static void vote_classes(const uint64_t *digests, int n, uint32_t present_mask, int needed,
                         hil_vote_class_t *out) {
  int best = 0, ties = 0;
  hil_vote_class_t result = {-1, 0, 0, 0};
  for (int i = 0; i < n; i++) {
    if (!(present_mask >> i & 1u)) {
      continue;
    }
    const uint32_t members = class_of(digests, n, present_mask, i);
    if (members & ((1u << i) - 1u)) {
      continue; /* counted at its lowest member */
    }
    result.classes++;
    const int size = count_mask(members);
    if (size > best) {
      best = size;
      ties = 0;
      result.winner = i;
      result.agree_mask = members;
    } else if (size == best) {
      ties++;
    }
  }
  if (ties || best < needed) {
    result.winner = -1;
    result.agree_mask = 0;
  } else if (result.agree_mask) {
    result.dissent_mask = present_mask & ~result.agree_mask;
  }
  *out = result;
}

int vote_exact(const uint64_t *digests, int n, uint32_t present_mask, hil_vote_class_t *out) {
  if (class_args_bad(n, present_mask)) {
    return HIL_ERR_ARG;
  }
  vote_classes(digests, n, present_mask, count_mask(present_mask) / 2 + 1, out);
  return HIL_OK;
}

int vote_plurality(const uint64_t *digests, int n, uint32_t present_mask, int quorum, hil_vote_class_t *out) {
  if (class_args_bad(n, present_mask) || quorum < 1 || quorum > n) {
    return HIL_ERR_ARG;
  }
  vote_classes(digests, n, present_mask, quorum, out);
  return HIL_OK;
}
