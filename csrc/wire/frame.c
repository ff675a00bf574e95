/* Frames on the wire, and the streaming decoder. SPDX-License-Identifier: Apache-2.0
 *
 * The decoder gathers bytes up to a zero, undoes COBS, and checks length, CRC and version in this
 * order. Zeros occur nowhere but around frames, so after any damage it is synchronised at the next
 * one. A frame begins with a zero as well as it ends with one: what the line carries by itself before a
 * transmission (a transmitter that wakes, a banner) is then a run of its own, and costs no frame. A
 * frame that arrives in one piece is decoded straight from the caller's bytes; only the pieces of a
 * frame that was cut are gathered in the buffer, and decoded there in place.
 *
 * Invariants:
 *   F1. what push returns does not depend on how the stream is cut into pushes;
 *   F2. every zero-delimited run of non-zero bytes ends in exactly one count: frames, crc_errors,
 *       format_errors, version_errors or overruns;
 *   F3. counters.bytes is the number of bytes taken;
 *   F4. fill <= WIRE_FRAME_MAX - 2, and fill is 0 while skipping;
 *   F5. a good frame has payload inside the buffer and len <= WIRE_PAYLOAD_MAX. */
#include "frame.h"

#include <string.h>

#include "bytes.h"
#include "cobs.h"
#include "crc32c.h"

enum {
  HEADER_LEN = 4,
  CRC_LEN = 4,
  ENCODED_MAX = WIRE_FRAME_MAX - 2 /* without the delimiters */
};

_Static_assert(WIRE_RAW_MAX == HEADER_LEN + WIRE_PAYLOAD_MAX + CRC_LEN, "raw frame length");
_Static_assert(ENCODED_MAX == COBS_ENCODE_MAX(WIRE_RAW_MAX), "longest COBS encoding");

int wire_encode_version(uint8_t version, uint8_t type, uint16_t seq, const uint8_t *payload, size_t len,
                        uint8_t *out, size_t cap, size_t *out_len) {
  if ((!payload && len > 0) || len > WIRE_PAYLOAD_MAX || !out || !out_len) return HIL_ERR_ARG;
  if (cap < 2) return HIL_ERR_EXHAUSTED;
  uint8_t raw[WIRE_RAW_MAX];
  raw[0] = version;
  raw[1] = type;
  store_u16le(raw + 2, seq);
  if (len > 0) memcpy(raw + HEADER_LEN, payload, len);
  store_u32le(raw + HEADER_LEN + len, hil_crc32c(0, raw, HEADER_LEN + len));

  size_t encoded;
  const int status = cobs_encode(raw, HEADER_LEN + len + CRC_LEN, out + 1, cap - 2, &encoded);
  if (status != HIL_OK) return status;
  out[0] = out[1 + encoded] = 0;
  *out_len = encoded + 2;
  return HIL_OK;
}

int wire_encode(uint8_t type, uint16_t seq, const uint8_t *payload, size_t len, uint8_t *out, size_t cap,
                size_t *out_len) {
  return wire_encode_version(WIRE_VERSION, type, seq, payload, len, out, cap, out_len);
}

void wire_decoder_init(hil_wire_decoder_t *d) { memset(d, 0, sizeof *d); }

/* Judge one encoded frame of |len| > 0 bytes, which may lie in the buffer itself. */
static int judge(hil_wire_decoder_t *d, const uint8_t *encoded, size_t len, hil_wire_frame_t *out) {
  uint8_t *raw = d->buffer;
  size_t raw_len;
  const int status = cobs_decode(encoded, len, raw, WIRE_RAW_MAX, &raw_len);
  if (status == HIL_ERR_EXHAUSTED) { /* few enough bytes encoded, yet too many decoded */
    d->counters.overruns++;
    return HIL_ERR_EXHAUSTED;
  }
  if (status != HIL_OK || raw_len < HEADER_LEN + CRC_LEN) {
    d->counters.format_errors++;
    return HIL_ERR_PAYLOAD;
  }
  const size_t checked = raw_len - CRC_LEN;
  if (hil_crc32c(0, raw, checked) != load_u32le(raw + checked)) {
    d->counters.crc_errors++;
    return HIL_ERR_CRC;
  }
  d->peer_version = raw[0];
  out->version = raw[0];
  out->type = raw[1];
  out->seq = load_u16le(raw + 2);
  out->len = (uint16_t)(checked - HEADER_LEN);
  out->payload = raw + HEADER_LEN;
  if (out->version != WIRE_VERSION) {
    d->counters.version_errors++;
    return HIL_ERR_VERSION;
  }
  d->counters.frames++;
  return 1;
}

/* wire_decoder_push without the argument check and the count of bytes. */
static int push(hil_wire_decoder_t *d, const uint8_t *bytes, size_t len, size_t *out_used,
                hil_wire_frame_t *out) {
  size_t used = 0;
  while (used < len) { /* each turn takes at least one byte */
    const uint8_t *from = bytes + used;
    const size_t rest = len - used;
    /* One byte more than fits is enough to know that it does not fit. */
    const size_t room = (size_t)ENCODED_MAX - d->fill;
    const size_t look = d->skipping || rest <= room ? rest : room + 1;
    const uint8_t *zero = memchr(from, 0, look);
    const size_t n = zero ? (size_t)(zero - from) : look;
    used += zero ? n + 1 : n;
    *out_used = used;

    if (d->skipping) {
      d->skipping = !zero;
      continue;
    }
    if (n > room) {
      d->fill = 0;
      d->skipping = 1;
      d->counters.overruns++;
      return HIL_ERR_EXHAUSTED;
    }
    const size_t fill = d->fill;
    if (zero && fill == 0) {
      if (n == 0) continue; /* idle */
      return judge(d, from, n, out);
    }
    memcpy(d->buffer + fill, from, n);
    if (zero) {
      d->fill = 0;
      return judge(d, d->buffer, fill + n, out);
    }
    d->fill = (uint16_t)(fill + n);
  }
  return 0;
}

int wire_decoder_push(hil_wire_decoder_t *d, const uint8_t *bytes, size_t len, size_t *out_used,
                      hil_wire_frame_t *out) {
  if (!d || (!bytes && len > 0) || !out_used || !out) return HIL_ERR_ARG;
  *out_used = 0;
  const int result = push(d, bytes, len, out_used, out);
  d->counters.bytes += *out_used;
  return result;
}
