/* Frames: the streaming decoder against hostile streams. SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>

#include "bytes.h"
#include "cobs.h"
#include "crc32c.h"
#include "frame.h"
#include "unit.h"

enum { STREAM_MAX = 64 * 1024, EVENTS_MAX = 4096 };

static uint64_t random_state;

/* xorshift64 (Marsaglia 2003): tests need repeatable bytes, not good ones. */
static uint32_t random_u32(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return (uint32_t)(random_state >> 32);
}

static void random_bytes(uint8_t *out, size_t len, uint32_t zero_one_in) {
  for (size_t i = 0; i < len; i++) {
    out[i] = random_u32() % zero_one_in == 0 ? 0 : (uint8_t)random_u32();
  }
}

/* What a decoder made of a stream: one result per frame, each good one with a digest. */
typedef struct {
  int result;
  uint32_t sum; /* of version, type, seq, len, payload */
} hil_event_t;

typedef struct {
  hil_event_t events[EVENTS_MAX];
  size_t count;
  hil_wire_counters_t counters;
} hil_history_t;

static uint32_t frame_sum(const hil_wire_frame_t *f) {
  uint8_t head[6] = {f->version, f->type};
  store_u16le(head + 2, f->seq);
  store_u16le(head + 4, f->len);
  return hil_crc32c(hil_crc32c(0, head, sizeof head), f->payload, f->len);
}

static hil_wire_decoder_t decoder;

static void feed(const uint8_t *bytes, size_t len, hil_history_t *h) {
  while (len > 0) {
    size_t used = SIZE_MAX;
    hil_wire_frame_t frame;
    const int result = wire_decoder_push(&decoder, bytes, len, &used, &frame);
    CHECK(used >= 1 && used <= len);
    if (used < 1 || used > len) return;
    CHECK(result != 0 || used == len);
    if (result != 0 && h->count < EVENTS_MAX) {
      h->events[h->count].result = result;
      h->events[h->count++].sum = result == 1 ? frame_sum(&frame) : 0;
    }
    bytes += used;
    len -= used;
  }
}

static void decode_whole(const uint8_t *stream, size_t len, hil_history_t *h) {
  memset(h, 0, sizeof *h);
  wire_decoder_init(&decoder);
  feed(stream, len, h);
  h->counters = decoder.counters;
}

static void decode_in_cuts(const uint8_t *stream, size_t len, uint32_t longest, hil_history_t *h) {
  memset(h, 0, sizeof *h);
  wire_decoder_init(&decoder);
  for (size_t at = 0; at < len;) {
    size_t n = random_u32() % longest + 1;
    if (n > len - at) n = len - at;
    feed(stream + at, n, h);
    at += n;
  }
  h->counters = decoder.counters;
}

static uint64_t counted(const hil_wire_counters_t *c) {
  return c->frames + c->crc_errors + c->format_errors + c->version_errors + c->overruns;
}

/* A stream of good frames, damaged frames, garbage, idle zeros and overlong runs. */
static size_t build_stream(uint8_t *out, size_t cap) {
  size_t at = 0;
  while (cap - at > 4 * WIRE_FRAME_MAX) {
    uint8_t payload[WIRE_PAYLOAD_MAX];
    size_t len = random_u32() % 4 == 0 ? random_u32() % (WIRE_PAYLOAD_MAX + 1) : random_u32() % 40;
    size_t n = 0;
    random_bytes(payload, len, 1u << (random_u32() % 10));
    const uint8_t version = random_u32() % 8 == 0 ? WIRE_VERSION + 1 : WIRE_VERSION;
    CHECK_EQ(wire_encode_version(version, (uint8_t)random_u32(), (uint16_t)random_u32(), payload, len,
                                 out + at, cap - at, &n),
             HIL_OK);
    switch (random_u32() % 8) {
      case 0: out[at + random_u32() % n] ^= (uint8_t)(1u << random_u32() % 8); break;
      case 1: n -= random_u32() % n; break;
      case 2: random_bytes(out + at, n, 100); break;
      case 3:
        n = WIRE_FRAME_MAX - 3 + random_u32() % 2000;
        memset(out + at, 0x41, n);
        break;
      case 4:
        n = random_u32() % 5;
        memset(out + at, 0, n);
        break;
      default: break;
    }
    at += n;
  }
  out[at++] = 0;
  return at;
}

