/* The agent: start, bytes in, time passing. SPDX-License-Identifier: Apache-2.0
 *
 * Its states are drawn in agent_state.c.
 *
 * Invariants:
 *   1. One request is carried out at most once: a repeated seq is answered from the cache.
 *   2. done_frame advances by exactly one, only when a step ended by itself, or is set by SYNC/RESTORE.
 *   3. While RUNNING, or while experiments run, only HELLO, HEALTH, LIMIT and RESET are carried out.
 *   4. Nothing the worker does to its memory makes the agent read or write outside hil_agent_t and the
 *      port's regions: of the shared memory it only digests bytes and reads the tick counter.
 *   5. Its own memory is checked whenever it is entered, and where an upset has just hit it: see
 *      agent_memory.c. */
#include "agent.h"

#include <string.h>

#include "agent_parts.h"

int agent_init(hil_agent_t *a, const hil_port_t *port, uint64_t boot_id, uint64_t *words, uint8_t *checks,
               size_t count) {
  if (!a || !port || !words || !checks) return HIL_ERR_ARG;
  memset(a, 0, sizeof *a);
  a->port = *port;
  a->boot_id = boot_id;
  a->booted_us = port->now_us(port->context);
  a->done_frame = AGENT_NO_FRAME;
  a->limits.duty_permille = 1000;
  wire_decoder_init(&a->link.decoder);
  const int status = checkpoint_init(&a->checkpoint, words, checks, count);
  if (status != HIL_OK) return status;
  agent_announce(a, 0);
  return HIL_OK;
}

/* Send a NAK if bytes arrived that are not a frame. While a frame is arriving after them it waits, and a
 * good frame cancels it: the bytes were noise before that frame, and the host would send the frame
 * again without need, with noise before it again. One NAK per burst: noise must not fill the line. */
static void report_noise(hil_agent_t *a) {
  uint8_t payload[4];
  size_t len;
  const hil_nak_t nak = {a->link.nak_reason};
  if (!a->link.nak_reason || a->link.decoder.fill) return;
  a->link.nak_reason = 0;
  if (hil_nak_pack(&nak, payload, sizeof payload, &len) == HIL_OK) {
    agent_send(a, HIL_MSG_NAK, 0, payload, len);
  }
}

void agent_receive(hil_agent_t *a, const uint8_t *bytes, size_t len) {
  if (!agent_memory_is_sound(a)) return;
  while (len && !a->resetting) {
    hil_wire_frame_t frame;
    size_t used = 0;
    const int status = wire_decoder_push(&a->link.decoder, bytes, len, &used, &frame);
    bytes += used;
    len -= used;
    agent_baud_heard(a, used, status == 1);
    if (status == 1) {
      a->link.nak_reason = 0;
      agent_request(a, &frame);
    } else if (status < 0) {
      a->link.nak_reason = (int8_t)status;
    }
  }
  report_noise(a);
}

/* Reset as soon as the answer has left at the line's rate, or the link will not take it. */
static uint32_t poll_reset(hil_agent_t *a) {
  const uint64_t now_us = a->port.now_us(a->port.context);
  const bool wants_time = agent_tx_pending(a) || agent_baud_is_leaving(a);
  if (wants_time && now_us < a->reset_by_us) return (uint32_t)(a->reset_by_us - now_us);
  a->port.reset(a->port.context);
  return UINT32_MAX;
}

uint32_t agent_poll(hil_agent_t *a) {
  uint32_t wait_us = UINT32_MAX;
  if (!agent_memory_is_sound(a)) return poll_reset(a);
  if (a->worker.running) wait_us = agent_step_poll(a);
  if (agent_campaign_is_active(a)) wait_us = agent_campaign_poll(a);
  agent_link_pump(a);
  const uint32_t baud_us = agent_baud_poll(a);
  if (baud_us < wait_us) wait_us = baud_us;
  if (!a->resetting) return wait_us;
  const uint32_t reset_us = poll_reset(a);
  return baud_us < reset_us ? baud_us : reset_us;
}
