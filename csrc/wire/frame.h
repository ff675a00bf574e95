/* Frames on the wire, and the streaming decoder. SPDX-License-Identifier: Apache-2.0
 *
 * A frame is COBS( version u8 | type u8 | seq u16 | payload | CRC-32C u32 ) between two zero bytes.
 * The position of version, type and CRC never changes, whatever the version: so that two parties of
 * different versions can detect that. Every bit is drawn in SPEC.md. */
#ifndef HIL_FRAME_H
#define HIL_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "status.h"

/* cffi:begin */
enum {
  WIRE_VERSION =
      8, /* bumped when an old peer would misread a frame; never 9, 10, 13, 27, which stand in texts */
  WIRE_PAYLOAD_MAX = 1024, /* [byte] */
  WIRE_RAW_MAX = 1032, /* [byte] header 4 + payload + CRC 4 */
  WIRE_FRAME_MAX = 1039 /* [byte] encoded: + 1 per 254, + 2 delimiters */
};

/* One decoded frame. |payload| points into the decoder and is valid until its next push. */
typedef struct {
  uint8_t version;
  uint8_t type; /* hil_message_type_t, not checked here */
  uint16_t seq;
  uint16_t len; /* [byte] of payload */
  const uint8_t *payload;
} hil_wire_frame_t;

/* What the decoder has seen. Nothing is dropped without being counted. */
typedef struct {
  uint64_t bytes; /* pushed */
  uint64_t frames; /* good ones */
  uint64_t crc_errors; /* well-formed COBS, wrong CRC */
  uint64_t format_errors; /* bad COBS, or shorter than header and CRC */
  uint64_t version_errors; /* good CRC, other version */
  uint64_t overruns; /* longer than any frame may be */
} hil_wire_counters_t;

typedef struct {
  hil_wire_counters_t counters;
  uint8_t peer_version; /* of the last frame with a good CRC */
  uint8_t skipping; /* dropping bytes until the next delimiter; no bool: an upset of TARGET_AGENT may leave
                           any value here */
  uint16_t fill;
  uint8_t buffer[WIRE_FRAME_MAX];
} hil_wire_decoder_t;

/* Encode one frame, both delimiters included; |payload| may be null if |len| is 0. HIL_OK; HIL_ERR_ARG: null pointers
 * or len > WIRE_PAYLOAD_MAX; HIL_ERR_EXHAUSTED: |cap| too small (WIRE_FRAME_MAX always suffices). */
int wire_encode(uint8_t type, uint16_t seq, const uint8_t *payload, size_t len, uint8_t *out, size_t cap,
                size_t *out_len);

/* As wire_encode with another version byte: for talking about versions, and for tests. Returns the same. */
int wire_encode_version(uint8_t version, uint8_t type, uint16_t seq, const uint8_t *payload, size_t len,
                        uint8_t *out, size_t cap, size_t *out_len);

void wire_decoder_init(hil_wire_decoder_t *d);

/* Push bytes until one frame ends or they are used up; |out_used| says how many were taken.
 * Returns 1 with *out set: a good frame; 0: all bytes taken, nothing complete; negative, the reason
 * one frame was dropped (all are counted; push the rest):
 *   HIL_ERR_CRC      its CRC is wrong
 *   HIL_ERR_PAYLOAD  it is not COBS, or too short
 *   HIL_ERR_EXHAUSTED it is longer than any frame (reported once, when it is noticed)
 *   HIL_ERR_VERSION  its CRC is right but its version is not WIRE_VERSION (*out is set; read only
 *                    version and type)
 * or HIL_ERR_ARG: a null pointer (|bytes| may be null if |len| is 0); nothing was taken.
 * Empty frames (a zero after a zero) are legal idle and are passed over in silence. */
int wire_decoder_push(hil_wire_decoder_t *d, const uint8_t *bytes, size_t len, size_t *out_used,
                      hil_wire_frame_t *out);
/* cffi:end */

#endif