static uint8_t stream[STREAM_MAX];
static hil_history_t whole, cut;

static void test_random_cuts_decode_as_the_whole_stream_does(void) {
  random_state = 20250201;
  for (unsigned round = 0; round < 60; round++) {
    const size_t len = build_stream(stream, sizeof stream);
    decode_whole(stream, len, &whole);
    CHECK(whole.count > 20 && whole.count < EVENTS_MAX);
    CHECK_EQ(whole.counters.bytes, len);
    CHECK_EQ(counted(&whole.counters), whole.count);
    const uint32_t longest[] = {1, 3, 64, 2048};
    for (size_t i = 0; i < sizeof longest / sizeof longest[0]; i++) {
      decode_in_cuts(stream, len, longest[i], &cut);
      CHECK_EQ(cut.count, whole.count);
      CHECK(memcmp(cut.events, whole.events, sizeof cut.events) == 0);
      CHECK(memcmp(&cut.counters, &whole.counters, sizeof cut.counters) == 0);
    }
  }
  CHECK(whole.counters.frames && whole.counters.crc_errors && whole.counters.format_errors &&
        whole.counters.version_errors && whole.counters.overruns);
}

static void test_every_length_of_payload_comes_back(void) {
  random_state = 20250202;
  for (size_t len = 0; len <= WIRE_PAYLOAD_MAX; len++) {
    uint8_t payload[WIRE_PAYLOAD_MAX], out[WIRE_FRAME_MAX + 1];
    size_t n = 0, used = 0;
    hil_wire_frame_t f;
    random_bytes(payload, len, len % 3 == 0 ? 1 : 256);
    memset(out, UNIT_GUARD, sizeof out);
    CHECK_EQ(wire_encode((uint8_t)len, (uint16_t)(len * 63), payload, len, out, WIRE_FRAME_MAX, &n), HIL_OK);
    CHECK(n <= len + 15 && out[n] == UNIT_GUARD);
    CHECK(n > 2 && out[0] == 0 && memchr(out + 1, 0, n - 1) == out + n - 1);
    wire_decoder_init(&decoder);
    CHECK_EQ(wire_decoder_push(&decoder, out, n, &used, &f), 1);
    CHECK_EQ(used, n);
    CHECK_EQ(f.version, WIRE_VERSION);
    CHECK_EQ(f.type, (uint8_t)len);
    CHECK_EQ(f.seq, (uint16_t)(len * 63));
    CHECK_EQ(f.len, len);
    CHECK(memcmp(f.payload, payload, len) == 0);
    CHECK_EQ(decoder.peer_version, WIRE_VERSION);
  }
}

static void test_the_longest_frame_fits_exactly(void) {
  uint8_t payload[WIRE_PAYLOAD_MAX + 1], out[WIRE_FRAME_MAX + 1];
  size_t n = 0;
  memset(payload, 0x5A, sizeof payload);
  memset(out, UNIT_GUARD, sizeof out);
  /* No byte of this frame is zero: it has the longest encoding there is. */
  const uint16_t seq = 0x0101;
  CHECK_EQ(wire_encode(1, seq, payload, WIRE_PAYLOAD_MAX, out, WIRE_FRAME_MAX, &n), HIL_OK);
  CHECK_EQ(n, WIRE_FRAME_MAX);
  CHECK_EQ(out[n], UNIT_GUARD);
  decode_in_cuts(out, n, 100, &cut);
  CHECK_EQ(cut.counters.frames, 1);
  for (size_t cap = 0; cap < WIRE_FRAME_MAX; cap += cap < 8 || cap > 1000 ? 1 : 31) {
    memset(out, UNIT_GUARD, sizeof out);
    CHECK_EQ(wire_encode(1, seq, payload, WIRE_PAYLOAD_MAX, out, cap, &n), HIL_ERR_EXHAUSTED);
    CHECK_EQ(out[cap], UNIT_GUARD);
  }
}

