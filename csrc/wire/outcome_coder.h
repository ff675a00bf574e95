/* Outcomes of experiments, coded by what the ones before have been. SPDX-License-Identifier: Apache-2.0
 *
 * Each outcome is up to three bits, and a detail eight (SPEC.md, section 4). The model of a bit depends on the target,
 * on the last outcome of the same byte, and on the bits before it of the same outcome or detail: most experiments
 * come to what their byte has come to before, and take less than a bit. Experiments that are listed are neighbours:
 * there a detail is also expected to be near to the one before. Each answer begins with models that have learnt
 * nothing, so that it can be read alone. */
#ifndef HIL_OUTCOME_CODER_H
#define HIL_OUTCOME_CODER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bit_coder.h"
#include "draws.h"
#include "message.h"

/* cffi:begin */
enum {
  OUTCOME_SLOTS = 1024, /* bytes whose last outcome is known; others share one */
  OUTCOME_CONTEXTS = 5, /* hil_outcome_t of it, or none so far */
  OUTCOME_CODE_BITS = 3, /* of an outcome, at most */
  OUTCOME_DETAIL_BITS = 8,
  OUTCOME_NEARNESS = 5 /* of the first bits of a detail to those of the one before */
};

typedef struct {
  hil_bit_coder_t bits;
  uint8_t last[OUTCOME_SLOTS]; /* 1 + hil_outcome_t of the byte; 0: none so far */
  hil_bit_model_t code[DRAWS_MAX][OUTCOME_CONTEXTS][OUTCOME_CODE_BITS];
  hil_bit_model_t detail[DRAWS_MAX][2][1 << OUTCOME_DETAIL_BITS]; /* of SDC, of failures */
  uint8_t is_near;   /* 1: of neighbours. What follows is used only then */
  uint8_t before[2]; /* the last detail of SDC, of a failure */
  hil_bit_model_t near[2][OUTCOME_NEARNESS][2][OUTCOME_DETAIL_BITS];
} hil_outcome_coder_t;

/* Of which byte an experiment was: number |byte| of target number |target|, which is below DRAWS_MAX. */
typedef struct {
  uint32_t byte;
  uint8_t target;
} hil_outcome_of_t;
/* cffi:end */

/* Whether an outcome has a byte more. */
static inline bool outcome_has_detail(hil_outcome_t outcome) {
  return outcome == OUTCOME_SDC || outcome == OUTCOME_FAILED;
}

/* Write outcomes into |out|: begin; outcomes while outcome_coder_has_room; end, which returns the length. |is_near|:
 * of experiments that are neighbours. */
void outcome_coder_begin(hil_outcome_coder_t *c, bool is_near);
bool outcome_coder_has_room(const hil_outcome_coder_t *c, size_t cap);
void outcome_coder_put(hil_outcome_coder_t *c, uint8_t *out, const hil_outcome_of_t *of,
                       hil_outcome_t outcome, uint8_t detail);
uint32_t outcome_coder_end(hil_outcome_coder_t *c, uint8_t *out);

/* Read them from |len| bytes, any bytes: open; as many as were written; whether the bytes end there.
 * |*out_detail| is 0 for an outcome that has none. */
void outcome_coder_open(hil_outcome_coder_t *c, bool is_near, const uint8_t *in, size_t len);
hil_outcome_t outcome_coder_get(hil_outcome_coder_t *c, const uint8_t *in, size_t len,
                                const hil_outcome_of_t *of, uint8_t *out_detail);
bool outcome_coder_at_end(const hil_outcome_coder_t *c, const uint8_t *in, size_t len);

#endif
