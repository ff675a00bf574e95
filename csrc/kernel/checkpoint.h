/* Checkpoints of a state region, kept in SECDED memory. SPDX-License-Identifier: Apache-2.0
 *
 * Two generations: while one is being written, or is found damaged, the other is there. */
#ifndef HIL_CHECKPOINT_H
#define HIL_CHECKPOINT_H

#include <stddef.h>
#include <stdint.h>

#include "secded.h"
#include "status.h"

/* cffi:begin */
enum { CHECKPOINT_GENERATIONS = 2 };

/* One copy of the region. */
typedef struct {
  hil_secded_memory_t memory; /* spans the words in use: those are what a scrub has to visit */
  uint64_t frame;         /* frame after which it was taken */
  uint64_t digest;        /* digest64 of the region as it was */
  size_t len;             /* [byte] */
  int valid;              /* 0 or not, no bool: an upset of TARGET_AGENT may leave any value here */
} hil_checkpoint_copy_t;

typedef struct {
  hil_checkpoint_copy_t copy[CHECKPOINT_GENERATIONS];
  size_t capacity; /* [word] of each copy */
  uint32_t newest; /* index of the copy that was taken last */
} hil_checkpoint_t;

/* Bind to caller-owned memory of |count| words and check bytes, for two copies of a region of up to
 * 8*(count/2) bytes. HIL_OK; HIL_ERR_ARG for null arrays. */
int checkpoint_init(hil_checkpoint_t *c, uint64_t *words, uint8_t *checks, size_t count);

/* Forget both copies. */
void checkpoint_forget(hil_checkpoint_t *c);

/* Copy the region in, in place of the older copy; or of the newer one, if that is of the same frame.
 * HIL_OK; HIL_ERR_EXHAUSTED if it does not fit (nothing is changed). */
int checkpoint_take(hil_checkpoint_t *c, const uint8_t *region, size_t len, uint64_t frame);

/* The copy that was taken last, NULL if there is none. */
hil_checkpoint_copy_t *checkpoint_newest(hil_checkpoint_t *c);

/* The copy of this frame and digest, NULL if there is none. */
hil_checkpoint_copy_t *checkpoint_find(hil_checkpoint_t *c, uint64_t frame, uint64_t digest);

/* Copy it back. HIL_OK; HIL_ERR_STATE if |copy| is NULL, HIL_ERR_ARG if len is not the saved one;
 * HIL_ERR_DAMAGED if its bytes no longer have the saved digest. The region is written only if all is
 * well. */
int checkpoint_restore(hil_checkpoint_copy_t *copy, uint8_t *region, size_t len);

/* Check and correct up to |max_words| words of each copy. Which ones follows from |frame| alone, so that
 * a board which takes the place of another in a resumed run meets the same words in the same frame. */
void checkpoint_scrub(hil_checkpoint_t *c, uint64_t frame, size_t max_words);

/* Words of both copies that were corrected, and found uncorrectable, since init. */
uint64_t checkpoint_corrected(const hil_checkpoint_t *c);
uint64_t checkpoint_uncorrectable(const hil_checkpoint_t *c);
/* cffi:end */

#endif
