/* IEEE 754 arithmetic in integers: binary32, and bfloat16 and binary16 as operands. SPDX-License-Identifier: Apache-2.0
 *
 * A number is its bits. Rules, the same on every machine, whatever its processor does with floating point:
 *   1. A result is the exact one, rounded to the nearest number; of two equally near, the one with an even last
 *      bit. Subnormal numbers are computed with, never flushed to zero.
 *   2. What is rounded to 2^128 or more is infinite. Infinity times zero, and infinity minus infinity, is NaN.
 *   3. There is one NaN, 0x7fc00000: every operation with a NaN returns it, whatever bits that one had.
 *   4. Zero has a sign. A sum that is exactly zero is +0, unless both operands were -0.
 * All functions are inlined, so that they are a part of the machine code of the step that calls them. */
#ifndef HIL_SOFT_FLOAT_H
#define HIL_SOFT_FLOAT_H

#include <stdbool.h>
#include <stdint.h>

#define SOFT_INLINE static inline __attribute__((always_inline))

enum {
  F32_BIAS = 127,
  F32_FRACTION = 23, /* [bit] */
  F32_QUIET_NAN = 0x7fc00000,
  F32_INFINITY = 0x7f800000,
  F32_MAGNITUDE = 0x7fffffff,
  F32_HIDDEN = 1 << F32_FRACTION,

  F16_FRACTION = 10,
  F16_INFINITY = 0x7c00,
  F16_QUIET_NAN = 0x7e00,
  F16_HIDDEN = 1 << F16_FRACTION,
  F16_DOWN = F32_FRACTION - F16_FRACTION, /* [bit] fewer than binary32 */
  F16_REBIAS = (F32_BIAS - 15) << F32_FRACTION
};
#define F32_SIGN UINT32_C(0x80000000)

SOFT_INLINE uint32_t f32_magnitude(uint32_t bits) { return bits & F32_MAGNITUDE; }

/* The one NaN in place of any other; all else as it is. */
SOFT_INLINE uint32_t f32_canonical(uint32_t bits) {
  return f32_magnitude(bits) > F32_INFINITY ? F32_QUIET_NAN : bits;
}

/* The exponent field as arithmetic takes it: subnormal numbers have that of the smallest normal ones. */
SOFT_INLINE int32_t f32_exponent(uint32_t magnitude) {
  const int32_t field = (int32_t)(magnitude >> F32_FRACTION);
  return field ? field : 1;
}

SOFT_INLINE uint32_t f32_significand(uint32_t magnitude) {
  const uint32_t fraction = magnitude & (F32_HIDDEN - 1u);
  return magnitude >= F32_HIDDEN ? fraction | F32_HIDDEN : fraction;
}

/* |significand| * 2^|exponent|, rounded; |significand| is not zero, and its last bit also stands for all that was
 * shifted out of it. */
SOFT_INLINE uint32_t f32_round(uint32_t sign, uint64_t significand, int32_t exponent) {
  enum { TOP = 63, DROPPED = TOP - F32_FRACTION, BIAS = F32_BIAS };
  const int32_t zeros = __builtin_clzll(significand);
  const int32_t field = exponent + TOP - zeros + BIAS;
  if (field >= 255) return sign | F32_INFINITY;
  uint64_t bits = significand << zeros;
  uint32_t base = 0;
  if (field > 0) {
    base = (uint32_t)(field - 1) << F32_FRACTION; /* the hidden bit adds one */
  } else {
    const uint32_t shift = (uint32_t)(1 - field);
    bits = shift <= TOP ? bits >> shift | (uint64_t)(bits << (64u - shift) != 0) : 1u;
  }
  const uint64_t half = UINT64_C(1) << (DROPPED - 1), rest = bits & (2u * half - 1u);
  const uint32_t kept = (uint32_t)(bits >> DROPPED);
  const bool up = rest > half || (rest == half && kept & 1u);
  return sign | (base + kept + (up ? 1u : 0u)); /* a carry goes into the exponent, and on to infinity */
}

SOFT_INLINE uint32_t f32_mul(uint32_t a, uint32_t b) {
  const uint32_t sign = (a ^ b) & F32_SIGN, x = f32_magnitude(a), y = f32_magnitude(b);
  if (x > F32_INFINITY || y > F32_INFINITY) return F32_QUIET_NAN;
  if (x == F32_INFINITY || y == F32_INFINITY) return x && y ? sign | F32_INFINITY : F32_QUIET_NAN;
  if (!x || !y) return sign;
  enum { UNITS = 2 * (F32_BIAS + F32_FRACTION) };
  return f32_round(sign, (uint64_t)f32_significand(x) * f32_significand(y),
                   f32_exponent(x) + f32_exponent(y) - UNITS);
}