static void test_a_wrong_call_is_refused(void) {
  uint8_t payload[WIRE_PAYLOAD_MAX + 1] = {0}, out[WIRE_FRAME_MAX + 8];
  size_t n, used;
  hil_wire_frame_t f;
  CHECK_EQ(wire_encode(1, 1, payload, sizeof payload, out, sizeof out, &n), HIL_ERR_ARG);
  CHECK_EQ(wire_encode(1, 1, NULL, 1, out, sizeof out, &n), HIL_ERR_ARG);
  CHECK_EQ(wire_encode(1, 1, payload, 1, NULL, sizeof out, &n), HIL_ERR_ARG);
  CHECK_EQ(wire_encode(1, 1, payload, 1, out, sizeof out, NULL), HIL_ERR_ARG);
  CHECK_EQ(wire_encode(1, 1, NULL, 0, out, sizeof out, &n), HIL_OK);
  wire_decoder_init(&decoder);
  CHECK_EQ(wire_decoder_push(NULL, out, n, &used, &f), HIL_ERR_ARG);
  CHECK_EQ(wire_decoder_push(&decoder, NULL, n, &used, &f), HIL_ERR_ARG);
  CHECK_EQ(wire_decoder_push(&decoder, out, n, NULL, &f), HIL_ERR_ARG);
  CHECK_EQ(wire_decoder_push(&decoder, out, n, &used, NULL), HIL_ERR_ARG);
  CHECK_EQ(decoder.counters.bytes, 0);
  CHECK_EQ(wire_decoder_push(&decoder, NULL, 0, &used, &f), 0);
  CHECK_EQ(used, 0);
}

/* No delimiter between them but the frame's own. */
static void test_a_frame_right_behind_garbage_is_found(void) {
  random_state = 20250203;
  for (unsigned round = 0; round < 500; round++) {
    uint8_t bytes[4 * WIRE_FRAME_MAX];
    const size_t garbage = round < 20 ? round : random_u32() % 3000;
    size_t n = 0;
    random_bytes(bytes, garbage, 300);
    CHECK_EQ(wire_encode(0x42, (uint16_t)round, bytes, 20, bytes + garbage, WIRE_FRAME_MAX, &n), HIL_OK);
    decode_in_cuts(bytes, garbage + n, 700, &cut);
    CHECK_EQ(cut.counters.frames, 1);
    CHECK(cut.count >= 1 && cut.events[cut.count - 1].result == 1);
  }
}

/* As releases send them that put a delimiter behind a frame only. */
static void test_frames_with_a_single_delimiter_between_them_are_all_found(void) {
  uint8_t bytes[200];
  size_t at = 0;
  for (uint16_t seq = 1; seq <= 5; seq++) {
    size_t n = 0;
    CHECK_EQ(wire_encode(1, seq, NULL, 0, bytes + at, sizeof bytes - at, &n), HIL_OK);
    at += n - 1; /* the next frame's first delimiter falls upon this one's last */
  }
  decode_whole(bytes, at + 1, &whole);
  CHECK_EQ(whole.count, 5);
  CHECK_EQ(whole.counters.frames, 5);
  decode_whole(bytes + 1, at, &whole);
  CHECK_EQ(whole.counters.frames, 5);
}

