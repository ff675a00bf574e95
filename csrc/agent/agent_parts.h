/* What the agent's source files share with each other, and with nobody else. SPDX-License-Identifier: Apache-2.0 */
#ifndef HIL_AGENT_PARTS_H
#define HIL_AGENT_PARTS_H

#include "agent.h"

#define AGENT_NO_FRAME UINT64_MAX

/* Detail of a request refused because a step is under way (not a failure). */
enum { AGENT_BUSY = 1 };

/* --- agent_link.c: answers to the host ------------------------------------------------------- */

/* Answer a request and keep the answer for a repeat of it. */
void agent_answer(agent_t *a, uint8_t type, uint16_t seq, const uint8_t *payload, size_t len);
void agent_answer_done(agent_t *a, uint8_t request, uint16_t seq, uint64_t value);
void agent_answer_error(agent_t *a, uint8_t request, uint16_t seq, int status);
/* A step is under way: a sign of life, and an invitation to ask again. */
void agent_answer_busy(agent_t *a, uint8_t request, uint16_t seq);
/* Send without keeping. Dropped if the queue is full: the host asks again. */
void agent_send(agent_t *a, uint8_t type, uint16_t seq, const uint8_t *payload, size_t len);
/* Repeat the kept answer if it answers (type, seq). */
int agent_answer_again(agent_t *a, uint8_t type, uint16_t seq);
/* Move queued bytes to the port, and READ data into the queue. */
void agent_link_pump(agent_t *a);

/* --- agent_requests.c ------------------------------------------------------------------------ */

void agent_request(agent_t *a, const wire_frame_t *frame);
void agent_announce(agent_t *a, uint16_t seq);

/* --- agent_step.c: one frame ------------------------------------------------------------------ */

void agent_step_begin(agent_t *a, uint16_t seq, const step_t *step);
uint32_t agent_step_poll(agent_t *a);
uint64_t agent_region_digest(const agent_t *a, region_t region);

/* --- agent_upsets.c --------------------------------------------------------------------------- */

int agent_upset_arm(agent_t *a, const arm_t *arm);
agent_upset_t *agent_upset_find(agent_t *a, uint32_t id);
void agent_upsets_clear(agent_t *a);
/* The host has set done_frame: what is armed for frames up to it can only be missed. */
void agent_upsets_skip(agent_t *a);
int agent_upsets_armed(const agent_t *a);
/* Inject everything of the running frame that is due at |tick|, in the order of their instructions. */
void agent_upsets_at_tick(agent_t *a, uint32_t tick);
/* The next tick at which the worker must stand still; 0 if none. */
uint32_t agent_upsets_next_tick(const agent_t *a, uint32_t tick);
/* Earliest wall-clock trigger still armed for the running frame; UINT32_MAX if none. */
uint32_t agent_upsets_next_us(const agent_t *a);
void agent_upsets_at_us(agent_t *a, uint32_t us);
/* The frame is over: what was not hit is missed; note which changes persisted. Returns how many upsets
 * belonged to it (those of an earlier execution of the same frame have been told then). */
uint8_t agent_upsets_settle(agent_t *a);
/* Make stuck cells hold their value again; |frame| lets old ones expire. */
void agent_stuck_apply(agent_t *a, uint64_t frame);
int agent_stuck_held(const agent_t *a);

#endif
