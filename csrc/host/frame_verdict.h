/* The verdict of one frame, and its record. SPDX-License-Identifier: Apache-2.0
 *
 * Digest-first: outputs vote, then states (for errors that have not reached an output yet). The same
 * code decides frame by frame, in batches, and when a recording is voted again. */
#ifndef HIL_FRAME_VERDICT_H
#define HIL_FRAME_VERDICT_H

#include <stddef.h>
#include <stdint.h>

#include "status.h"
#include "vote.h"

/* cffi:begin */
/* The result of one node in a frame. The first four are the agent's hil_worker_status_t. */
typedef enum {
  NODE_DONE = 0,
  NODE_CRASHED = 1,
  NODE_HUNG = 2,
  NODE_ABSENT = 3,  /* no worker: it died in an earlier frame */
  NODE_SILENT = 4,  /* no answer in time */
  NODE_EXCLUDED = 5 /* not asked: isolated, or being repaired */
} hil_node_status_t;

typedef enum {
  VERDICT_UNANIMOUS = 1,   /* every voter agrees, in output and state */
  VERDICT_MAJORITY = 2,    /* more than half of the heard voters agree on the output; a node does not,
                              is missing, or differs in state */
  VERDICT_SIMPLEX = 3,     /* only one voter was heard: nothing to compare with */
  VERDICT_NO_MAJORITY = 4, /* voters were heard, but no output has a majority */
  VERDICT_NO_QUORUM = 5    /* no voter was heard */
} hil_verdict_kind_t;

enum {
  FRAME_DELIVERED = 1,    /* an output left the system in this frame */
  FRAME_CORRECT = 2,      /* and it was the golden one (known to the bench, not to the voter) */
  FRAME_RE_EXECUTED = 4,  /* after a rollback */
  FRAME_STATE_SPLIT = 8,  /* the states of the heard voters have no majority */
  FRAME_FAIL_SILENT = 16, /* a voter that is alone delivers nothing: set by the caller, stays set
                             where an output was withheld */
  FRAME_HELD = 32,        /* nothing was delivered, and the output that was voted on last left the
                             system again: set by the caller, kept where nothing is delivered */
  FRAME_HELD_WRONG = 64,  /* and that output was not the golden one of its own frame (known to the
                             bench, not to the voter); only with HELD */
  FRAME_RECORD_HEADER_LEN = 32, /* [byte] of a packed record, then FRAME_RECORD_NODE_LEN per node */
  FRAME_RECORD_NODE_LEN = 18
};

typedef struct {
  uint8_t status; /* hil_node_status_t */
  uint8_t signal; /* of a crashed worker */
  uint64_t output_digest;
  uint64_t state_digest;
} hil_node_result_t;

typedef struct {
  uint64_t frame;
  uint8_t nodes;       /* 1..VOTE_MAX_NODES */
  uint8_t voters;      /* mask: nodes that count; others are compared but do not count */
  uint8_t flags;       /* FRAME_* */
  uint8_t verdict;     /* hil_verdict_kind_t */
  uint8_t agree;       /* mask: heard nodes, voters or not, with the agreed output */
  uint8_t dissent;     /* mask: heard nodes with another output */
  uint8_t latent;      /* mask: heard nodes with another state than the agreed one */
  uint64_t output;     /* agreed digest, 0 if none */
  uint64_t state;      /* agreed digest, 0 if none */
  hil_node_result_t node[VOTE_MAX_NODES];
} hil_frame_verdict_t;

/* Decide: from nodes, voters and node[] to verdict, masks, output, state, and the DELIVERED,
 * STATE_SPLIT, FAIL_SILENT, HELD and HELD_WRONG flags (others are kept). HIL_OK; HIL_ERR_ARG for a
 * null pointer, a node count outside 1..8 or voters beyond it. */
int frame_verdict_decide(hil_frame_verdict_t *f);

/* Pack to the record's bytes (SPEC: hil/record). Returns the length; HIL_ERR_EXHAUSTED if |cap| is less, or for
 * a node count outside 1..8. */
int frame_verdict_pack(const hil_frame_verdict_t *f, uint8_t *out, size_t cap);

/* Unpack one record. Byte 15, who commands by the host's rule, is only checked. Returns its length; HIL_ERR_PAYLOAD if the bytes are short or out of range. */
int frame_verdict_unpack(hil_frame_verdict_t *f, const uint8_t *data, size_t len);
/* cffi:end */

#endif
