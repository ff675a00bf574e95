/* Philox4x64-10, the pinned counter-based generator. SPDX-License-Identifier: Apache-2.0
 *
 * Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC'11. One stream per component:
 * key = (run seed, stream id); equal to NumPy's Philox with that key and counter. */
#ifndef HIL_PHILOX_H
#define HIL_PHILOX_H

#include <stdint.h>

/* cffi:begin */
/* Opaque but visible so that callers own it. Do not rely on the contents. */
typedef struct {
  uint64_t key[2];
  uint64_t counter[4];
  uint64_t block[4];
  uint32_t used; /* words of block already given out; 4 = none left */
} hil_philox_t;

/* One block: ten rounds over |counter| with |key|. */
void philox_block(const uint64_t counter[4], const uint64_t key[2], uint64_t out[4]);

/* Start a stream at its beginning. As in NumPy, the counter is incremented before each block. */
void philox_init(hil_philox_t *p, uint64_t seed, uint64_t stream);

/* The next 64 random bits. */
uint64_t philox_next(hil_philox_t *p);

/* A value uniform in [0, bound), without bias (Lemire's multiply-and-reject); 0 if bound is 0. */
uint64_t philox_below(hil_philox_t *p, uint64_t bound);
/* cffi:end */

#endif
