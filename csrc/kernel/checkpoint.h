/* Checkpoint and restore of a state region, kept in SECDED memory. SPDX-License-Identifier: Apache-2.0 */
#ifndef HIL_CHECKPOINT_H
#define HIL_CHECKPOINT_H

#include <stddef.h>
#include <stdint.h>

#include "secded.h"
#include "status.h"

/* cffi:begin */
typedef struct {
  secded_memory_t memory; /* spans the words in use: those are what a scrub has to visit */
  size_t capacity;        /* [word] */
  uint64_t frame;  /* frame after which it was taken */
  uint64_t digest; /* digest64 of the region as it was */
  size_t len;      /* [byte] */
  int valid;
} checkpoint_t;

/* Bind to caller-owned memory for regions of up to 8*count bytes. Errors of secded_init. */
int checkpoint_init(checkpoint_t *c, uint64_t *words, uint8_t *checks, size_t count);

/* Copy the region in. HIL_ERR_EXHAUSTED if it does not fit (an older checkpoint stays valid). */
int checkpoint_take(checkpoint_t *c, const uint8_t *region, size_t len, uint64_t frame);

/* Copy it back. HIL_ERR_STATE if there is none, HIL_ERR_ARG if len is not the saved one;
 * HIL_ERR_DAMAGED if the bytes no longer have the saved digest (the region then holds them all the
 * same and must not be trusted). */
int checkpoint_restore(checkpoint_t *c, uint8_t *region, size_t len);
/* cffi:end */

#endif
