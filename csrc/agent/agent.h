/* The agent: the program on the board, one source for every board. SPDX-License-Identifier: Apache-2.0
 *
 * It answers the host, runs one worker step per frame, injects upsets into the live worker at a program
 * position and reads them back, and survives whatever they do to the worker. It allocates nothing: all
 * of it is in hil_agent_t, and the port gives it the workload's memory. */
#ifndef HIL_AGENT_H
#define HIL_AGENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent_config.h"
#include "checkpoint.h"
#include "frame.h"
#include "message.h"
#include "port.h"
#include "status.h"
#include "upset.h"
#include "workload.h"

/* One armed upset and what became of it. */
typedef struct {
  hil_arm_t arm;
  hil_report_t report;
  hil_watch_t watch; /* of what it changed */
  bool used;
  bool settled; /* its frame has ended and has reported it */
} hil_agent_upset_t;

/* A cell that no longer holds what is written to it. */
typedef struct {
  bool used;
  uint8_t target;        /* hil_target_t */
  uint64_t until_frame;  /* last frame it lasts; all ones: until LOAD */
  uint64_t from_end;     /* [byte] from the window's begin to the target's end, which does not move when
                            the stack grows */
  hil_upset_window_t window; /* offset as it was when hit */
} hil_agent_stuck_t;

/* Where the agent is in its life, as agent_state.c draws it. */
typedef enum {
  AGENT_EMPTY = 0,     /* no workload is loaded */
  AGENT_READY = 1,     /* a worker is at rest before the next step */
  AGENT_RUNNING = 2,   /* a step is under way, or its answer withheld */
  AGENT_NO_WORKER = 3  /* the worker died; its memory is kept */
} hil_agent_state_t;

/* What arms and carries out upsets. Not a target itself: it must not misreport what it did. */
typedef struct {
  hil_agent_upset_t upsets[AGENT_UPSETS_MAX];
  uint32_t next;          /* slot that is looked at first for a new upset */
  bool disturbed;         /* an upset may be armed or a stuck bit held; false spares looking for one */
  hil_agent_stuck_t stuck[AGENT_STUCK_MAX];
  uint8_t message_frames; /* the agent's memory was hit: this many frames must be asked for by message */
  bool hit_unreported;    /* |memory_hit| reports that hit, and the host has not asked for it yet */
  hil_report_t memory_hit;
} hil_agent_injector_t;

/* Bytes in and out (agent_link.c). */
typedef struct {
  hil_wire_decoder_t decoder;
  int8_t nak_reason; /* why bytes were not a frame, not reported yet; 0: none */
  uint8_t tx[AGENT_TX_CAP];
  uint32_t tx_head, tx_fill;
  uint64_t tx_bytes, tx_frames, duplicates;
} hil_agent_link_t;

/* The last answer, for a request that is repeated. */
typedef struct {
  uint8_t type;
  uint16_t seq;
  uint16_t len;
  uint8_t valid;
  uint8_t bytes[WIRE_FRAME_MAX];
} hil_agent_answer_t;

/* A READ being streamed out. */
typedef struct {
  hil_range_t range; /* what remains of it */
  uint16_t seq;
  uint8_t active;
} hil_agent_stream_t;

typedef struct {
  uint8_t alive;
  uint8_t running; /* a step is under way, or its answer withheld */
  uint8_t runaway; /* its tick count passed the budget */
} hil_agent_worker_t;

/* The step that was begun last. */
typedef struct {
  uint16_t seq;
  uint64_t frame;
} hil_agent_step_t;

/* The answer to the STEP of done_frame, while |len| is not 0. */
typedef struct {
  uint8_t bytes[512];
  uint32_t len;
} hil_agent_last_reply_t;

/* Limits that hold (agent_limits.c). */
typedef struct {
  uint16_t duty_permille;
  uint8_t suspended;
  uint8_t held;     /* the step has ended, |reply| waits for its time */
  uint8_t standing; /* the worker stands still for a limit, or because its step has ended */
} hil_agent_limits_t;

/* How the time of a step was spent under them. */
typedef struct {
  uint64_t step_began_us;
  uint64_t stands_since_us, stood_us; /* now, and before within this step */
  uint64_t suspended_since_us, suspended_us;
  uint64_t slice_began_us; /* busy time of the step when the worker last went on */
} hil_agent_timing_t;

/* The line's rate (agent_baud.c). */
typedef struct {
  uint8_t state;
  uint32_t next;
  uint64_t deadline_us;      /* when the state ends by itself */
  uint64_t drained_us;       /* when the last byte had left for the line; 0: not yet */
  uint32_t garbage_bytes;    /* arrived since the last good frame, */
  uint64_t garbage_since_us; /* the first of them at this time */
} hil_agent_baud_t;

typedef struct {
  uint32_t steps, crashes, hangs, restarts;
} hil_agent_counters_t;

