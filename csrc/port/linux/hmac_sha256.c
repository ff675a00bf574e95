/* HMAC-SHA-256. SPDX-License-Identifier: Apache-2.0
 *
 * For handshakes, which are short and rare: written to be read, not to be fast. The SHA-256 of the workload of
 * that name is another one: it lies in a section of its own, is hit by upsets, and stops at ticks. */
#include "hmac_sha256.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK_LEN = 64, INNER_PAD = 0x36, OUTER_PAD = 0x5c };

typedef struct {
  uint32_t hash[8];
  uint8_t block[BLOCK_LEN];
  size_t fill;    /* of the block */
  uint64_t total; /* [byte] */
} hil_sha256_t;

static const uint32_t constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t load_u32be(const uint8_t *p) {
  return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | (uint32_t)p[3];
}

static void store_u32be(uint8_t *p, uint32_t v) {
  for (unsigned i = 0; i < 4; i++) p[i] = (uint8_t)(v >> (24u - 8u * i));
}

static uint32_t rotr(uint32_t x, unsigned by) { return x >> by | x << (32u - by); }

/* FIPS 180-4, 6.2.2. */
static void compress(uint32_t hash[8], const uint8_t block[BLOCK_LEN]) {
  uint32_t w[64], v[8];
  for (unsigned t = 0; t < 16; t++) w[t] = load_u32be(block + 4 * t);
  for (unsigned t = 16; t < 64; t++) {
    const uint32_t s0 = rotr(w[t - 15], 7) ^ rotr(w[t - 15], 18) ^ w[t - 15] >> 3;
    const uint32_t s1 = rotr(w[t - 2], 17) ^ rotr(w[t - 2], 19) ^ w[t - 2] >> 10;
    w[t] = w[t - 16] + s0 + w[t - 7] + s1;
  }
  memcpy(v, hash, sizeof v);
  for (unsigned t = 0; t < 64; t++) {
    const uint32_t s1 = rotr(v[4], 6) ^ rotr(v[4], 11) ^ rotr(v[4], 25);
    const uint32_t choice = (v[4] & v[5]) ^ (~v[4] & v[6]);
    const uint32_t t1 = v[7] + s1 + choice + constants[t] + w[t];
    const uint32_t s0 = rotr(v[0], 2) ^ rotr(v[0], 13) ^ rotr(v[0], 22);
    const uint32_t majority = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);
    memmove(v + 1, v, 7 * sizeof *v);
    v[4] += t1;
    v[0] = t1 + s0 + majority;
  }
  for (unsigned i = 0; i < 8; i++) hash[i] += v[i];
}

static void sha256_begin(hil_sha256_t *s) {
  static const uint32_t first[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  memset(s, 0, sizeof *s);
  memcpy(s->hash, first, sizeof first);
}

static void sha256_add(hil_sha256_t *s, const uint8_t *bytes, size_t len) {
  s->total += len;
  for (size_t i = 0; i < len; i++) {
    s->block[s->fill++] = bytes[i];
    if (s->fill < BLOCK_LEN) continue;
    compress(s->hash, s->block);
    s->fill = 0;
  }
}

static void sha256_end(hil_sha256_t *s, uint8_t out[HMAC_SHA256_LEN]) {
  static const uint8_t one = 0x80, zero = 0;
  const uint64_t bits = 8 * s->total;
  uint8_t length[8];
  store_u32be(length, (uint32_t)(bits >> 32));
  store_u32be(length + 4, (uint32_t)bits);
  sha256_add(s, &one, 1);
  while (s->fill != BLOCK_LEN - sizeof length) sha256_add(s, &zero, 1);
  sha256_add(s, length, sizeof length);
  for (unsigned i = 0; i < 8; i++) store_u32be(out + 4 * i, s->hash[i]);
}

bool hmac_sha256_of_file(int fd, uint8_t out[HMAC_SHA256_LEN]) {
  uint8_t bytes[4096];
  hil_sha256_t s;
  sha256_begin(&s);
  for (;;) {
    const ssize_t got = read(fd, bytes, sizeof bytes);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return false;
    if (got == 0) break;
    sha256_add(&s, bytes, (size_t)got);
  }
  sha256_end(&s, out);
  return true;
}

/* SHA-256 of the key, xored with |pad|, followed by |message|. */
static void padded(const uint8_t key[BLOCK_LEN], uint8_t pad, const uint8_t *message, size_t len,
                   uint8_t out[HMAC_SHA256_LEN]) {
  hil_sha256_t s;
  uint8_t block[BLOCK_LEN];
  for (unsigned i = 0; i < BLOCK_LEN; i++) block[i] = key[i] ^ pad;
  sha256_begin(&s);
  sha256_add(&s, block, sizeof block);
  sha256_add(&s, message, len);
  sha256_end(&s, out);
}

void hmac_sha256(const uint8_t *key, size_t key_len, const uint8_t *message, size_t len,
                 uint8_t out[HMAC_SHA256_LEN]) {
  uint8_t block[BLOCK_LEN] = {0}, inner[HMAC_SHA256_LEN];
  if (key_len <= BLOCK_LEN) {
    memcpy(block, key, key_len);
  } else {
    hil_sha256_t s;
    sha256_begin(&s);
    sha256_add(&s, key, key_len);
    sha256_end(&s, block);
  }
  padded(block, INNER_PAD, message, len, inner);
  padded(block, OUTER_PAD, inner, sizeof inner, out);
}

bool hmac_sha256_equal(const uint8_t a[HMAC_SHA256_LEN], const uint8_t b[HMAC_SHA256_LEN]) {
  volatile uint8_t different = 0;
  for (unsigned i = 0; i < HMAC_SHA256_LEN; i++) different = (uint8_t)(different | (a[i] ^ b[i]));
  return different == 0;
}
