/* Checkpoints. SPDX-License-Identifier: Apache-2.0
 *
 * The saved bytes lie in SECDED memory, so that upsets that hit a checkpoint while it waits are
 * corrected by reading or scrubbing. The digest decides: it shows whether the bytes are those
 * that were saved, whatever their check bits say. It catches three wrong bits in one word, which SECDED
 * may miscorrect, and accepts two wrong check bits, which leave the data intact.
 *
 * Invariants:
 *   1. valid is set only while the copy holds, as written, all of the region it was taken of.
 *   2. A region that does not fit changes nothing: older copies stay valid.
 *   3. HIL_OK from checkpoint_restore means the saved digest was found again; any other result leaves
 *      the region as it was.
 *   4. Taking a checkpoint never touches the copy that was the newest, unless it is of the same frame. */
#include "checkpoint.h"

#include <stdbool.h>
#include <string.h>

#include "digest.h"

int checkpoint_init(hil_checkpoint_t *c, uint64_t *words, uint8_t *checks, size_t count) {
  memset(c, 0, sizeof *c);
  c->capacity = count / CHECKPOINT_GENERATIONS;
  for (size_t i = 0; i < CHECKPOINT_GENERATIONS; i++) {
    uint64_t *const own_words = words ? words + i * c->capacity : NULL;
    uint8_t *const own_checks = checks ? checks + i * c->capacity : NULL;
    const int status = secded_init(&c->copy[i].memory, own_words, own_checks, c->capacity);
    if (status != HIL_OK) {
      return status;
    }
  }
  return HIL_OK;
}

void checkpoint_forget(hil_checkpoint_t *c) {
  for (size_t i = 0; i < CHECKPOINT_GENERATIONS; i++) {
    c->copy[i].valid = 0;
  }
}

hil_checkpoint_copy_t *checkpoint_newest(hil_checkpoint_t *c) {
  hil_checkpoint_copy_t *const copy = &c->copy[c->newest % CHECKPOINT_GENERATIONS];
  return copy->valid ? copy : NULL;
}

hil_checkpoint_copy_t *checkpoint_find(hil_checkpoint_t *c, uint64_t frame, uint64_t digest) {
  for (size_t i = 0; i < CHECKPOINT_GENERATIONS; i++) {
    hil_checkpoint_copy_t *const copy = &c->copy[i];
    if (copy->valid && copy->frame == frame && copy->digest == digest) {
      return copy;
    }
  }
  return NULL;
}

int checkpoint_take(hil_checkpoint_t *c, const uint8_t *region, size_t len, uint64_t frame) {
  const size_t count = len / sizeof(uint64_t) + (len % sizeof(uint64_t) != 0);
  if (count > c->capacity) {
    return HIL_ERR_EXHAUSTED;
  }
  const hil_checkpoint_copy_t *const newest = checkpoint_newest(c);
  const bool same = newest && newest->frame == frame;
  const uint32_t index = (c->newest + (same ? 0u : 1u)) % CHECKPOINT_GENERATIONS;
  hil_checkpoint_copy_t *const copy = &c->copy[index];
  copy->valid = 0; /* should this be cut short half way, a torn copy must not be restored */
  copy->memory.count = count;
  if (copy->memory.cursor >= count) {
    copy->memory.cursor = 0;
  }
  const int status = secded_write(&copy->memory, region, len);
  if (status != HIL_OK) {
    return status;
  }
  copy->frame = frame;
  copy->digest = hil_digest64(region, len, 0);
  copy->len = len;
  copy->valid = 1;
  c->newest = index;
  return HIL_OK;
}

int checkpoint_restore(hil_checkpoint_copy_t *copy, uint8_t *region, size_t len) {
  if (!copy || !copy->valid) {
    return HIL_ERR_STATE;
  }
  if (len != copy->len) {
    return HIL_ERR_ARG;
  }
  const int status = secded_check(&copy->memory, len); /* correct first: nothing has been written yet */
  if (status != HIL_OK && status != HIL_ERR_DAMAGED) {
    return status;
  }
  if (hil_digest64(secded_bytes(&copy->memory), len, 0) != copy->digest) {
    return HIL_ERR_DAMAGED;
  }
  memcpy(region, secded_bytes(&copy->memory), len);
  return HIL_OK;
}

void checkpoint_scrub(hil_checkpoint_t *c, uint64_t frame, size_t max_words) {
  for (size_t i = 0; i < CHECKPOINT_GENERATIONS; i++) {
    hil_secded_memory_t *const memory = &c->copy[i].memory;
    if (c->copy[i].valid && memory->count) {
      memory->cursor = (size_t)(frame * max_words % memory->count);
      (void)secded_scrub(memory, max_words);
    }
  }
}

uint64_t checkpoint_corrected(const hil_checkpoint_t *c) {
  uint64_t sum = 0;
  for (size_t i = 0; i < CHECKPOINT_GENERATIONS; i++) {
    sum += c->copy[i].memory.corrected;
  }
  return sum;
}

uint64_t checkpoint_uncorrectable(const hil_checkpoint_t *c) {
  uint64_t sum = 0;
  for (size_t i = 0; i < CHECKPOINT_GENERATIONS; i++) {
    sum += c->copy[i].memory.uncorrectable;
  }
  return sum;
}
