/* Drawn experiments: the board draws the faults of a sample by itself. SPDX-License-Identifier: Apache-2.0
 *
 * A list of sites takes four bytes and more for each experiment, which a slow line does not carry as fast as a
 * board works them off. A draw says which faults there are, and which random numbers choose among them: a few
 * bytes for all experiments of a request. Layout in SPEC.md, section 4.
 *
 * The faults of a target are ordered by time: position, byte, bit. Of n equal parts of them one is drawn from each:
 * with word i of a Philox stream that of number faults x (i + word / 2^64) / n. */
#ifndef HIL_DRAWS_H
#define HIL_DRAWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "status.h"

/* cffi:begin */
enum {
  DRAWS_MAX = 8,   /* targets of one request */
  DRAW_BYTES = 51, /* [byte] of one in a request */
  DRAW_PARTS_MAX = 0x7fffffff
};

/* One target. Do not rely on the last two. */
typedef struct {
  uint64_t key[2];   /* of the stream */
  uint64_t faults;   /* of the target, in all frames of the sample; <= 2^62 */
  uint64_t before;   /* of them, in frames before this one */
  uint32_t parts;    /* that they are divided into; <= DRAW_PARTS_MAX */
  uint32_t part;     /* of the next experiment */
  uint16_t left;     /* experiments */
  uint8_t space;     /* hil_space_t */
  uint32_t first;    /* byte of the space that is the first of the target */
  uint32_t length;   /* [byte] */
  uint64_t position; /* [instruction] of the next experiment */
  uint32_t place;    /* of it: 8 * byte of the target + bit */
} hil_draw_t;

/* Read one target from DRAW_BYTES bytes, and find its first experiment. Whether it is one: |*d| is not to be used
 * otherwise. */
bool draw_read(hil_draw_t *d, const uint8_t *bytes);

/* Go to the next experiment. Nothing happens if none is left. */
void draw_next(hil_draw_t *d);
/* cffi:end */

#endif