/* The sum of numbers of which |a| is not the smaller by magnitude, and none is NaN, infinite or zero. */
SOFT_INLINE uint32_t f32_add_finite(uint32_t a, uint32_t b) {
  enum { GUARD = 32, UNIT = F32_BIAS + F32_FRACTION + GUARD };
  const uint32_t x = f32_magnitude(a), y = f32_magnitude(b);
  const uint32_t apart = (uint32_t)(f32_exponent(x) - f32_exponent(y));
  const uint64_t large = (uint64_t)f32_significand(x) << GUARD;
  const uint64_t whole = (uint64_t)f32_significand(y) << GUARD;
  const uint64_t small =
      apart < 64u ? whole >> apart | (uint64_t)((whole & ((UINT64_C(1) << apart) - 1u)) != 0) : 1u;
  const uint64_t sum = (a ^ b) & F32_SIGN ? large - small : large + small;
  return sum ? f32_round(a & F32_SIGN, sum, f32_exponent(x) - UNIT) : 0;
}

SOFT_INLINE uint32_t f32_add(uint32_t a, uint32_t b) {
  const bool ordered = f32_magnitude(a) >= f32_magnitude(b);
  const uint32_t larger = ordered ? a : b, smaller = ordered ? b : a;
  const uint32_t x = f32_magnitude(larger), y = f32_magnitude(smaller);
  if (x > F32_INFINITY) return F32_QUIET_NAN;
  if (x == F32_INFINITY) return y == F32_INFINITY && larger != smaller ? F32_QUIET_NAN : larger;
  if (!y) return x ? larger : a & b; /* -0 only of two of them */
  return f32_add_finite(larger, smaller);
}

/* ---- Formats of 16 bits: exact to binary32, rounded back ---- */

SOFT_INLINE uint32_t f32_of_bf16(uint32_t bits) { return bits << 16; }

SOFT_INLINE uint32_t bf16_of_f32(uint32_t bits) {
  if (f32_magnitude(bits) > F32_INFINITY) return F32_QUIET_NAN >> 16;
  return (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16; /* a carry goes on to infinity */
}

SOFT_INLINE uint32_t f32_of_fp16(uint32_t bits) {
  const uint32_t sign = (bits & 0x8000u) << 16, magnitude = bits & 0x7fffu;
  if (magnitude >= F16_INFINITY) return magnitude > F16_INFINITY ? F32_QUIET_NAN : sign | F32_INFINITY;
  if (magnitude >= F16_HIDDEN) return sign | ((magnitude << F16_DOWN) + F16_REBIAS);
  if (!magnitude) return sign;
  const uint32_t shift = (uint32_t)__builtin_clz(magnitude) - (31u - F16_FRACTION);
  return sign |
         ((((magnitude << shift) - F16_HIDDEN) << F16_DOWN) + F16_REBIAS + ((1u - shift) << F32_FRACTION));
}

/* |value| >> |shift|, rounded to the nearest, to even; 1 <= |shift| <= 31. */
SOFT_INLINE uint32_t shifted_even(uint32_t value, uint32_t shift) {
  const uint32_t kept = value >> shift, half = 1u << (shift - 1u), rest = value & (2u * half - 1u);
  return kept + (rest > half || (rest == half && kept & 1u) ? 1u : 0u);
}

SOFT_INLINE uint32_t fp16_of_f32(uint32_t bits) {
  enum { LEAST_NORMAL = 0x38800000, SUBNORMAL_UNIT = F32_BIAS - 1 };
  const uint32_t sign = bits >> 16 & 0x8000u, x = f32_magnitude(bits);
  if (x > F32_INFINITY) return F16_QUIET_NAN;
  if (x >= LEAST_NORMAL) {
    const uint32_t half = shifted_even(x - F16_REBIAS, F16_DOWN);
    return sign | (half < F16_INFINITY ? half : F16_INFINITY);
  }
  const uint32_t shift = (uint32_t)(SUBNORMAL_UNIT - f32_exponent(x));
  return sign | (shift <= F32_FRACTION + 2 ? shifted_even(f32_significand(x), shift) : 0u);
}

/* ---- Order ---- */

/* A key that orders numbers as unsigned integers: -infinity to infinity, and NaN below all. */
SOFT_INLINE uint32_t f32_key(uint32_t bits) {
  if (f32_magnitude(bits) > F32_INFINITY) return 0;
  return bits & F32_SIGN ? ~bits : bits | F32_SIGN;
}

#endif
