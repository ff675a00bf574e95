/* Arithmetic in integers against that of this processor, which is IEEE 754's. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "philox.h"
#include "unit.h"
#include "workloads/soft_float.h"

enum { PAIRS = 400000, HALVES = 0x10000 };

static float number(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static uint32_t bits_of(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

/* Bits of all kinds: any, near a power of two, subnormal, and the limits of the format. */
static uint32_t awkward(hil_philox_t *random, uint32_t near) {
  static const uint32_t limits[] = {0,          0x80000000, 1,          0x80000001, 0x007fffff, 0x00800000,
                                    0x7f7fffff, 0xff7fffff, 0x7f800000, 0xff800000, 0x7fc00000, 0xff800001,
                                    0x3f800000, 0xbf800000, 0x34000000, 0x33800000};
  const uint32_t any = (uint32_t)philox_next(random);
  switch (philox_below(random, 5)) {
    case 0: return any;
    case 1: return limits[any % (sizeof limits / sizeof limits[0])];
    case 2: return any & 0x80ffffff; /* subnormal, or nearly */
    case 3: return near ^ (any & 0x80000000) ^ (any & 0x3ffff); /* cancels */
    default: return (near & 0x7f800000) + (any & 0x8fffffff); /* exponents that are close */
  }
}

static void sums_and_products_are_those_of_the_processor(void) {
  hil_philox_t random;
  philox_init(&random, 15, 1);
  uint32_t before = 0x3f800000, different = 0, nans = 0, subnormal = 0;
  for (int i = 0; i < PAIRS; i++) {
    const uint32_t a = awkward(&random, before), b = awkward(&random, a);
    volatile float sum = number(a) + number(b), product = number(a) * number(b);
    const uint32_t right_sum = f32_canonical(bits_of(sum)), right_product = f32_canonical(bits_of(product));
    different += f32_add(a, b) != right_sum || f32_mul(a, b) != right_product;
    nans += right_sum == F32_QUIET_NAN;
    subnormal += right_product && f32_magnitude(right_product) < F32_HIDDEN;
    before = b;
  }
  CHECK_EQ(different, 0);
  CHECK(nans > PAIRS / 50 && subnormal > PAIRS / 500); /* they were met */
}

/* The value of a number of 16 bits by its definition: sign, exponent, fraction. */
static double value_of(uint32_t half, int exponent_bits) {
  const int fraction_bits = 15 - exponent_bits, bias = (1 << (exponent_bits - 1)) - 1;
  const int field = (int)(half >> fraction_bits) & ((1 << exponent_bits) - 1);
  const double fraction = (double)(half & ((1u << fraction_bits) - 1u)) / (double)(1u << fraction_bits);
  double value = field ? 1.0 + fraction : fraction;
  for (int e = (field ? field : 1) - bias; e > 0; e--) value *= 2.0;
  for (int e = (field ? field : 1) - bias; e < 0; e++) value /= 2.0;
  return half & 0x8000u ? -value : value;
}

typedef struct {
  int exponent_bits;
  uint32_t infinity;
} hil_half_t;

static const hil_half_t halves[] = {{8, 0x7f80}, {5, 0x7c00}};

static uint32_t widened(int which, uint32_t half) { return which ? f32_of_fp16(half) : f32_of_bf16(half); }
static uint32_t narrowed(int which, uint32_t bits) { return which ? fp16_of_f32(bits) : bf16_of_f32(bits); }

static void every_number_of_16_bits_is_exact_in_binary32(void) {
  for (int which = 0; which < 2; which++) {
    uint32_t different = 0;
    for (uint32_t half = 0; half < HALVES; half++) {
      const uint32_t magnitude = half & 0x7fffu, bits = widened(which, half);
      if (magnitude > halves[which].infinity) {
        different += f32_canonical(bits) != F32_QUIET_NAN || narrowed(which, bits) <= halves[which].infinity;
      } else {
        different += narrowed(which, bits) != half;
        different += (bits >> 31) != half >> 15;
        if (magnitude == halves[which].infinity) {
          different += f32_magnitude(bits) != F32_INFINITY;
        } else {
          different += (double)number(bits) != value_of(half, halves[which].exponent_bits);
        }
      }
    }
    CHECK_EQ(different, 0);
  }
}

/* |bits| is not NaN: no neighbour of what it is rounded to is nearer, and of two equally near that with an even
 * last bit is taken. What is beyond the largest number by half a step or more is infinite. */
static int is_rounded_well(int which, uint32_t bits) {
  const int exponent_bits = halves[which].exponent_bits;
  const uint32_t infinity = halves[which].infinity, half = narrowed(which, bits), magnitude = half & 0x7fffu;
  const double value = number(f32_magnitude(bits));
  if (half >> 15 != bits >> 31 || magnitude > infinity) return 0;
  /* As a number, infinity would be the next power of two. */
  const double got = value_of(magnitude, exponent_bits), off = got > value ? got - value : value - got;
  if (f32_magnitude(bits) == F32_INFINITY) return magnitude == infinity;
  if (magnitude == infinity && value >= got) return 1;
  const double above = magnitude == infinity ? got * 2 : value_of(magnitude + 1u, exponent_bits);
  const double below = magnitude ? value_of(magnitude - 1u, exponent_bits) : -1.0;
  const double to_above = above - value, to_below = value - below;
  if (off > to_above || off > to_below) return 0;
  return (off < to_above && off < to_below) || !(half & 1u);
}

static void numbers_are_rounded_to_the_nearest(void) {
  hil_philox_t random;
  philox_init(&random, 15, 2);
  for (int which = 0; which < 2; which++) {
    uint32_t wrong = 0, before = 0x3f800000;
    for (int i = 0; i < PAIRS / 8; i++) {
      uint32_t bits = awkward(&random, before);
      if (i % 4 == 0)
        bits = widened(which, (uint32_t)philox_below(&random, HALVES)) + (1u << (which ? 12 : 15));
      if (i % 4 == 1)
        bits = 0x33000000u + (uint32_t)philox_below(&random, 0x15000000); /* fp16 and its ends */
      wrong += f32_magnitude(bits) <= F32_INFINITY && !is_rounded_well(which, bits);
      before = bits;
    }
    CHECK_EQ(wrong, 0);
  }
}

static void keys_are_in_the_order_of_numbers(void) {
  hil_philox_t random;
  philox_init(&random, 15, 3);
  uint32_t wrong = 0, before = 0;
  for (int i = 0; i < PAIRS / 8; i++) {
    const uint32_t a = awkward(&random, before), b = awkward(&random, a);
    if (number(a) < number(b)) wrong += f32_key(a) >= f32_key(b);
    if (f32_magnitude(a) > F32_INFINITY) wrong += f32_key(a) != 0;
    if (f32_magnitude(a) <= F32_INFINITY) wrong += f32_key(a) == 0;
    before = b;
  }
  CHECK_EQ(wrong, 0);
}

int main(void) {
  RUN(sums_and_products_are_those_of_the_processor);
  RUN(every_number_of_16_bits_is_exact_in_binary32);
  RUN(numbers_are_rounded_to_the_nearest);
  RUN(keys_are_in_the_order_of_numbers);
  return UNIT_RESULT();
}
