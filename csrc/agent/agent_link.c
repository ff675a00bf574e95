/* Answers: encoding, the repeat cache, the send queue, READ streams. SPDX-License-Identifier: Apache-2.0
 *
 * The queue is one linear buffer; it is compacted when its tail is reached.
 * Invariants:
 *   1. Bytes leave in the order in which frames were queued; a frame is queued whole or not at all.
 *   2. A READ stream leaves most of the queue free: it never makes an answer be dropped. */
#include <string.h>

#include "agent_parts.h"
#include "bytes.h"

enum { STREAM_FILL = 3 * WIRE_FRAME_MAX };

static size_t queue_room(hil_agent_t *a) {
  if (a->link.tx_head) {
    memmove(a->link.tx, a->link.tx + a->link.tx_head, a->link.tx_fill - a->link.tx_head);
    a->link.tx_fill -= a->link.tx_head;
    a->link.tx_head = 0;
  }
  return sizeof a->link.tx - a->link.tx_fill;
}

static void queue(hil_agent_t *a, const uint8_t *bytes, size_t len) {
  if (queue_room(a) < len) return;
  memcpy(a->link.tx + a->link.tx_fill, bytes, len);
  a->link.tx_fill += (uint32_t)len;
  a->link.tx_bytes += len;
  a->link.tx_frames++;
}

void agent_send(hil_agent_t *a, uint8_t type, uint16_t seq, const uint8_t *payload, size_t len) {
  uint8_t frame[WIRE_FRAME_MAX];
  size_t frame_len;
  if (wire_encode(type, seq, payload, len, frame, sizeof frame, &frame_len) == HIL_OK) {
    queue(a, frame, frame_len);
  }
}

/* Send a frame, and keep it as the answer to |request| with that seq. */
static void send_and_keep(hil_agent_t *a, uint8_t request, uint8_t type, uint16_t seq, const uint8_t *payload,
                          size_t len) {
  size_t frame_len;
  const int status =
      wire_encode(type, seq, payload, len, a->answer.bytes, sizeof a->answer.bytes, &frame_len);
  a->answer.valid = status == HIL_OK;
  if (!a->answer.valid) return;
  a->answer.type = request;
  a->answer.seq = seq;
  a->answer.len = (uint16_t)frame_len;
  queue(a, a->answer.bytes, frame_len);
}

void agent_answer(hil_agent_t *a, uint8_t type, uint16_t seq, const uint8_t *payload, size_t len) {
  send_and_keep(a, type, (uint8_t)(type | HIL_MSG_ANSWER), seq, payload, len);
}

void agent_answer_done(hil_agent_t *a, uint8_t request, uint16_t seq, uint64_t value) {
  uint8_t payload[16];
  size_t len;
  const hil_done_t done = {request, value};
  if (hil_done_pack(&done, payload, sizeof payload, &len) == HIL_OK) {
    agent_answer(a, request, seq, payload, len);
  }
}

void agent_answer_error(hil_agent_t *a, uint8_t request, uint16_t seq, int status) {
  uint8_t payload[16];
  size_t len;
  const hil_refusal_t error = {request, (int8_t)status,
                               status == HIL_ERR_IO ? a->port.last_error(a->port.context) : 0};
  if (hil_refusal_pack(&error, payload, sizeof payload, &len) != HIL_OK) return;
  if (status == HIL_ERR_IO && (request == HIL_MSG_LOAD || request == HIL_MSG_RESTART)) {
    send_and_keep(a, request, HIL_MSG_ERROR, seq, payload, len); /* a program may have been waited for */
  } else {
    agent_send(a, HIL_MSG_ERROR, seq, payload, len);
  }
}

void agent_answer_not_now(hil_agent_t *a, uint8_t request, uint16_t seq, uint32_t detail) {
  uint8_t payload[16];
  size_t len;
  const hil_refusal_t not_now = {request, HIL_ERR_STATE, detail};
  if (hil_refusal_pack(&not_now, payload, sizeof payload, &len) == HIL_OK) {
    agent_send(a, HIL_MSG_ERROR, seq, payload, len);
  }
}

bool agent_answer_again(hil_agent_t *a, uint8_t type, uint16_t seq) {
  if (!a->answer.valid || a->answer.type != type || a->answer.seq != seq) return false;
  a->link.duplicates++;
  queue(a, a->answer.bytes, a->answer.len);
  return true;
}

/* Queue the next of a READ, never more than STREAM_FILL ahead of the link. */
static void stream_pump(hil_agent_t *a) {
  while (a->stream.active && a->link.tx_fill - a->link.tx_head + WIRE_FRAME_MAX <= STREAM_FILL) {
    hil_data_t data = {.region = a->stream.range.region, .offset = a->stream.range.offset};
    const uint32_t part = a->stream.range.len < MESSAGE_DATA_MAX ? a->stream.range.len : MESSAGE_DATA_MAX;
    data.len = (uint16_t)part;
    memcpy(data.bytes, a->memory.region[data.region] + data.offset, part);
    uint8_t payload[WIRE_PAYLOAD_MAX];
    size_t len;
    if (hil_data_pack(&data, payload, sizeof payload, &len) == HIL_OK) {
      agent_send(a, HIL_MSG_READ | HIL_MSG_ANSWER, a->stream.seq, payload, len);
    }
    a->stream.range.offset += part;
    a->stream.range.len -= part;
    a->stream.active = a->stream.range.len > 0;
  }
}

void agent_link_pump(hil_agent_t *a) {
  for (int turn = 0; turn < 64; turn++) { /* bounded: the worker waits for its poll meanwhile */
    stream_pump(a);
    if (a->link.tx_fill == a->link.tx_head) return;
    const size_t taken =
        a->port.tx(a->port.context, a->link.tx + a->link.tx_head, a->link.tx_fill - a->link.tx_head);
    a->link.tx_head += (uint32_t)taken;
    if (!taken) return;
    if (a->link.tx_head == a->link.tx_fill) a->link.tx_head = a->link.tx_fill = 0;
  }
}

bool agent_tx_pending(const hil_agent_t *a) { return a->link.tx_fill > a->link.tx_head || a->stream.active; }