static void test_a_changed_delimiter_costs_the_frame_that_it_belongs_to(void) {
  enum { FRAMES = 4 };
  uint8_t bytes[200];
  size_t first[FRAMES], last[FRAMES], at = 0;
  for (uint16_t i = 0; i < FRAMES; i++) {
    size_t n = 0;
    CHECK_EQ(wire_encode(1, (uint16_t)(i + 1), NULL, 0, bytes + at, sizeof bytes - at, &n), HIL_OK);
    first[i] = at;
    last[i] = at + n - 1;
    at += n;
  }
  for (size_t i = 0; i < FRAMES; i++) {
    bytes[first[i]] = 0x80;
    decode_whole(bytes, at, &whole);
    CHECK_EQ(whole.counters.frames, FRAMES - 1);
    bytes[first[i]] = 0;
    bytes[last[i]] = 0x80;
    decode_whole(bytes, at, &whole);
    CHECK_EQ(whole.counters.frames, FRAMES - 1);
    bytes[last[i]] = 0;
  }
}

static void test_two_lost_delimiters_cost_two_frames_and_no_more(void) {
  uint8_t bytes[200];
  size_t a = 0, b = 0, c = 0;
  CHECK_EQ(wire_encode(1, 1, NULL, 0, bytes, sizeof bytes, &a), HIL_OK);
  a -= 2; /* overwrite the delimiter, and put the next one over the last byte of the CRC */
  CHECK_EQ(wire_encode(2, 2, NULL, 0, bytes + a, sizeof bytes - a, &b), HIL_OK);
  bytes[a] = 0x77;
  CHECK_EQ(wire_encode(3, 3, NULL, 0, bytes + a + b, sizeof bytes - a - b, &c), HIL_OK);
  decode_whole(bytes, a + b + c, &whole);
  CHECK_EQ(whole.count, 2);
  CHECK(whole.events[0].result < 0);
  CHECK_EQ(whole.events[1].result, 1);
}

static void test_idle_zeros_are_silent_but_counted_as_bytes(void) {
  uint8_t bytes[100] = {0};
  size_t n = 0;
  CHECK_EQ(wire_encode(1, 1, NULL, 0, bytes + 40, 60, &n), HIL_OK);
  decode_whole(bytes, sizeof bytes, &whole);
  CHECK_EQ(whole.count, 1);
  CHECK_EQ(whole.events[0].result, 1);
  CHECK_EQ(whole.counters.bytes, sizeof bytes);
  CHECK_EQ(counted(&whole.counters), 1);
}

static void test_another_version_is_reported_and_kept(void) {
  for (unsigned version = 0; version < 256; version++) {
    uint8_t bytes[WIRE_FRAME_MAX];
    size_t n = 0, used = 0;
    hil_wire_frame_t f;
    CHECK_EQ(wire_encode_version((uint8_t)version, 0x21, 7, NULL, 0, bytes, sizeof bytes, &n), HIL_OK);
    wire_decoder_init(&decoder);
    const int result = wire_decoder_push(&decoder, bytes, n, &used, &f);
    CHECK_EQ(result, version == WIRE_VERSION ? 1 : HIL_ERR_VERSION);
    CHECK_EQ(f.version, version);
    CHECK_EQ(f.type, 0x21);
    CHECK_EQ(decoder.peer_version, version);
    CHECK_EQ(decoder.counters.version_errors, version != WIRE_VERSION);
    CHECK_EQ(decoder.counters.frames, version == WIRE_VERSION);
  }
}

static void test_a_bad_crc_hides_the_version(void) {
  uint8_t bytes[64];
  size_t n = 0;
  CHECK_EQ(wire_encode_version(9, 1, 0x0101, NULL, 0, bytes, sizeof bytes, &n), HIL_OK);
  bytes[3] ^= 0x10; /* the type */
  decode_whole(bytes, n, &whole);
  CHECK_EQ(whole.events[0].result, HIL_ERR_CRC);
  CHECK_EQ(decoder.peer_version, 0);
}

