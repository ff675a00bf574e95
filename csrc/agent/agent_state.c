/* The states of the agent. SPDX-License-Identifier: Apache-2.0
 *
 *            LOAD                 STEP                    step ended by itself
 *   EMPTY ---------> READY ----------------> RUNNING -----------------------------> READY
 *                      ^                        |  worker died / used up its budget
 *                      |        RESTART         v
 *                      +-------------------- NO WORKER
 *
 *   from      to         on                     by
 *   EMPTY     READY      LOAD                   agent_requests.c load
 *   READY     RUNNING    STEP of the next frame agent_step.c agent_step_begin
 *   RUNNING   READY      PORT_DONE              agent_step.c finish
 *   RUNNING   NO WORKER  PORT_CRASHED, budget   agent_step.c finish
 *   NO WORKER READY      RESTART                agent_requests.c restart
 *   any       EMPTY      RESET                  port->reset
 *
 * agent_state() returns which one. It is not stored but follows from what is: whether a workload is loaded,
 * a step is under way, a worker lives; so no hit can make it contradict them.
 *
 * Limits (agent_limits.c) lie across these states: with a duty below 1000 RUNNING lasts longer, when
 * suspended no step leaves READY, and one that is RUNNING stands still. RESET lifts them.
 *
 * Invariants:
 *   1. EMPTY has no worker and no step (else agent_memory_is_sound is false, and the agent resets).
 *   2. RUNNING begins only with a worker at rest. */
#include "agent_parts.h"

hil_agent_state_t agent_state(const hil_agent_t *a) {
  if (!a->workload) return AGENT_EMPTY;
  if (a->worker.running) return AGENT_RUNNING;
  return a->worker.alive ? AGENT_READY : AGENT_NO_WORKER;
}

bool agent_state_is_sound(const hil_agent_t *a) {
  return agent_state(a) != AGENT_EMPTY || !(a->worker.alive || a->worker.running);
}
