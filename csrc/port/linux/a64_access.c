/* Loads and stores of aarch64. SPDX-License-Identifier: Apache-2.0
 *
 * Arm Architecture Reference Manual for A-profile, C4.1, "Loads and Stores". Stores that may not happen (exclusive
 * ones), and instructions that read and write (LSE), count as reading. */
#include "a64_access.h"

#include <stddef.h>

static uint32_t bits(uint32_t v, unsigned high, unsigned low) {
  return v >> low & ((1u << (high - low + 1u)) - 1u);
}

static int64_t sign(uint32_t v, unsigned width) {
  const uint32_t top = 1u << (width - 1u);
  return (int64_t)(v ^ top) - (int64_t)top;
}

/* The index register of an address, as |option| extends it. */
static uint64_t extended(uint64_t value, uint32_t option) {
  if (option == 2) return (uint32_t)value;                    /* UXTW */
  if (option == 6) return (uint64_t)(int64_t)(int32_t)value;  /* SXTW */
  return value;                                               /* UXTX, SXTX */
}

/* One register. */
static bool single(uint32_t i, const uint64_t x[32], hil_a64_access_t *out) {
  const uint32_t opc = bits(i, 23, 22), vector = bits(i, 26, 26), mode = bits(i, 11, 10);
  const uint32_t log2_size = vector ? bits(i, 31, 30) | (opc & 2u) << 1 : bits(i, 31, 30);
  const uint64_t base = x[bits(i, 9, 5)];
  if (log2_size > 4 || (!vector && log2_size == 3 && opc == 2)) return false; /* a prefetch */
  out->size = (uint8_t)(1u << log2_size);
  out->writes = vector ? !(opc & 1u) : opc == 0;
  if (bits(i, 25, 24) == 1) {
    out->address = base + ((uint64_t)bits(i, 21, 10) << log2_size);
    return true;
  }
  if (!bits(i, 21, 21)) { /* mode 1: the base changes after the access */
    out->address = mode == 1 ? base : base + (uint64_t)sign(bits(i, 20, 12), 9);
    return true;
  }
  if (mode == 2) {
    const uint32_t index = bits(i, 20, 16);
    const uint64_t value = index == 31 ? 0 : x[index];
    out->address = base + (extended(value, bits(i, 15, 13)) << (bits(i, 12, 12) ? log2_size : 0));
    return true;
  }
  out->writes = false; /* LSE */
  out->address = base;
  return mode == 0;
}

static bool pair(uint32_t i, const uint64_t x[32], hil_a64_access_t *out) {
  const uint32_t opc = bits(i, 31, 30), vector = bits(i, 26, 26);
  const uint32_t log2_size = vector ? 2u + opc : 2u + (opc >> 1);
  if (log2_size > 4 || (!vector && opc == 1 && !bits(i, 22, 22))) return false;
  const bool after = bits(i, 24, 23) == 1; /* the base changes after the access */
  out->size = (uint8_t)(2u << log2_size);
  out->writes = !bits(i, 22, 22);
  out->address = x[bits(i, 9, 5)] + (after ? 0 : (uint64_t)sign(bits(i, 21, 15), 7) << log2_size);
  return true;
}

/* One or more whole vectors, of which each is one structure's part. */
static bool vectors(uint32_t i, const uint64_t x[32], hil_a64_access_t *out) {
  static const uint8_t counts[16] = {[0] = 4, [2] = 4, [4] = 3, [6] = 3, [7] = 1, [8] = 2, [10] = 2};
  const uint8_t count = counts[bits(i, 15, 12)];
  if (!count || bits(i, 31, 31)) return false;
  out->size = (uint8_t)(count * (bits(i, 30, 30) ? 16u : 8u));
  out->writes = !bits(i, 22, 22);
  out->address = x[bits(i, 9, 5)];
  return true;
}

/* Exclusive, ordered, and compare-and-swap. */
static bool ordered(uint32_t i, const uint64_t x[32], hil_a64_access_t *out) {
  const bool is_plain = bits(i, 23, 23) && !bits(i, 21, 21); /* LDAR, STLR */
  out->size = (uint8_t)(1u << bits(i, 31, 30));
  if (bits(i, 21, 21)) out->size = (uint8_t)(out->size * 2u);
  out->writes = is_plain && !bits(i, 22, 22);
  out->address = x[bits(i, 9, 5)];
  return true;
}

bool a64_access(uint32_t instruction, const uint64_t x[32], hil_a64_access_t *out) {
  const uint32_t i = instruction;
  switch (bits(i, 29, 27)) {
    case 7: return bits(i, 25, 25) == 0 && single(i, x, out);
    case 5: return bits(i, 25, 25) == 0 && pair(i, x, out);
    case 1:
      if (bits(i, 26, 24) == 0) return ordered(i, x, out);
      return bits(i, 26, 24) == 4 && vectors(i, x, out);
    default: return false;
  }
}
