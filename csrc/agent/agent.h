/* The agent: the program on the board, one source for every board. SPDX-License-Identifier: Apache-2.0
 *
 * It answers the host, runs one worker step per frame, injects upsets into the live worker at a program
 * position and reads them back, and survives whatever they do to the worker. It allocates nothing: all
 * of it is in hil_agent_t, and the port gives it the workload's memory. */
#ifndef HIL_AGENT_H
#define HIL_AGENT_H

#include <stddef.h>
#include <stdint.h>

#include "checkpoint.h"
#include "frame.h"
#include "message.h"
#include "port.h"
#include "status.h"
#include "upset.h"
#include "workload.h"

enum {
  AGENT_UPSETS_MAX = 64,                /* armed upsets and reports kept */
  AGENT_STUCK_MAX = 16,                 /* stuck bits held at once */
  AGENT_ADVANCE_MAX = 1000000,          /* [instruction] behind a tick: the agent hears nothing while it
                                           counts them (seconds on a slow board) */
  AGENT_RESET_PATIENCE_US = 500000,     /* [us] for the link to take the answer to RESET */
  AGENT_TX_CAP = 8 * WIRE_FRAME_MAX,    /* [byte] answers waiting for the link */
  AGENT_CHECKPOINT_BYTES = 1u << 21     /* [byte] for two copies of the largest state */
};

/* One armed upset and what became of it. */
typedef struct {
  hil_arm_t arm;
  hil_report_t report;
  uint8_t used;
  uint8_t settled; /* its frame has told of it */
} hil_agent_upset_t;

/* A cell that no longer holds what is written to it. */
typedef struct {
  uint8_t used;
  uint8_t target;        /* hil_target_t */
  uint64_t until_frame;  /* last frame it lasts; all ones: until LOAD */
  uint64_t from_end;     /* [byte] from the window's begin to the target's end, which does not move when
                            the stack grows */
  hil_upset_window_t window; /* offset as it was when hit */
} hil_agent_stuck_t;

/* Opaque but visible so that callers own it. Do not rely on the contents.
 *
 * In two parts: the bench's own, which no upset may hit, and the memory with which the agent computes and
 * serves, which TARGET_AGENT is made of (agent_memory.c says what of it, and why not the rest). */
typedef struct {
  /* --- the bench's own --- */
  hil_port_t port;
  const hil_workload_t *workload;
  hil_port_memory_t memory;
  uint64_t boot_id;
  uint64_t booted_us;

  hil_agent_upset_t upsets[AGENT_UPSETS_MAX];
  uint32_t upset_next;
  uint8_t disturbed; /* an upset may be armed or a stuck bit held; zero spares looking for one */
  hil_agent_stuck_t stuck[AGENT_STUCK_MAX];
  uint8_t wounded;   /* its memory was hit: so many frames are to be asked for by message */
  uint8_t untold;    /* |wound| is the report of that hit, which the host has not asked for yet */
  hil_report_t wound;

  /* --- the agent's memory: from |decoder| to |restarts| --- */
  hil_wire_decoder_t decoder;
  int8_t complaint; /* why bytes were no frame, not told yet; 0: none */
  uint8_t tx[AGENT_TX_CAP];
  uint32_t tx_head, tx_fill;
  uint64_t tx_bytes, tx_frames, duplicates;

  /* The last answer, for a request that is repeated. */
  uint8_t answered_type;
  uint16_t answered_seq;
  uint16_t answer_len;
  uint8_t answer_valid;
  uint8_t answer[WIRE_FRAME_MAX];

  /* A READ being streamed out. */
  hil_range_t stream;
  uint16_t stream_seq;
  uint8_t streaming;

  hil_budget_t budget;
  uint64_t done_frame; /* last completed frame; all ones: none */

  uint8_t worker_alive;
  uint8_t running;      /* a step is under way, or its answer withheld */
  uint8_t runaway;      /* its tick count passed the budget */
  uint8_t resetting;
  uint64_t reset_by_us; /* give up on the link and start anew */
  uint16_t step_seq;
  uint64_t step_frame;
  uint8_t last_reply[512]; /* of done_frame, while last_reply_len is not 0 */
  uint32_t last_reply_len;

  /* Limits, and how the time of a step was spent under them. */
  uint16_t duty_permille;
  uint8_t suspended;
  uint8_t held;     /* the step has ended, |reply| waits for its time */
  uint8_t standing; /* the worker stands still for a limit, or because its step has ended */
  uint64_t step_began_us;
  uint64_t stands_since_us, stood_us;         /* now, and before within this step */
  uint64_t suspended_since_us, suspended_us;
  uint64_t slice_began_us; /* busy time of the step when the worker last went on */
  hil_reply_t reply;

  /* The line's rate (agent_baud.c). */
  uint8_t baud_state;
  uint32_t baud_next;
  uint64_t baud_at_us;      /* when the state ends by itself */
  uint64_t baud_left_us;    /* when the last byte had left for the line; 0: not yet */
  uint32_t garbage_bytes;   /* arrived since the last good frame, */
  uint64_t garbage_since_us; /* the first of them at this time */

  uint32_t steps, crashes, hangs, restarts;

  /* --- the books of the checkpoints are the agent's memory, too; where they lie is not --- */
  hil_checkpoint_t checkpoint;
} hil_agent_t;

