/* Fuzz target: COBS and the streaming decoder. SPDX-License-Identifier: Apache-2.0
 *
 * Trusted: the caller, its lengths and capacities. Untrusted: every byte of the stream.
 *
 * Input: one byte that says how the stream is cut, then the stream; its parts are also taken as plain
 * data for COBS and as a payload. Invariants:
 *   W1. No byte outside the given buffers is read or written (sanitizers; exact-size copies).
 *   W2. Every push takes at least one byte or ends the input; a result of 0 means that all was taken.
 *   W3. Results, frames and counters do not depend on the cuts.
 *   W4. Each reported frame is in exactly one counter, and counters.bytes is the length of the stream.
 *   W5. A good frame has this version, len <= WIRE_PAYLOAD_MAX, its payload inside the decoder, and is
 *       encoded again to a frame that decodes to the same.
 *   W6. After any bytes the next good frame is received: it brings a delimiter with it.
 *   W7. cobs_decode returns OK, PAYLOAD or EXHAUSTED; in place as out of place; never more bytes than it
 *       was given; what it accepts, encoded again, decodes to the same.
 *   W8. cobs_encode writes no zero, at most cobs_max bytes, and cobs_decode takes it back exactly. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cobs.h"
#include "frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LONGEST_INPUT = 1 << 16 };

#define REQUIRE(condition) \
  do {                     \
    if (!(condition)) {    \
      abort();             \
    }                      \
  } while (0)

/* FNV-1a over everything that a decoder reports. */
typedef struct {
  uint64_t sum, reports;
} hil_history_t;

static void remember(hil_history_t *h, const void *bytes, size_t len) {
  const uint8_t *p = bytes;
  for (size_t i = 0; i < len; i++) h->sum = (h->sum ^ p[i]) * 0x100000001B3U;
}

static void check_frame(const hil_wire_decoder_t *d, const hil_wire_frame_t *f) {
  REQUIRE(f->version == WIRE_VERSION && f->len <= WIRE_PAYLOAD_MAX);
  REQUIRE(f->payload >= d->buffer && f->payload + f->len <= d->buffer + sizeof d->buffer);
  uint8_t again[WIRE_FRAME_MAX];
  size_t len = 0, used = 0;
  REQUIRE(wire_encode(f->type, f->seq, f->payload, f->len, again, sizeof again, &len) == HIL_OK);
  static hil_wire_decoder_t second;
  hil_wire_frame_t g;
  wire_decoder_init(&second);
  REQUIRE(wire_decoder_push(&second, again, len, &used, &g) == 1 && used == len);
  REQUIRE(g.type == f->type && g.seq == f->seq && g.len == f->len);
  REQUIRE(memcmp(g.payload, f->payload, f->len) == 0);
}

/* Push one piece from a copy of exactly its size. */
static void feed(hil_wire_decoder_t *d, const uint8_t *bytes, size_t len, hil_history_t *h) {
  uint8_t *copy = malloc(len);
  REQUIRE(copy || len == 0);
  if (len > 0) memcpy(copy, bytes, len);
  size_t at = 0;
  while (at < len) {
    size_t used = SIZE_MAX;
    hil_wire_frame_t f;
    const int result = wire_decoder_push(d, copy + at, len - at, &used, &f);
    REQUIRE(used >= 1 && used <= len - at);
    REQUIRE(result != 0 || used == len - at);
    REQUIRE(result == 1 || result == 0 || result == HIL_ERR_CRC || result == HIL_ERR_PAYLOAD ||
            result == HIL_ERR_EXHAUSTED || result == HIL_ERR_VERSION);
    at += used;
    if (result == 0) continue;
    h->reports++;
    remember(h, &result, sizeof result);
    if (result != 1) continue;
    check_frame(d, &f);
    remember(h, &f.type, sizeof f.type);
    remember(h, &f.seq, sizeof f.seq);
    remember(h, f.payload, f.len);
  }
  free(copy);
}