static void test_a_run_longer_than_any_frame_is_reported_once(void) {
  uint8_t bytes[5000];
  size_t used = 0, n = 0;
  hil_wire_frame_t f;
  memset(bytes, 0x33, sizeof bytes);
  /* As many bytes as a frame may have do not disturb: only the next one does. */
  wire_decoder_init(&decoder);
  CHECK_EQ(wire_decoder_push(&decoder, bytes, WIRE_FRAME_MAX - 2, &used, &f), 0);
  CHECK_EQ(wire_decoder_push(&decoder, bytes, 1, &used, &f), HIL_ERR_EXHAUSTED);
  CHECK_EQ(wire_decoder_push(&decoder, bytes, sizeof bytes, &used, &f), 0);
  CHECK_EQ(wire_decoder_push(&decoder, bytes, sizeof bytes, &used, &f), 0);
  CHECK_EQ(decoder.counters.overruns, 1);
  CHECK_EQ(decoder.counters.bytes, WIRE_FRAME_MAX - 1 + 2 * sizeof bytes);
  bytes[10] = 0;
  CHECK_EQ(wire_encode(1, 5, NULL, 0, bytes + 11, 64, &n), HIL_OK);
  CHECK_EQ(wire_decoder_push(&decoder, bytes, 11 + n, &used, &f), 1);
  CHECK_EQ(f.seq, 5);
  CHECK_EQ(decoder.counters.overruns, 1);
}

/* Many zeros shrink by COBS: such a run is short enough encoded and too long decoded. */
static void test_a_frame_too_long_only_when_decoded_is_an_overrun(void) {
  for (size_t raw_len = WIRE_RAW_MAX - 1; raw_len <= WIRE_RAW_MAX + 4; raw_len++) {
    uint8_t raw[WIRE_RAW_MAX + 4] = {WIRE_VERSION}, coded[WIRE_FRAME_MAX + 1];
    size_t n = 0;
    store_u32le(raw + raw_len - 4, hil_crc32c(0, raw, raw_len - 4));
    CHECK_EQ(cobs_encode(raw, raw_len, coded, WIRE_FRAME_MAX - 1, &n), HIL_OK);
    coded[n++] = 0;
    for (uint32_t longest = 10; longest < 4000; longest += 1990) {
      decode_in_cuts(coded, n, longest, &cut);
      CHECK_EQ(cut.count, 1);
      CHECK_EQ(cut.events[0].result, raw_len <= WIRE_RAW_MAX ? 1 : HIL_ERR_EXHAUSTED);
      CHECK_EQ(cut.counters.overruns, raw_len > WIRE_RAW_MAX);
    }
  }
}

static void test_frames_shorter_than_header_and_crc_are_format_errors(void) {
  for (size_t raw_len = 0; raw_len < 8; raw_len++) {
    uint8_t raw[8] = {WIRE_VERSION, 2, 3, 4, 5, 6, 7, 8}, coded[16];
    size_t n = 0;
    if (raw_len >= 4) store_u32le(raw + raw_len - 4, hil_crc32c(0, raw, raw_len - 4));
    CHECK_EQ(cobs_encode(raw, raw_len, coded, sizeof coded, &n), HIL_OK);
    coded[n++] = 0;
    decode_whole(coded, n, &whole);
    CHECK_EQ(whole.count, 1);
    CHECK_EQ(whole.events[0].result, HIL_ERR_PAYLOAD);
    CHECK_EQ(whole.counters.format_errors, 1);
  }
}

