/* The voter for web pages: votes recorded frames again. SPDX-License-Identifier: Apache-2.0
 *
 * csrc/host/frame_verdict.c decides, the same code that decided when the run was recorded; this file only gives it
 * to a page. The page writes packed frames, one after another, to the memory at voter_frames() and asks for as many
 * as it wrote; voter_again() writes what the vote makes of each over it. What a vote cannot determine is kept from
 * the record: the CORRECT flag where an output was delivered, and whether an output was held. */
#include "frame_verdict.h"

enum { CAPACITY = 64 * 1024 }; /* [byte] */

static uint8_t frames[CAPACITY];

/* Where packed frames are written to. */
__attribute__((export_name("voter_frames"))) uint8_t *voter_frames(void) { return frames; }

/* How many bytes fit there. */
__attribute__((export_name("voter_capacity"))) uint32_t voter_capacity(void) { return CAPACITY; }

/* Vote on the |count| packed frames of |len| bytes each again, in place. Returns how many could be read: less than
 * |count| if the next one is damaged, or does not fit. */
__attribute__((export_name("voter_again"))) uint32_t voter_again(uint32_t count, uint32_t len) {
  for (uint32_t i = 0; i < count; i++) {
    hil_frame_verdict_t f;
    const uint32_t at = i * len;
    if (!len || len > CAPACITY || at > CAPACITY - len) return i;
    if (frame_verdict_unpack(&f, frames + at, len) != (int)len) return i;
    const uint8_t kept = f.flags & (FRAME_RE_EXECUTED | FRAME_FAIL_SILENT | FRAME_HELD | FRAME_HELD_WRONG);
    const uint64_t golden = f.output;
    const int correct = f.flags & FRAME_CORRECT;
    f.flags = kept;
    if (frame_verdict_decide(&f) != HIL_OK) return i;
    if (correct && (f.flags & FRAME_DELIVERED) && f.output == golden) f.flags |= FRAME_CORRECT;
    if (frame_verdict_pack(&f, frames + at, len) != (int)len) return i;
  }
  return count;
}
