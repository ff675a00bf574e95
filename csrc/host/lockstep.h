/* The verdict of one frame, and its record. SPDX-License-Identifier: Apache-2.0
 *
 * Digest-first: outputs vote, then states (for errors that have not reached an output yet). The same
 * code decides frame by frame, in batches, and when a recording is voted again. */
#ifndef HIL_LOCKSTEP_H
#define HIL_LOCKSTEP_H

#include <stddef.h>
#include <stdint.h>

#include "status.h"
#include "vote.h"

/* cffi:begin */
/* What came of one node in a frame. The first four are the agent's hil_worker_status_t. */
typedef enum {
  NODE_DONE = 0,
  NODE_CRASHED = 1,
  NODE_HUNG = 2,
  NODE_ABSENT = 3,  /* no worker: it died in an earlier frame */
  NODE_SILENT = 4,  /* nothing was heard from it in time */
  NODE_EXCLUDED = 5 /* not asked: isolated, or being repaired */
} hil_node_status_t;

typedef enum {
  VERDICT_UNANIMOUS = 1,   /* every voter agrees, in output and state */
  VERDICT_MAJORITY = 2,    /* more than half of the heard voters agree on the output; somebody does not,
                              is missing, or differs in state */
  VERDICT_SIMPLEX = 3,     /* only one voter was heard: nothing to compare with */
  VERDICT_NO_MAJORITY = 4, /* voters were heard, but no output has a majority */
  VERDICT_NO_QUORUM = 5    /* no voter was heard */
} hil_verdict_kind_t;

enum {
  LOCKSTEP_DELIVERED = 1,   /* an output left the system in this frame */
  LOCKSTEP_CORRECT = 2,     /* and it was the golden one (known to the bench, not to the voter) */
  LOCKSTEP_RE_EXECUTED = 4, /* after a rollback */
  LOCKSTEP_STATE_SPLIT = 8, /* the states of the heard voters have no majority */
  LOCKSTEP_FAIL_SILENT = 16, /* a voter that is alone delivers nothing: set by who asks, kept where it
                                has kept an output back */
  LOCKSTEP_HELD = 32,       /* nothing was delivered, and the output that was voted on last left the system
                               again: set by who asks, kept where nothing is delivered */
  LOCKSTEP_HELD_WRONG = 64, /* and that output was not the golden one of its own frame (known to the bench,
                               not to the voter); only with HELD */
  LOCKSTEP_HEADER_LEN = 32, /* [byte] of a packed record, then LOCKSTEP_NODE_LEN per node */
  LOCKSTEP_NODE_LEN = 18
};

typedef struct {
  uint8_t status; /* hil_node_status_t */
  uint8_t signal; /* of a crashed worker */
  uint64_t output_digest;
  uint64_t state_digest;
} hil_lockstep_node_t;

typedef struct {
  uint64_t frame;
  uint8_t nodes;       /* 1..VOTE_MAX_NODES */
  uint8_t voters;      /* mask: who counts; others are compared but do not count */
  uint8_t flags;       /* LOCKSTEP_* */
  uint8_t verdict;     /* hil_verdict_kind_t */
  uint8_t agree;       /* mask: heard nodes, voters or not, with the agreed output */
  uint8_t dissent;     /* mask: heard nodes with another output */
  uint8_t latent;      /* mask: heard nodes with another state than the agreed one */
  uint64_t output;     /* agreed digest, 0 if none */
  uint64_t state;      /* agreed digest, 0 if none */
  hil_lockstep_node_t node[VOTE_MAX_NODES];
} hil_lockstep_frame_t;

/* Decide: from nodes, voters and node[] to verdict, masks, output, state, and the DELIVERED,
 * STATE_SPLIT, FAIL_SILENT, HELD and HELD_WRONG flags (others are kept). HIL_OK; HIL_ERR_ARG for a
 * null pointer, a node count outside 1..7 or voters beyond it. */
int lockstep_vote(hil_lockstep_frame_t *f);

/* Pack to the record's bytes (SPEC: hil/record). Returns the length; HIL_ERR_EXHAUSTED if |cap| is less, or for
 * a node count outside 1..7. */
int lockstep_pack(const hil_lockstep_frame_t *f, uint8_t *out, size_t cap);

/* Unpack one record. Returns its length; HIL_ERR_PAYLOAD if the bytes are short or out of range. */
int lockstep_unpack(hil_lockstep_frame_t *f, const uint8_t *data, size_t len);
/* cffi:end */

#endif
