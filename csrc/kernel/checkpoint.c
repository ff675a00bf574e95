/* Checkpoint and restore. SPDX-License-Identifier: Apache-2.0
 *
 * The saved bytes lie in SECDED memory, so that upsets that hit the checkpoint while it waits are
 * put right by reading or scrubbing. The digest has the last word: it tells whether the bytes given
 * back are those that were saved, whatever the memory believes. It catches three wrong bits in one
 * word, which SECDED may miscorrect, and acquits two wrong check bits, which leave the data intact.
 *
 * Invariants:
 *   1. valid is set only while the store holds, as written, all of the last region taken.
 *   2. A region that does not fit changes nothing: an older checkpoint stays valid.
 *   3. HIL_OK from checkpoint_restore means the saved digest was found again. */
#include "checkpoint.h"

#include <string.h>

#include "digest.h"

int checkpoint_init(checkpoint_t *c, uint64_t *words, uint8_t *checks, size_t count) {
  memset(c, 0, sizeof *c);
  c->capacity = count;
  return secded_init(&c->memory, words, checks, count);
}

int checkpoint_take(checkpoint_t *c, const uint8_t *region, size_t len, uint64_t frame) {
  const size_t count = len / sizeof(uint64_t) + (len % sizeof(uint64_t) != 0);
  if (count > c->capacity) {
    return HIL_ERR_EXHAUSTED;
  }
  c->valid = 0; /* should this be cut short half way, a torn copy must not be restored */
  c->memory.count = count;
  if (c->memory.cursor >= count) {
    c->memory.cursor = 0;
  }
  const int status = secded_write(&c->memory, region, len);
  if (status != HIL_OK) {
    return status;
  }
  c->frame = frame;
  c->digest = digest64(region, len, 0);
  c->len = len;
  c->valid = 1;
  return HIL_OK;
}

int checkpoint_restore(checkpoint_t *c, uint8_t *region, size_t len) {
  if (!c->valid) {
    return HIL_ERR_STATE;
  }
  if (len != c->len) {
    return HIL_ERR_ARG;
  }
  const int status = secded_read(&c->memory, region, len);
  if (status != HIL_OK && status != HIL_ERR_DAMAGED) {
    return status; /* nothing was copied */
  }
  return digest64(region, len, 0) == c->digest ? HIL_OK : HIL_ERR_DAMAGED;
}