/* Start an agent on |port|; |words| and |checks| (capacity |count| each) hold the checkpoint. Announces
 * itself to the host with an unasked HELLO answer (seq 0). HIL_ERR_ARG for null pointers. */
int agent_init(hil_agent_t *a, const hil_port_t *port, uint64_t boot_id, uint64_t *words, uint8_t *checks,
               size_t count);

/* Bytes have arrived. */
void agent_receive(hil_agent_t *a, const uint8_t *bytes, size_t len);

/* Let everything proceed: the step, its budget, answers waiting for the link. Returns the time in us
 * after which it must be called again even if nothing happens; UINT32_MAX: no need. */
uint32_t agent_poll(hil_agent_t *a);

/* Answers wait for the link to take them. */
int agent_tx_pending(const hil_agent_t *a);

/* The port calls this when the worker stands still at |tick|. Non-zero: abandon the step. */
int agent_on_tick(hil_agent_t *a, uint32_t tick);

/* [us] for which the duty still withholds the answer of the step that ended last. A port with a virtual
 * clock lets it go on by so much; agent_poll and a quiet step need no more. */
uint64_t agent_withheld_us(const hil_agent_t *a);

/* Could agent_step_quiet run |frame|? HIL_OK, or HIL_ERR_STATE. */
int agent_quiet_ready(const hil_agent_t *a, uint64_t frame);

/* One fault-free step without any message, for a host in the same process that runs quiet stretches in
 * one go: as HIL_MSG_STEP with the input already in place. Returns the hil_worker_status_t, and the digests of
 * output and state (zero unless WORKER_DONE); HIL_ERR_STATE, with nothing done, if there is no worker at
 * rest, it is suspended, an upset is armed, a stuck bit held, or |frame| is not the next. */
int agent_step_quiet(hil_agent_t *a, uint64_t frame, uint64_t *out_output, uint64_t *out_state);

/* Keep a copy of the state after |frame|, if it has this digest, as CHECKPOINT does. HIL_ERR_STATE
 * (another frame), HIL_ERR_DAMAGED (another digest), HIL_ERR_EXHAUSTED (it does not fit). */
int agent_keep_checkpoint(hil_agent_t *a, uint64_t frame, uint64_t state_digest);

/* The report of the upset that hit the agent's memory last, if the host has not asked for it. A port keeps
 * it over the reset that may follow, as a board keeps the cause of its reset. 0 if there is none. */
int agent_last_wound(const hil_agent_t *a, hil_report_t *out);

/* In the next life: the host may ask for it. */
void agent_remember_wound(hil_agent_t *a, const hil_report_t *report);

/* cffi:begin */
/* [byte] that TARGET_AGENT spans in an agent of this program's processor. */
size_t agent_memory_len(void);
/* cffi:end */

#endif
