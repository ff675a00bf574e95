/* Voting: bit by bit over buffers, and by class over digests. SPDX-License-Identifier: Apache-2.0 */
#ifndef HIL_VOTE_H
#define HIL_VOTE_H

#include <stddef.h>
#include <stdint.h>

#include "status.h"

/* cffi:begin */
enum { VOTE_MAX_NODES = 8 };

/* Which nodes differ from the voted value, and where. Entries of nodes that did not take part are zero
 * (first_diff: len). */
typedef struct {
  uint32_t dissent_mask;                /* bit i set: node i differs somewhere */
  uint64_t first_diff[VOTE_MAX_NODES];  /* [byte] first offset that differs, or len */
  uint64_t diff_bits[VOTE_MAX_NODES];   /* [bit] how many bits differ */
} hil_vote_bits_t;

/* Outcome of a vote by class: nodes with equal digests form a class. */
typedef struct {
  int32_t winner;        /* lowest node index of the winning class, -1 if none wins */
  uint32_t agree_mask;   /* members of the winning class */
  uint32_t dissent_mask; /* present nodes outside it; 0 if none wins */
  uint32_t classes;      /* how many distinct digests were present */
} hil_vote_class_t;

/* Bitwise majority of three buffers of |len| bytes into |out| (which may be one of the inputs, but
 * not overlap it otherwise). out = (a&b)|(b&c)|(a&c): it can be a value that no node produced.
 * HIL_OK; HIL_ERR_ARG for a null out_where, or a null buffer with len > 0 (nothing is written). */
int vote_bitwise3(const uint8_t *a, const uint8_t *b, const uint8_t *c, uint8_t *out, size_t len,
                  hil_vote_bits_t *out_where);

/* Bitwise majority of |n| = 1, 3, 5 or 7 buffers of |len| bytes. As vote_bitwise3 otherwise.
 * HIL_OK; HIL_ERR_ARG for another n or a null pointer. */
int vote_bitwise(const uint8_t *const *inputs, int n, uint8_t *out, size_t len, hil_vote_bits_t *out_where);

/* Exact majority over the digests of the nodes in |present_mask| (bit i = node i, i < n <= 8):
 * the class with more than half of the present nodes. HIL_OK also when none wins (winner -1);
 * HIL_ERR_ARG for n outside 1..8 or mask bits beyond n. */
int vote_exact(const uint64_t *digests, int n, uint32_t present_mask, hil_vote_class_t *out);

/* Plurality (m of n): the largest class, if it is the only one of its size and has at least
 * |quorum| members (1..n). HIL_OK; HIL_ERR_ARG as vote_exact, or for another quorum. */
int vote_plurality(const uint64_t *digests, int n, uint32_t present_mask, int quorum, hil_vote_class_t *out);
/* cffi:end */

#endif
