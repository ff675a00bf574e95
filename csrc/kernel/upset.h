/* Upset patterns: what one event does to bits. SPDX-License-Identifier: Apache-2.0
 *
 * Every pattern reduces to one window of bytes with two masks, new = (old & keep) ^ flip, so that
 * one function applies it, one verifies it by read-back, and a stuck bit is a window applied again
 * and again. */
#ifndef HIL_UPSET_H
#define HIL_UPSET_H

#include <stddef.h>
#include <stdint.h>

#include "status.h"

/* cffi:begin */
enum { UPSET_WINDOW_MAX = 16 };

typedef enum {
  UPSET_BIT = 1,         /* flip one bit (SEU) */
  UPSET_ADJACENT = 2,    /* flip |width| adjacent bits, 2..64 (MBU) */
  UPSET_STUCK = 3,       /* one bit stuck at |value| & 1 */
  UPSET_ZERO_WORD = 4,   /* |width| bits (8, 16, 32, 64), naturally aligned, become zero */
  UPSET_RANDOM_WORD = 5  /* |width| bits (8, 16, 32, 64), naturally aligned, become |value| */
} hil_upset_kind_t;

typedef struct {
  uint8_t kind;   /* hil_upset_kind_t */
  uint8_t width;  /* [bit] see hil_upset_kind_t; ignored by BIT and STUCK */
  uint64_t bit;   /* position in the target's bit space; bit i is bit i%8 of byte i/8 */
  uint64_t value; /* see hil_upset_kind_t */
} hil_upset_pattern_t;

typedef struct {
  uint64_t offset; /* [byte] in the target */
  uint8_t len;     /* [byte] 1..UPSET_WINDOW_MAX */
  uint8_t keep[UPSET_WINDOW_MAX];
  uint8_t flip[UPSET_WINDOW_MAX];
} hil_upset_window_t;

/* Turn a pattern into its window over a target of |target_len| bytes. A pattern that would cross the
 * end is moved back so that it fits (a word: to the last aligned place).
 * HIL_OK; HIL_ERR_ARG: bit beyond the target, unknown kind, bad width, or a target smaller than the
 * pattern. */
int upset_window(const hil_upset_pattern_t *pattern, uint64_t target_len, hil_upset_window_t *out);

/* out[i] = (in[i] & keep[i]) ^ flip[i] for the window's len bytes; in and out may be the same. */
void upset_apply(const hil_upset_window_t *window, const uint8_t *in, uint8_t *out);
/* cffi:end */

#endif
