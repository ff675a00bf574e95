/* CRC-32C. SPDX-License-Identifier: Apache-2.0
 *
 * The remainder modulo 0x1edc6f41 of the message as a polynomial over GF(2), bits reflected (least
 * significant first), begun and ended with an inversion. Three ways to the same value:
 *   - tables: eight bytes a step ("slicing by 8", Kounavis and Berry 2005). A CRC is linear, so
 *     every table entry is a sum of the entries of single bits, and those 64 values are simply
 *     successive states of the shift register, begun at the polynomial: all that is written down.
 *   - SSE 4.2: the instruction takes 3 cycles but one can start each cycle, so three strands run at
 *     a time and are merged: strand A followed by n zero bytes has the CRC A x^(8n) mod P. The
 *     carry-less product of A and x^(8n-33) mod P, put through the instruction, is just that (33 =
 *     32 that the instruction adds and 1 from the reflection of the product).
 *   - ARMv8: the instruction, where the compiler may assume it.
 *
 * Invariants:
 *   1. All ways give the same value for the same bytes, at any alignment, on any byte order.
 *   2. No state is kept between calls: hil_crc32c(hil_crc32c(0, a), b) = hil_crc32c(0, ab). */
#include "crc32c.h"

#include "bytes.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#define CRC32C_SSE42 1
#elif defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>
#define CRC32C_ARM 1
#endif

/* ---- Tables ---- */

/* Entry n of a table with the values a..h of the bits 0x80, 0x40, ... 0x01. */
#define ENTRY(n, a, b, c, d, e, f, g, h)                                                                   \
  (((n) & 0x80 ? (a) : 0u) ^ ((n) & 0x40 ? (b) : 0u) ^ ((n) & 0x20 ? (c) : 0u) ^ ((n) & 0x10 ? (d) : 0u) ^ \
   ((n) & 0x08 ? (e) : 0u) ^ ((n) & 0x04 ? (f) : 0u) ^ ((n) & 0x02 ? (g) : 0u) ^ ((n) & 0x01 ? (h) : 0u))
#define ENTRIES4(n, ...) \
  ENTRY(n, __VA_ARGS__), ENTRY(n + 1, __VA_ARGS__), ENTRY(n + 2, __VA_ARGS__), ENTRY(n + 3, __VA_ARGS__)
#define ENTRIES16(n, ...)                                                               \
  ENTRIES4(n, __VA_ARGS__), ENTRIES4(n + 4, __VA_ARGS__), ENTRIES4(n + 8, __VA_ARGS__), \
      ENTRIES4(n + 12, __VA_ARGS__)
#define ENTRIES64(n, ...)                                                                    \
  ENTRIES16(n, __VA_ARGS__), ENTRIES16(n + 16, __VA_ARGS__), ENTRIES16(n + 32, __VA_ARGS__), \
      ENTRIES16(n + 48, __VA_ARGS__)
#define TABLE_OF(...)                                                                  \
  {ENTRIES64(0, __VA_ARGS__), ENTRIES64(64, __VA_ARGS__), ENTRIES64(128, __VA_ARGS__), \
   ENTRIES64(192, __VA_ARGS__)}

/* Bytes a step: 8, with 8 KiB of tables, or 1 with 1 KiB (-DCRC32C_SLICES=1), for boards with little flash. */
#ifndef CRC32C_SLICES
#define CRC32C_SLICES 8
#endif
_Static_assert(CRC32C_SLICES == 8 || CRC32C_SLICES == 1, "bytes a step");

/* TABLE[k][n]: what byte n does to the CRC when k more bytes follow it. */
/* clang-format off */
static const uint32_t TABLE[CRC32C_SLICES][256] = {
    TABLE_OF(0x82f63b78u, 0x417b1dbcu, 0x20bd8edeu, 0x105ec76fu,
             0x8ad958cfu, 0xc79a971fu, 0xe13b70f7u, 0xf26b8303u),
#if CRC32C_SLICES == 8
    TABLE_OF(0xfbc3faf9u, 0xff17c604u, 0x7f8be302u, 0x3fc5f181u,
             0x9d14c3b8u, 0x4e8a61dcu, 0x274530eeu, 0x13a29877u),
    TABLE_OF(0x8b277743u, 0xc76580d9u, 0xe144fb14u, 0x70a27d8au,
             0x38513ec5u, 0x9edea41au, 0x4f6f520du, 0xa541927eu),
    TABLE_OF(0x52a0c93fu, 0xaba65fe7u, 0xd725148bu, 0xe964b13du,
             0xf64463e6u, 0x7b2231f3u, 0xbf672381u, 0xdd45aab8u),
    TABLE_OF(0x6ea2d55cu, 0x37516aaeu, 0x1ba8b557u, 0x8f2261d3u,
             0xc5670b91u, 0xe045beb0u, 0x7022df58u, 0x38116facu),
    TABLE_OF(0x1c08b7d6u, 0x0e045bebu, 0x85f4168du, 0xc00c303eu,
             0x6006181fu, 0xb2f53777u, 0xdb8ca0c3u, 0xef306b19u),
    TABLE_OF(0xf56e0ef4u, 0x7ab7077au, 0x3d5b83bdu, 0x9c5bfaa6u,
             0x4e2dfd53u, 0xa5e0c5d1u, 0xd0065990u, 0x68032cc8u),
    TABLE_OF(0x34019664u, 0x1a00cb32u, 0x0d006599u, 0x847609b4u,
             0x423b04dau, 0x211d826du, 0x9278fa4eu, 0x493c7d27u),
#endif
};
/* clang-format on */

