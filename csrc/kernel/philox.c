/* Philox4x64-10. SPDX-License-Identifier: Apache-2.0
 *
 * Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC'11. A keyed
 * bijection of a 256-bit counter: ten rounds, each of two 64x64-bit products whose high halves are
 * mixed with the other words and the round key, which a Weyl sequence advances. Random access and
 * independent streams need no state but key and counter.
 *
 * Invariants:
 *   1. Word i of a stream is a pure function of (seed, stream, i): block (i / 4) + 1, word i % 4.
 *   2. Every loop ends, whatever is in hil_philox_t (an upset may have put it there). */
#include "philox.h"

#include <string.h>

enum {
  ROUNDS = 10,
  BLOCK_WORDS = 4,
  MAX_REJECTS = 128 /* a rejection has probability < 1/2: all of them, below 2^-128 */
};

static const uint64_t MULTIPLIER0 = 0xd2e7470ee14c6c93u;
static const uint64_t MULTIPLIER1 = 0xca5a826395121157u;
static const uint64_t WEYL0 = 0x9e3779b97f4a7c15u; /* golden ratio */
static const uint64_t WEYL1 = 0xbb67ae8584caa73bu; /* sqrt(3) - 1 */

/* The product's low half; the high one through |high|. */
#if defined(__SIZEOF_INT128__) && !defined(PHILOX_NO_INT128)
static inline uint64_t multiply(uint64_t a, uint64_t b, uint64_t *high) {
  const unsigned __int128 product = (unsigned __int128)a * b;
  *high = (uint64_t)(product >> 64);
  return (uint64_t)product;
}
#else
/* By schoolbook multiplication of 32-bit halves; no sum can wrap: (2^32-1)^2 + 2^32-1 < 2^64. */
static inline uint64_t multiply(uint64_t a, uint64_t b, uint64_t *high) {
  const uint64_t al = (uint32_t)a, ah = a >> 32, bl = (uint32_t)b, bh = b >> 32;
  const uint64_t mid1 = ah * bl + (al * bl >> 32);
  const uint64_t mid2 = al * bh + (uint32_t)mid1;
  *high = ah * bh + (mid1 >> 32) + (mid2 >> 32);
  return a * b;
}
#endif

void philox_block(const uint64_t counter[4], const uint64_t key[2], uint64_t out[4]) {
  uint64_t x0 = counter[0], x1 = counter[1], x2 = counter[2], x3 = counter[3];
  uint64_t k0 = key[0], k1 = key[1];
  for (int round = 0; round < ROUNDS; round++, k0 += WEYL0, k1 += WEYL1) {
    uint64_t high0, high1;
    const uint64_t low0 = multiply(MULTIPLIER0, x0, &high0);
    const uint64_t low1 = multiply(MULTIPLIER1, x2, &high1);
    x0 = high1 ^ x1 ^ k0;
    x1 = low1;
    x2 = high0 ^ x3 ^ k1;
    x3 = low0;
  }
  out[0] = x0;
  out[1] = x1;
  out[2] = x2;
  out[3] = x3;
}

void philox_init(hil_philox_t *p, uint64_t seed, uint64_t stream) {
  memset(p, 0, sizeof *p);
  p->key[0] = seed;
  p->key[1] = stream;
  p->used = BLOCK_WORDS;
}

/* The counter is one 256-bit number, least significant word first. */
static void next_block(hil_philox_t *p) {
  for (int i = 0; i < BLOCK_WORDS && ++p->counter[i] == 0; i++) {
  }
  philox_block(p->counter, p->key, p->block);
  p->used = 0;
}

uint64_t philox_next(hil_philox_t *p) {
  if (p->used >= BLOCK_WORDS) {
    next_block(p);
  }
  return p->block[p->used++];
}

/* Lemire, "Fast random integer generation in an interval", ACM TOMACS 29 (2019), algorithm 5: the
 * high half of random * bound, where the low half shows whether the value is one of the 2^64 mod
 * bound surplus ones that would bias the result. */
uint64_t philox_below(hil_philox_t *p, uint64_t bound) {
  uint64_t high, low = multiply(philox_next(p), bound, &high);
  if (low < bound) { /* only then can it be one of them; saves the division almost always */
    const uint64_t surplus = (0u - bound) % bound;
    for (int i = 0; low < surplus && i < MAX_REJECTS; i++) {
      low = multiply(philox_next(p), bound, &high);
    }
  }
  return high;
}