#if AGENT_CAMPAIGNS
/* A campaign (agent_campaign.c). Its messages are here, one at a time, and not on the stack. */
typedef struct {
  bool open;        /* a step is held */
  bool active;      /* a RUN or DRAW is under way: |run| */
  uint8_t type;     /* which */
  uint16_t seq;     /* of that request */
  bool waits;       /* another one waits for its end: |next| */
  uint8_t next_type;
  uint16_t next_seq;
  union {
    hil_campaign_sites_t sites;
    hil_campaign_draws_t draws;
  } next;
  hil_draw_targets_t targets; /* of the last DRAW that had some */
  uint64_t next_us; /* when its duty allows it to proceed */
  union {
    struct {
      hil_step_t step;
      hil_campaign_opened_t opened;
    };
    hil_campaign_trace_t trace;
    hil_campaign_code_t code;
    hil_campaign_follow_t follow;
    hil_campaign_run_t run;
  };
} hil_agent_campaign_t;
#endif

/* Opaque but visible so that callers own it. Do not rely on the contents.
 *
 * In two parts: the bench's own, which no upset may hit, and the memory with which the agent computes and
 * serves, which TARGET_AGENT is made of (agent_memory.c lists what of it, and why not the rest). In that
 * second part truth values are uint8_t and states are small integers: a hit may leave any value in them,
 * and a bool that is neither 0 nor 1 is undefined behaviour. Its order is part of what scenarios mean by
 * "bit N": tests/test_agent.c pins it. */
typedef struct {
  /* --- the bench's own --- */
  hil_port_t port;
  const hil_workload_t *workload;
  hil_port_memory_t memory;
  uint64_t boot_id;
  uint64_t booted_us;
  hil_agent_injector_t injector;
#if AGENT_CAMPAIGNS
  hil_agent_campaign_t campaign;
#endif

  /* --- the agent's memory: from |link| to |counters| --- */
  hil_agent_link_t link;
  hil_agent_answer_t answer;
  hil_agent_stream_t stream;
  hil_budget_t budget;
  uint64_t done_frame; /* last completed frame; all ones: none */
  hil_agent_worker_t worker;
  uint8_t resetting;
  uint64_t reset_by_us; /* do not wait for the link any longer, and reset */
  hil_agent_step_t step;
  hil_agent_last_reply_t last_reply;
  hil_agent_limits_t limits;
  hil_agent_timing_t timing;
  hil_reply_t reply;
  hil_agent_baud_t baud;
  hil_agent_counters_t counters;

  /* --- the records of the checkpoints are part of the agent's memory; their place is not --- */
  hil_checkpoint_t checkpoint;
} hil_agent_t;

/* The state that the agent is in. */
hil_agent_state_t agent_state(const hil_agent_t *a);

/* Start an agent on |port|; |words| and |checks| (capacity |count| each) hold the checkpoint. Announces
 * itself to the host with an unasked HELLO answer (seq 0). HIL_OK; HIL_ERR_ARG for null pointers. */
int agent_init(hil_agent_t *a, const hil_port_t *port, uint64_t boot_id, uint64_t *words, uint8_t *checks,
               size_t count);

/* Bytes have arrived. */
void agent_receive(hil_agent_t *a, const uint8_t *bytes, size_t len);

/* Let everything proceed: the step, its budget, answers waiting for the link. Returns the time in us
 * after which it must be called again even if nothing happens; UINT32_MAX: no need. */
uint32_t agent_poll(hil_agent_t *a);

/* Whether answers wait for the link to take them. */
bool agent_tx_pending(const hil_agent_t *a);

/* The port calls this when the worker stands still at |tick|. True: abandon the step. */
bool agent_on_tick(hil_agent_t *a, uint32_t tick);

/* [us] for which the duty still withholds the answer of the step that ended last. A port with a virtual
 * clock advances it by this time; agent_poll and a quiet step need no more. */
uint64_t agent_withheld_us(const hil_agent_t *a);

/* Whether agent_step_quiet could run |frame| now: HIL_OK, or HIL_ERR_STATE. */
int agent_quiet_ready(const hil_agent_t *a, uint64_t frame);

/* One fault-free step without any message, for a host in the same process that runs quiet stretches in
 * one go: as HIL_MSG_STEP with the input already in place. Returns the hil_worker_status_t, and the digests of
 * output and state (zero unless WORKER_DONE); HIL_ERR_STATE, with nothing done, if there is no worker at
 * rest, it is suspended, an upset is armed, a stuck bit held, or |frame| is not the next. */
int agent_step_quiet(hil_agent_t *a, uint64_t frame, uint64_t *out_output, uint64_t *out_state);

/* Keep a copy of the state after |frame|, if it has this digest, as CHECKPOINT does. HIL_OK; HIL_ERR_STATE
 * (another frame), HIL_ERR_DAMAGED (another digest), HIL_ERR_EXHAUSTED (it does not fit). */
int agent_keep_checkpoint(hil_agent_t *a, uint64_t frame, uint64_t state_digest);

/* The report of the upset that hit the agent's memory last, if the host has not asked for it. A port keeps
 * it over the reset that may follow, as a board keeps the cause of its reset. False if there is none. */
bool agent_last_memory_hit(const hil_agent_t *a, hil_report_t *out);

/* After the reset: the host may ask for |report|. */
void agent_recall_memory_hit(hil_agent_t *a, const hil_report_t *report);

/* cffi:begin */
/* [byte] that TARGET_AGENT spans in an agent of this program's processor. */
size_t agent_memory_len(void);

/* HIL_VERSION, of the program that this is compiled into. */
const char *agent_version(void);
/* cffi:end */

#endif
