/* Drawn experiments: the board draws the faults of a sample by itself. SPDX-License-Identifier: Apache-2.0
 *
 * A list of sites takes four bytes and more for each experiment, which a slow line does not carry as fast as a
 * board works them off. A draw says which faults there are, and which random numbers choose among them: a few
 * bytes for all experiments of a request. Fewer still say what comes next of the same targets: a continuation names
 * them by a check, and has the next part of each and how many. It says all of it, so that it may be repeated. Layouts
 * in SPEC.md, section 4.
 *
 * The faults of a target are ordered by time: position, byte, bit. Of n equal parts of them one is drawn from each:
 * with word i of a Philox stream that of number faults x (i + word / 2^64) / n. */
#ifndef HIL_DRAWS_H
#define HIL_DRAWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "message.h"
#include "status.h"

/* cffi:begin */
enum {
  DRAWS_MAX = 8,           /* targets of one request */
  DRAW_TARGET_BYTES = 45,  /* [byte] of one: what it is, */
  DRAW_PART_BYTES = 6,     /* and what of it is to be drawn */
  DRAW_BYTES = DRAW_TARGET_BYTES + DRAW_PART_BYTES,
  DRAW_CHECK_BYTES = 4,    /* [byte] before the parts of a continuation */
  DRAW_PARTS_MAX = 0x7fffffff
};

/* One target. Do not rely on the last two. */
typedef struct {
  uint64_t key[2];   /* of the stream */
  uint64_t faults;   /* of the target, in all frames of the sample; <= 2^62 */
  uint64_t before;   /* of them, in frames before this one */
  uint32_t parts;    /* that they are divided into; <= DRAW_PARTS_MAX */
  uint32_t part;     /* of the next experiment */
  uint16_t left;     /* experiments, this one included; 0: none, and the last two say nothing */
  uint8_t space;     /* hil_space_t */
  uint32_t first;    /* byte of the space that is the first of the target */
  uint32_t length;   /* [byte] */
  uint64_t position; /* [instruction] of the next experiment */
  uint32_t place;    /* of it: 8 * byte of the target + bit */
} hil_draw_t;

/* The targets that were given last, which a continuation is of. All zeros: none. */
typedef struct {
  uint8_t count;
  uint8_t bytes[DRAWS_MAX][DRAW_TARGET_BYTES];
} hil_draw_targets_t;

/* Read the targets of a request, keep them in |*targets|, and find the first experiment of each |draw[i]|, or of the
 * same targets if it is a continuation: |draw| is DRAWS_MAX long, |*out_count| says how many there are. |*targets| is
 * as before unless HIL_OK.
 * HIL_OK; HIL_ERR_PAYLOAD: malformed, or no experiment; HIL_ERR_ARG: more than CAMPAIGN_DRAWN_MAX; HIL_ERR_STATE: a
 * continuation of other targets. */
int draws_read(hil_draw_targets_t *targets, const hil_campaign_draws_t *m, hil_draw_t *draw,
               uint8_t *out_count);

/* Go to the next experiment. Nothing happens if none is left. */
void draw_next(hil_draw_t *d);
/* cffi:end */

#endif
