/* What the agent's source files share with each other, and with no other file. SPDX-License-Identifier: Apache-2.0 */
#ifndef HIL_AGENT_PARTS_H
#define HIL_AGENT_PARTS_H

#include "agent.h"

#define AGENT_NO_FRAME UINT64_MAX

/* Details of a request refused with HIL_ERR_STATE. */
enum {
  AGENT_BUSY = 1, /* a step is under way (not a failure) */
  AGENT_SUSPENDED = 2, /* a limit forbids to begin one */
  AGENT_OTHER_TARGETS = 3 /* a continuation of targets that the agent does not have */
};

/* --- agent_link.c: answers to the host ------------------------------------------------------- */

/* Answer a request and keep the answer for a repeat of it. */
void agent_answer(hil_agent_t *a, uint8_t type, uint16_t seq, const uint8_t *payload, size_t len);
/* Answer DONE, with the request's result. */
void agent_answer_done(hil_agent_t *a, uint8_t request, uint16_t seq, uint64_t value);
/* Answer ERROR: |status| is why it was refused. */
void agent_answer_error(hil_agent_t *a, uint8_t request, uint16_t seq, int status);
/* Not now, and why: AGENT_BUSY, a sign of life and an invitation to ask again, or another of those above. */
void agent_answer_not_now(hil_agent_t *a, uint8_t request, uint16_t seq, uint32_t detail);
/* Send without keeping. Dropped if the queue is full: the host asks again. */
void agent_send(hil_agent_t *a, uint8_t type, uint16_t seq, const uint8_t *payload, size_t len);
/* Repeat the kept answer if it answers (type, seq); whether it did. */
bool agent_answer_again(hil_agent_t *a, uint8_t type, uint16_t seq);
/* Move queued bytes to the port, and READ data into the queue. */
void agent_link_pump(hil_agent_t *a);

/* --- agent_state.c ---------------------------------------------------------------------------- */

/* Whether the stored truth values make a state that is drawn. */
bool agent_state_is_sound(const hil_agent_t *a);

/* --- agent_requests.c ------------------------------------------------------------------------ */

/* Carry out one request and answer it. */
void agent_request(hil_agent_t *a, const hil_wire_frame_t *frame);
/* Send the HELLO answer. */
void agent_announce(hil_agent_t *a, uint16_t seq);

/* --- agent_step.c: one frame ------------------------------------------------------------------ */

/* A STEP has arrived: begin it, or answer at once why not. */
void agent_step_begin(hil_agent_t *a, uint16_t seq, const hil_step_t *step);
/* Let the step proceed. Returns the time in us after which it wants to be called again; UINT32_MAX: no need. */
uint32_t agent_step_poll(hil_agent_t *a);
/* The tick at which a step has passed its budget; 0: there is none. */
static inline uint32_t agent_last_stop(const hil_agent_t *a) {
  return a->budget.max_ticks ? a->budget.max_ticks + 1u : 0;
}
/* Digest of the loaded workload's state or output. */
uint64_t agent_region_digest(const hil_agent_t *a, hil_region_t region);

/* --- agent_limits.c: duty and suspension ------------------------------------------------------- */

/* Apply |limits| from now on; |out| is what holds then. HIL_OK; HIL_ERR_STATE: a step runs that cannot be
 * interrupted (nothing is changed). */
int agent_limit(hil_agent_t *a, const hil_limits_t *limits, hil_limited_t *out);
/* When the time of a step begins and ends. */
void agent_limits_step_began(hil_agent_t *a);
void agent_limits_step_ended(hil_agent_t *a);
/* Make the running worker stand still, or continue, as the limits require. Returns the time in us after
 * which they may require something else; UINT32_MAX: never. */
uint32_t agent_limits_poll(hil_agent_t *a);
/* [us] that the step has run so far, without the time in which it stood. */
uint64_t agent_busy_us(const hil_agent_t *a);
/* A time to wait, as agent_poll returns it. */
uint32_t agent_wait_us(uint64_t us);

/* --- agent_baud.c: the line's rate ------------------------------------------------------------ */

/* A BAUD has arrived: answer it, and change the rate when the answer has left. */
void agent_baud_request(hil_agent_t *a, uint16_t seq, const uint8_t *payload, size_t len);
/* |bytes| have arrived, and were (or ended) a good frame or not. */
void agent_baud_heard(hil_agent_t *a, size_t bytes, bool good);
/* Back to the rate of the start, when all that is queued has left. */
void agent_baud_leave(hil_agent_t *a);
/* Whether a change of the rate waits for bytes to leave. */
bool agent_baud_is_leaving(const hil_agent_t *a);
/* Whether its state is one of those that there are. */
bool agent_baud_state_is_known(const hil_agent_t *a);
/* Returns the time in us after which it wants to be called again. */
uint32_t agent_baud_poll(hil_agent_t *a);