/* The ways below work on the bare register; the inversions are made once, in crc32c. */
static uint32_t update_tables(uint32_t crc, const uint8_t *p, size_t len) {
#if CRC32C_SLICES == 8
  for (; len >= 8; len -= 8, p += 8) {
    const uint32_t low = crc ^ load_u32le(p), high = load_u32le(p + 4);
    crc = TABLE[7][low & 0xff] ^ TABLE[6][low >> 8 & 0xff] ^ TABLE[5][low >> 16 & 0xff] ^
          TABLE[4][low >> 24] ^ TABLE[3][high & 0xff] ^ TABLE[2][high >> 8 & 0xff] ^
          TABLE[1][high >> 16 & 0xff] ^ TABLE[0][high >> 24];
  }
#endif
  for (; len; len--, p++) {
    crc = (crc >> 8) ^ TABLE[0][(crc ^ *p) & 0xff];
  }
  return crc;
}

/* ---- SSE 4.2 ---- */

#if defined(CRC32C_SSE42)
enum { STRAND = 256 /* [byte] short enough that a frame of 1 KiB profits */ };
#ifdef __clang__ /* asks for the instructions by name from some release on; GCC does not know the name */
#define CRC32C_TARGET __attribute__((target("sse4.2,crc32,pclmul")))
#else
#define CRC32C_TARGET __attribute__((target("sse4.2,pclmul")))
#endif
static const uint32_t SHIFT_STRAND = 0xb9e02b86u; /* x^(8 * STRAND - 33) mod P, reflected */
static const uint32_t SHIFT_STRAND2 = 0xdd7e3b0cu; /* x^(16 * STRAND - 33) mod P, reflected */

CRC32C_TARGET static inline uint64_t product(uint64_t a, uint32_t b) {
  const __m128i p = _mm_clmulepi64_si128(_mm_cvtsi64_si128((long long)a), _mm_cvtsi64_si128((long long)b), 0);
  return (uint64_t)_mm_cvtsi128_si64(p);
}

CRC32C_TARGET static uint32_t update_sse42(uint32_t crc, const uint8_t *p, size_t len) {
  uint64_t a = crc;
  for (; len >= 3 * STRAND; len -= 3 * STRAND, p += 3 * STRAND) {
    uint64_t b = 0, c = 0;
    for (size_t i = 0; i < STRAND; i += 8) {
      a = _mm_crc32_u64(a, load_u64le(p + i));
      b = _mm_crc32_u64(b, load_u64le(p + STRAND + i));
      c = _mm_crc32_u64(c, load_u64le(p + 2 * STRAND + i));
    }
    a = c ^ _mm_crc32_u64(0, product(a, SHIFT_STRAND2) ^ product(b, SHIFT_STRAND));
  }
  for (; len >= 8; len -= 8, p += 8) {
    a = _mm_crc32_u64(a, load_u64le(p));
  }
  for (; len; len--, p++) {
    a = _mm_crc32_u8((uint32_t)a, *p);
  }
  return (uint32_t)a;
}
#endif

/* ---- ARMv8 ---- */

#if defined(CRC32C_ARM)
static uint32_t update_arm(uint32_t crc, const uint8_t *p, size_t len) {
  for (; len >= 8; len -= 8, p += 8) {
    crc = __crc32cd(crc, load_u64le(p));
  }
  for (; len; len--, p++) {
    crc = __crc32cb(crc, *p);
  }
  return crc;
}
#endif

uint32_t hil_crc32c(uint32_t crc, const uint8_t *data, size_t len) {
#if defined(CRC32C_SSE42)
  if (__builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul")) {
    return ~update_sse42(~crc, data, len);
  }
#elif defined(CRC32C_ARM)
  return ~update_arm(~crc, data, len);
#endif
  return ~update_tables(~crc, data, len);
}
