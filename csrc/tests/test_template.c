/* The template port: an agent on it answers, and refuses what a port without a worker cannot do.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "port_template.h"
#include "unit.h"

static hil_template_t board;
static hil_wire_decoder_t decoder;

/* The first frame of type |type| among what the board sent last; false if there is none. */
static bool sent(uint8_t type, hil_wire_frame_t *out) {
  size_t at = 0;
  while (at < board.out_len) {
    size_t used = 0;
    const int status = wire_decoder_push(&decoder, board.out + at, board.out_len - at, &used, out);
    at += used;
    if (status == 1 && out->type == type) return true;
  }
  return false;
}

static void ask(uint8_t type, uint16_t seq, const uint8_t *payload, size_t len) {
  uint8_t frame[WIRE_FRAME_MAX];
  size_t frame_len = 0;
  CHECK_EQ(wire_encode(type, seq, payload, len, frame, sizeof frame, &frame_len), HIL_OK);
  template_exchange(&board, frame, frame_len);
}

static void boot(void) {
  wire_decoder_init(&decoder);
  CHECK_EQ(template_init(&board), HIL_OK);
  template_exchange(&board, NULL, 0);
}

static void it_announces_itself_and_answers_hello(void) {
  hil_wire_frame_t frame;
  boot();
  CHECK(sent(HIL_MSG_HELLO | HIL_MSG_ANSWER, &frame) && frame.seq == 0);
  ask(HIL_MSG_HELLO, 7, NULL, 0);
  hil_hello_t hello;
  CHECK(sent(HIL_MSG_HELLO | HIL_MSG_ANSWER, &frame) && frame.seq == 7);
  CHECK_EQ(hil_hello_unpack(&hello, frame.payload, frame.len), HIL_OK);
  CHECK_EQ(hello.wire_version, WIRE_VERSION);
}

static void it_refuses_load(void) {
  hil_load_t load = {.seed = 1};
  uint8_t payload[64];
  size_t len = 0;
  hil_wire_frame_t frame;
  hil_refusal_t refusal;
  boot();
  memcpy(load.workload, "sha256", sizeof "sha256");
  CHECK_EQ(hil_load_pack(&load, payload, sizeof payload, &len), HIL_OK);
  ask(HIL_MSG_LOAD, 8, payload, len);
  CHECK(sent(HIL_MSG_ERROR, &frame) && frame.seq == 8);
  CHECK_EQ(hil_refusal_unpack(&refusal, frame.payload, frame.len), HIL_OK);
  CHECK_EQ(refusal.status, HIL_ERR_NOSYS);
}

static void a_null_pointer_is_the_callers_fault(void) { CHECK_EQ(template_init(NULL), HIL_ERR_ARG); }

int main(void) {
  RUN(it_announces_itself_and_answers_hello);
  RUN(it_refuses_load);
  RUN(a_null_pointer_is_the_callers_fault);
  return UNIT_RESULT();
}