/* --- agent_campaign.c: experiments on one step ------------------------------------------------------ */

#if AGENT_CAMPAIGNS
/* Carry out and answer a request of a campaign. Any other one ends the campaign, if there is one; false then:
 * it is not answered here. */
bool agent_campaign_request(hil_agent_t *a, uint8_t type, uint16_t seq, const uint8_t *payload, size_t len);
/* Whether a RUN or DRAW is under way. */
bool agent_campaign_is_active(const hil_agent_t *a);
/* While one is under way: keep the next one until then. False if this is none, or one waits already. */
bool agent_campaign_keep_next(hil_agent_t *a, uint8_t type, uint16_t seq, const uint8_t *payload, size_t len);
/* Give up the one under way and the one that waits, unanswered. */
void agent_campaign_stop(hil_agent_t *a);
/* Let it proceed. Returns the time in us after which it wants to be called again; UINT32_MAX: no need. */
uint32_t agent_campaign_poll(hil_agent_t *a);
#else
static inline bool agent_campaign_request(hil_agent_t *a, uint8_t type, uint16_t seq, const uint8_t *payload,
                                          size_t len) {
  (void)a, (void)type, (void)seq, (void)payload, (void)len;
  return false;
}
static inline bool agent_campaign_is_active(const hil_agent_t *a) {
  (void)a;
  return false;
}
static inline bool agent_campaign_keep_next(hil_agent_t *a, uint8_t type, uint16_t seq,
                                            const uint8_t *payload, size_t len) {
  (void)a, (void)type, (void)seq, (void)payload, (void)len;
  return false;
}
static inline void agent_campaign_stop(hil_agent_t *a) { (void)a; }
static inline uint32_t agent_campaign_poll(hil_agent_t *a) {
  (void)a;
  return UINT32_MAX;
}
#endif

/* --- agent_memory.c: the memory with which the agent computes and serves --------------------------- */

/* HIL_OK; HIL_ERR_ARG: past the end of TARGET_AGENT (nothing is copied). */
int agent_memory_read(const hil_agent_t *a, uint64_t offset, uint8_t *out, size_t len);
int agent_memory_write(hil_agent_t *a, uint64_t offset, const uint8_t *bytes, size_t len);
/* Whether every index and length in it is one that the agent could have written, so that it touches nothing
 * but hil_agent_t and the port's regions. If not, the agent resets at the next poll without sending anything:
 * nothing more may be done with it. */
bool agent_memory_is_sound(hil_agent_t *a);
/* Reset at the next poll, and send nothing before. */
void agent_fall_silent(hil_agent_t *a);

/* --- agent_upsets.c --------------------------------------------------------------------------- */

/* Arm one, or replace the one of its id. HIL_OK; HIL_ERR_STATE: no workload, or its frame is over;
 * HIL_ERR_ARG: it cannot hit that target so; HIL_ERR_EXHAUSTED: all slots are armed. */
int agent_upset_arm(hil_agent_t *a, const hil_arm_t *arm);
/* NULL if there is none of that id. */
hil_agent_upset_t *agent_upset_find(hil_agent_t *a, uint32_t id);
/* Forget all upsets and stuck cells. */
void agent_upsets_clear(hil_agent_t *a);
/* The host has set done_frame: what is armed for frames up to it can only be missed. */
void agent_upsets_skip(hil_agent_t *a);
/* Whether any upset waits for its position. */
bool agent_upsets_armed(const hil_agent_t *a);
/* Inject everything of the running frame that is due at |tick|, in the order of their instructions. */
void agent_upsets_at_tick(hil_agent_t *a, uint32_t tick);
/* The next tick at which the worker must stand still; 0 if none. */
uint32_t agent_upsets_next_tick(const hil_agent_t *a, uint32_t tick);
/* Earliest wall-clock trigger still armed for the running frame; UINT32_MAX if none. */
uint32_t agent_upsets_next_us(const hil_agent_t *a);
/* Inject everything of the running frame with a wall-clock trigger up to |us|. */
void agent_upsets_at_us(hil_agent_t *a, uint32_t us);
/* The frame is over: what was not hit is missed; note which changes persisted. Returns how many upsets
 * belonged to it (those of an earlier execution of the same frame were counted then). */
uint8_t agent_upsets_settle(hil_agent_t *a);
/* Make stuck cells hold their value again; |frame| lets old ones expire. */
void agent_stuck_apply(hil_agent_t *a, uint64_t frame);
/* Whether any cell is stuck. */
bool agent_stuck_held(const hil_agent_t *a);

#endif
