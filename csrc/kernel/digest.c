/* XXH64 digests. SPDX-License-Identifier: Apache-2.0
 *
 * Written from the xxHash specification, doc/xxhash_spec.md ("XXH64 algorithm description"): four
 * lanes each take 8 bytes of every 32-byte stripe; the lanes are merged, the rest of fewer than 32
 * bytes is mixed in by 8, 4 and 1, and an avalanche spreads every input bit over the result. It is
 * a fast hash against accidents (upsets), not against an adversary.
 *
 * Invariants:
 *   1. The result depends on the bytes, their number and the seed only: not on alignment, not on
 *      the machine's byte order.
 *   2. digest_spans computes with no product or sum that could wrap before its bounds are checked,
 *      and writes nothing unless all spans exist. */
#include "digest.h"

#include "bytes.h"

static const uint64_t PRIME1 = 0x9e3779b185ebca87u;
static const uint64_t PRIME2 = 0xc2b2ae3d27d4eb4fu;
static const uint64_t PRIME3 = 0x165667b19e3779f9u;
static const uint64_t PRIME4 = 0x85ebca77c2b2ae63u;
static const uint64_t PRIME5 = 0x27d4eb2f165667c5u;

enum { STRIPE = 32 /* [byte] */ };

static inline uint64_t rotl64(uint64_t x, int by) { return (x << by) | (x >> (64 - by)); }

static inline uint64_t lane_round(uint64_t lane, uint64_t word) {
  return rotl64(lane + word * PRIME2, 31) * PRIME1;
}

static inline uint64_t merge_lane(uint64_t h, uint64_t lane) {
  return (h ^ lane_round(0, lane)) * PRIME1 + PRIME4;
}

/* Take all whole stripes; there is at least one. */
static uint64_t take_stripes(const uint8_t *p, size_t stripes, uint64_t seed) {
  uint64_t v1 = seed + PRIME1 + PRIME2, v2 = seed + PRIME2, v3 = seed, v4 = seed - PRIME1;
  for (; stripes; stripes--, p += STRIPE) {
    v1 = lane_round(v1, load_u64le(p));
    v2 = lane_round(v2, load_u64le(p + 8));
    v3 = lane_round(v3, load_u64le(p + 16));
    v4 = lane_round(v4, load_u64le(p + 24));
  }
  uint64_t h = rotl64(v1, 1) + rotl64(v2, 7) + rotl64(v3, 12) + rotl64(v4, 18);
  h = merge_lane(h, v1);
  h = merge_lane(h, v2);
  h = merge_lane(h, v3);
  return merge_lane(h, v4);
}

/* Mix in the last |len| < STRIPE bytes. */
static uint64_t take_rest(uint64_t h, const uint8_t *p, size_t len) {
  for (; len >= 8; len -= 8, p += 8) {
    h = rotl64(h ^ lane_round(0, load_u64le(p)), 27) * PRIME1 + PRIME4;
  }
  if (len >= 4) {
    h = rotl64(h ^ load_u32le(p) * PRIME1, 23) * PRIME2 + PRIME3;
    len -= 4;
    p += 4;
  }
  for (; len; len--, p++) {
    h = rotl64(h ^ *p * PRIME5, 11) * PRIME1;
  }
  return h;
}

static uint64_t avalanche(uint64_t h) {
  h = (h ^ (h >> 33)) * PRIME2;
  h = (h ^ (h >> 29)) * PRIME3;
  return h ^ (h >> 32);
}

uint64_t hil_digest64(const uint8_t *data, size_t len, uint64_t seed) {
  const size_t stripes = len / STRIPE, rest = len % STRIPE;
  uint64_t h = stripes ? take_stripes(data, stripes, seed) : seed + PRIME5;
  h += (uint64_t)len;
  if (rest) { /* data may be null otherwise */
    h = take_rest(h, data + (len - rest), rest);
  }
  return avalanche(h);
}

int digest_spans(const uint8_t *data, size_t len, size_t span, size_t first, size_t count, uint64_t *out) {
  if (span == 0) {
    return HIL_ERR_ARG;
  }
  const size_t spans = len / span + (len % span != 0);
  if (count && (first >= spans || count > spans - first)) {
    return HIL_ERR_ARG;
  }
  for (size_t i = 0; i < count; i++) {
    const size_t at = (first + i) * span;
    out[i] = hil_digest64(data + at, len - at < span ? len - at : span, 0);
  }
  return HIL_OK;
}