static void test_each_kind_of_damage_has_its_own_counter(void) {
  uint8_t bytes[4 * WIRE_FRAME_MAX];
  size_t at = 0, n = 0;
  CHECK_EQ(wire_encode(1, 0x0101, NULL, 0, bytes, 64, &n), HIL_OK);
  bytes[2] ^= 4;
  at += n;
  memcpy(bytes + at, "\x09\x01", 3); /* a block past the end */
  at += 3;
  CHECK_EQ(wire_encode_version(WIRE_VERSION + 1, 1, 1, NULL, 0, bytes + at, 64, &n), HIL_OK);
  at += n;
  memset(bytes + at, 1, WIRE_FRAME_MAX);
  at += WIRE_FRAME_MAX;
  bytes[at++] = 0;
  CHECK_EQ(wire_encode(1, 1, NULL, 0, bytes + at, 64, &n), HIL_OK);
  at += n;
  const int want[] = {HIL_ERR_CRC, HIL_ERR_PAYLOAD, HIL_ERR_VERSION, HIL_ERR_EXHAUSTED, 1};
  decode_whole(bytes, at, &whole);
  CHECK_EQ(whole.count, 5);
  for (size_t i = 0; i < 5; i++) CHECK_EQ(whole.events[i].result, want[i]);
  CHECK_EQ(whole.counters.crc_errors, 1);
  CHECK_EQ(whole.counters.format_errors, 1);
  CHECK_EQ(whole.counters.version_errors, 1);
  CHECK_EQ(whole.counters.overruns, 1);
  CHECK_EQ(whole.counters.frames, 1);
  CHECK_EQ(whole.counters.bytes, at);
}

static void test_one_flipped_bit_is_never_taken_for_a_frame(void) {
  uint8_t bytes[300], payload[200];
  size_t n = 0;
  random_state = 20250204;
  random_bytes(payload, sizeof payload, 20);
  CHECK_EQ(wire_encode(4, 9, payload, sizeof payload, bytes, sizeof bytes, &n), HIL_OK);
  for (size_t bit = 0; bit < 8 * n; bit++) {
    bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    decode_whole(bytes, n, &whole);
    /* A flip that makes a delimiter leaves two damaged pieces; one in the delimiter none, yet. */
    CHECK_EQ(whole.counters.frames, 0);
    CHECK(whole.count <= 2 && (whole.count >= 1 || bit / 8 == n - 1));
    bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
  }
}

static void test_the_callers_bytes_are_not_touched(void) {
  uint8_t bytes[WIRE_FRAME_MAX], copy[WIRE_FRAME_MAX], payload[500];
  size_t n = 0;
  random_state = 20250205;
  random_bytes(payload, sizeof payload, 3);
  CHECK_EQ(wire_encode(4, 9, payload, sizeof payload, bytes, sizeof bytes, &n), HIL_OK);
  memcpy(copy, bytes, n);
  decode_whole(bytes, n, &whole);
  decode_in_cuts(bytes, n, 50, &cut);
  CHECK(memcmp(copy, bytes, n) == 0);
}

int main(void) {
  RUN(test_random_cuts_decode_as_the_whole_stream_does);
  RUN(test_every_length_of_payload_comes_back);
  RUN(test_the_longest_frame_fits_exactly);
  RUN(test_a_wrong_call_is_refused);
  RUN(test_a_frame_right_behind_garbage_is_found);
  RUN(test_frames_with_a_single_delimiter_between_them_are_all_found);
  RUN(test_a_changed_delimiter_costs_the_frame_that_it_belongs_to);
  RUN(test_two_lost_delimiters_cost_two_frames_and_no_more);
  RUN(test_idle_zeros_are_silent_but_counted_as_bytes);
  RUN(test_another_version_is_reported_and_kept);
  RUN(test_a_bad_crc_hides_the_version);
  RUN(test_a_run_longer_than_any_frame_is_reported_once);
  RUN(test_a_frame_too_long_only_when_decoded_is_an_overrun);
  RUN(test_frames_shorter_than_header_and_crc_are_format_errors);
  RUN(test_each_kind_of_damage_has_its_own_counter);
  RUN(test_one_flipped_bit_is_never_taken_for_a_frame);
  RUN(test_the_callers_bytes_are_not_touched);
  return UNIT_RESULT();
}