static void check_stream(const uint8_t *stream, size_t len, size_t piece) {
  static hil_wire_decoder_t whole, cut;
  hil_history_t h_whole = {0, 0}, h_cut = {0, 0};
  wire_decoder_init(&whole);
  wire_decoder_init(&cut);
  feed(&whole, stream, len, &h_whole);
  for (size_t at = 0; at < len; at += piece) {
    feed(&cut, stream + at, len - at < piece ? len - at : piece, &h_cut);
  }
  REQUIRE(h_whole.sum == h_cut.sum && h_whole.reports == h_cut.reports);
  REQUIRE(memcmp(&whole.counters, &cut.counters, sizeof whole.counters) == 0);
  REQUIRE(whole.peer_version == cut.peer_version);
  const hil_wire_counters_t *c = &whole.counters;
  REQUIRE(c->bytes == len);
  REQUIRE(c->frames + c->crc_errors + c->format_errors + c->version_errors + c->overruns == h_whole.reports);

  uint8_t frame[16];
  size_t frame_len = 0, used = 0;
  hil_wire_frame_t f;
  REQUIRE(wire_encode(0x21, 0x4321, NULL, 0, frame, sizeof frame, &frame_len) == HIL_OK);
  feed(&whole, frame, 1, &h_whole); /* what it ends is judged, and is none of the frame */
  REQUIRE(wire_decoder_push(&whole, frame + 1, frame_len - 1, &used, &f) == 1);
  REQUIRE(f.type == 0x21 && f.seq == 0x4321 && f.len == 0 && used == frame_len - 1);
}

static void check_cobs(const uint8_t *data, size_t len) {
  const size_t cap = cobs_max(len);
  uint8_t *plain = malloc(len + 1), *coded = malloc(cap), *back = malloc(len + 1);
  REQUIRE(plain && coded && back);
  memcpy(plain, data, len);
  size_t n = 0, m = 0;

  REQUIRE(cobs_encode(plain, len, coded, cap, &n) == HIL_OK);
  REQUIRE(n >= 1 && n <= cap && !memchr(coded, 0, n));
  REQUIRE(cobs_decode(coded, n, back, len, &m) == HIL_OK);
  REQUIRE(m == len && memcmp(back, plain, len) == 0);
  REQUIRE(cobs_encode(plain, len, coded, n - 1, &m) == HIL_ERR_EXHAUSTED);

  const int status = cobs_decode(plain, len, back, len, &n);
  REQUIRE(status == HIL_OK || status == HIL_ERR_PAYLOAD);
  REQUIRE(cobs_decode(plain, len, plain, len, &m) == status);
  if (status == HIL_OK) {
    REQUIRE(n == m && n <= len && memcmp(plain, back, n) == 0);
    REQUIRE(cobs_encode(back, n, coded, cap, &m) == HIL_OK && m <= (len ? len : 1));
    REQUIRE(cobs_decode(coded, m, plain, len, &m) == HIL_OK);
    REQUIRE(m == n && memcmp(plain, back, n) == 0);
    REQUIRE(n == 0 || cobs_decode(coded, cap, plain, n - 1, &m) != HIL_OK);
  }
  free(plain);
  free(coded);
  free(back);
}

static void check_payload(const uint8_t *data, size_t len) {
  if (len > WIRE_PAYLOAD_MAX) len = WIRE_PAYLOAD_MAX;
  static hil_wire_decoder_t d;
  uint8_t frame[WIRE_FRAME_MAX];
  size_t n = 0, used = 0;
  hil_wire_frame_t f;
  REQUIRE(wire_encode(7, 8, data, len, frame, sizeof frame, &n) == HIL_OK);
  REQUIRE(n <= len + 15 && frame[0] == 0 && memchr(frame + 1, 0, n - 1) == frame + n - 1);
  wire_decoder_init(&d);
  REQUIRE(wire_decoder_push(&d, frame, n, &used, &f) == 1 && used == n);
  REQUIRE(f.len == len && memcmp(f.payload, data, len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 1 || size > LONGEST_INPUT) return 0;
  const size_t piece = (size_t)data[0] + 1;
  check_stream(data + 1, size - 1, piece);
  check_cobs(data + 1, size - 1);
  check_payload(data + 1, size - 1);
  return 0;
}
