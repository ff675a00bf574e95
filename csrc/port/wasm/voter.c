/* The voter for web pages: votes recorded frames again. SPDX-License-Identifier: Apache-2.0
 *
 * csrc/host decides, the same code that decided when the run was recorded: frame_verdict.c, primary.c where a node
 * commands, replicas.c where each node has a voter, value_verdict.c where values are compared (value_voter.c),
 * checked.c where checkers judge a doer (checked_voter.c). This file only gives it to a page. The page writes packed
 * frames, one after another, to the memory at voter_frames() and asks for as many as it wrote; what the vote makes
 * of each is written over it. What a vote cannot determine is kept from the record: the CORRECT flag where an output
 * was delivered, and whether an output was held. */
#include <stdbool.h>

#include "checked_voter.h"
#include "frame_verdict.h"
#include "primary.h"
#include "replicas.h"
#include "value_voter.h"

enum {
  CAPACITY = 64 * 1024, /* [byte] */
  COMMANDS_AT = 15      /* byte of a packed frame */
};

static uint8_t frames[CAPACITY];
static hil_primary_t primary;
static bool has_primary;

/* Where packed frames are written to. */
__attribute__((export_name("voter_frames"))) uint8_t *voter_frames(void) { return frames; }

/* How many bytes fit there. */
__attribute__((export_name("voter_capacity"))) uint32_t voter_capacity(void) { return CAPACITY; }

/* A primary commands, from the first frame of the run on, which is the next one: the rule of hil_primary_t. */
__attribute__((export_name("voter_primary"))) void voter_primary(uint32_t votes, uint32_t in_frames) {
  primary = (hil_primary_t){.votes = votes, .frames = in_frames};
  has_primary = true;
}

/* How often command has passed so far. */
__attribute__((export_name("voter_changes"))) uint32_t voter_changes(void) {
  return (uint32_t)primary.changes;
}

/* Decide a frame again by the rule of the run; with |view| - 1 instead of 0 as the voter of this node. Returns what byte
 * 15 of its record is; a negative status. */
static int decide(hil_frame_verdict_t *f, uint32_t view) {
  if (checked_voter_is_used()) return view ? HIL_ERR_ARG : checked_voter_decide(f);
  if (value_voter_is_used()) return view ? value_voter_decide_view(f, view - 1) : value_voter_decide(f);
  if (!has_primary) return frame_verdict_decide(f);
  const int commands = primary_decide(&primary, f);
  if (commands < 0) return commands;
  const int status = primary_settle(&primary, f, commands);
  return status == HIL_OK ? commands : status;
}

/* Vote on a packed frame of |len| bytes again, into |f| and in place. */
static bool vote_record(hil_frame_verdict_t *f, uint8_t *record, uint32_t len, uint32_t view) {
  if (frame_verdict_unpack(f, record, len) != (int)len) return false;
  const uint8_t kept = f->flags & (FRAME_RE_EXECUTED | FRAME_FAIL_SILENT | FRAME_HELD | FRAME_HELD_WRONG);
  const uint64_t golden = f->output;
  const bool correct = (f->flags & FRAME_CORRECT) != 0;
  f->flags = kept;
  const int commands = decide(f, view);
  if (commands < 0) return false;
  if (correct && (f->flags & FRAME_DELIVERED) && f->output == golden) f->flags |= FRAME_CORRECT;
  if (frame_verdict_pack(f, record, len) != (int)len) return false;
  record[COMMANDS_AT] = (uint8_t)commands;
  return true;
}

/* Vote on the |count| packed frames of |len| bytes each again, in place. Returns how many could be read: less than
 * |count| if the next one is damaged, or does not fit. */
__attribute__((export_name("voter_again"))) uint32_t voter_again(uint32_t count, uint32_t len) {
  for (uint32_t i = 0; i < count; i++) {
    hil_frame_verdict_t f;
    const uint32_t at = i * len;
    if (!len || len > CAPACITY || at > CAPACITY - len) return i;
    if (!vote_record(&f, frames + at, len, 0)) return i;
  }
  return count;
}

/* Vote on one frame of which each node in the mask |receivers| has a voter with its own view: the packed frame, then
 * the packed verdict of each of these voters, of |len| bytes each. Each votes again, in place, and the frame becomes
 * what they decide together. Returns 1; 0 if one of them is damaged, is of another frame, or does not fit. */
__attribute__((export_name("voter_replicas"))) uint32_t voter_replicas(uint32_t receivers, uint32_t len) {
  hil_frame_verdict_t sent, of[VOTE_MAX_NODES], out;
  uint8_t alike[VOTE_MAX_NODES];
  uint32_t at = len;
  if (has_primary || !receivers || receivers >> VOTE_MAX_NODES || len > CAPACITY / (1 + VOTE_MAX_NODES))
    return 0;
  if (frame_verdict_unpack(&sent, frames, len) != (int)len) return 0;
  for (uint32_t i = 0; i < VOTE_MAX_NODES; i++) {
    if (!(receivers >> i & 1u)) continue;
    if (!vote_record(&of[i], frames + at, len, 1 + i) || of[i].frame != sent.frame) return 0;
    at += len;
  }
  if (replicas_alike(of, (uint8_t)receivers, alike) != HIL_OK) return 0;
  if (value_voter_is_used()) value_voter_alike(of, receivers, alike);
  const int centre = replicas_combine(&sent, of, (uint8_t)receivers, alike, &out);
  if (centre < 0) return 0;
  if (centre && value_voter_is_used()) value_voter_settle_view((uint32_t)centre - 1);
  return frame_verdict_pack(&out, frames, len) == (int)len;
}
