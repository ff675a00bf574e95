/* Upset patterns. SPDX-License-Identifier: Apache-2.0
 *
 * A pattern is first placed (where does it start, so that it lies inside the target?), then written
 * as keep and flip masks: a flipped bit has keep 1, flip 1; a stuck bit and an overwritten one have
 * keep 0 and their new value as flip; every other bit has keep 1, flip 0.
 *
 * Invariants:
 *   1. offset + len never exceeds the target's length, and len is 1..UPSET_WINDOW_MAX.
 *   2. Bits of the window that the pattern does not name keep their value, and bytes of the masks
 *      beyond len are neutral (keep 0xff, flip 0).
 *   3. On failure nothing is written.
 *   4. Word patterns stay aligned to their width, also when they are moved back from the end. */
#include "upset.h"

#include <stdbool.h>
#include <string.h>

enum { ADJACENT_MIN = 2, ADJACENT_MAX = 64 };

/* One bit of the window, counted from the window's first byte. */
static void set_bit(hil_upset_window_t *w, unsigned bit, bool keep, bool flip) {
  const uint8_t mask = (uint8_t)(1u << (bit % 8));
  uint8_t *keeps = &w->keep[bit / 8], *flips = &w->flip[bit / 8];
  *keeps = (uint8_t)(keep ? *keeps | mask : *keeps & ~mask);
  *flips = (uint8_t)(flip ? *flips | mask : *flips & ~mask);
}

static int make_bit(const hil_upset_pattern_t *p, hil_upset_window_t *w) {
  const unsigned bit = (unsigned)(p->bit % 8);
  w->offset = p->bit / 8;
  w->len = 1;
  if (p->kind == UPSET_BIT) {
    set_bit(w, bit, true, true);
  } else {
    set_bit(w, bit, false, (p->value & 1) != 0);
  }
  return HIL_OK;
}

static int make_adjacent(const hil_upset_pattern_t *p, uint64_t target_len, hil_upset_window_t *w) {
  /* A target of 2^61 bytes or more has bits that no index can name: they are out of reach. */
  const uint64_t bits = target_len > UINT64_MAX / 8 ? UINT64_MAX : target_len * 8;
  if (p->width < ADJACENT_MIN || p->width > ADJACENT_MAX || p->width > bits) {
    return HIL_ERR_ARG;
  }
  const uint64_t start = p->bit < bits - p->width ? p->bit : bits - p->width;
  const unsigned skip = (unsigned)(start % 8);
  w->offset = start / 8;
  w->len = (uint8_t)((skip + p->width + 7u) / 8u);
  for (unsigned i = skip; i < skip + p->width; i++) {
    set_bit(w, i, true, true);
  }
  return HIL_OK;
}

static int make_word(const hil_upset_pattern_t *p, uint64_t target_len, hil_upset_window_t *w) {
  const unsigned bytes = p->width / 8u;
  if (p->width != 8 && p->width != 16 && p->width != 32 && p->width != 64) {
    return HIL_ERR_ARG;
  }
  const uint64_t words = target_len / bytes; /* a partial word at the end is not one */
  if (words == 0) {
    return HIL_ERR_ARG;
  }
  const uint64_t word = p->bit / p->width;
  const uint64_t value = p->kind == UPSET_ZERO_WORD ? 0 : p->value;
  w->offset = (word < words ? word : words - 1) * bytes;
  w->len = (uint8_t)bytes;
  for (unsigned i = 0; i < bytes; i++) {
    w->keep[i] = 0;
    w->flip[i] = (uint8_t)(value >> (8 * i));
  }
  return HIL_OK;
}

static int make_window(const hil_upset_pattern_t *p, uint64_t target_len, hil_upset_window_t *w) {
  switch (p->kind) {
    case UPSET_BIT:
    case UPSET_STUCK: return make_bit(p, w);
    case UPSET_ADJACENT: return make_adjacent(p, target_len, w);
    case UPSET_ZERO_WORD:
    case UPSET_RANDOM_WORD: return make_word(p, target_len, w);
    default: return HIL_ERR_ARG;
  }
}

int upset_window(const hil_upset_pattern_t *pattern, uint64_t target_len, hil_upset_window_t *out) {
  hil_upset_window_t window;
  if (pattern->bit / 8 >= target_len) {
    return HIL_ERR_ARG;
  }
  memset(&window, 0, sizeof window); /* padding too: windows are compared and recorded as bytes */
  memset(window.keep, 0xff, sizeof window.keep);
  const int status = make_window(pattern, target_len, &window);
  if (status == HIL_OK) {
    memcpy(out, &window, sizeof window);
  }
  return status;
}

void upset_apply(const hil_upset_window_t *window, const uint8_t *in, uint8_t *out) {
  /* A window may have come over a link: its length is not to be trusted with the masks' bounds. */
  const unsigned len = window->len < UPSET_WINDOW_MAX ? window->len : UPSET_WINDOW_MAX;
  for (unsigned i = 0; i < len; i++) {
    out[i] = (uint8_t)((in[i] & window->keep[i]) ^ window->flip[i]);
  }
}
