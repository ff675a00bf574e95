/* Memory that a program has named: weights, activations, buffers of a GPU. SPDX-License-Identifier: Apache-2.0
 *
 * A program of version 2 declares regions. They stand behind its own state in the state that the agent has, so that
 * votes, repairs, checkpoints and upsets reach them like any other state; the agent has to keep its copy and the
 * program's memory alike. It does so by requests, between two steps: only the program reaches all of them.
 *
 *   what happens to the copy        what the program is asked
 *   a step has ended                nothing, or READ of the regions whose digests have changed
 *   an upset hits it                WRITE of these bytes, and READ: what comes back is the copy
 *   WRITE, RESTORE, a stuck cell    before the next step, the same of all that differs
 *
 * Invariants:
 *   1. |copy| is what the program has said last of its regions, never what it was asked to take.
 *   2. An answer that is wrong in length, number, place or CRC ends the program. So does one whose digest is not that
 *      of the bytes that it has sent. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "bytes.h"
#include "exec_talk.h"

enum {
  PLACE = 12, /* [byte] region, offset, length: before the bytes of READ and WRITE */
  SPAN = 4096, /* [byte] that are compared at once */
  ADLER_RUN = 5552 /* [byte] for which the sums of Adler-32 cannot overflow */
};

static uint32_t min_u32(uint32_t a, uint32_t b) { return a < b ? a : b; }

/* --- digests ------------------------------------------------------------------------------------------- */

static uint32_t adler32(const uint8_t *bytes, size_t len) {
  uint32_t a = 1, b = 0;
  while (len) {
    size_t run = len < ADLER_RUN ? len : ADLER_RUN;
    len -= run;
    while (run--) {
      a += *bytes++;
      b += a;
    }
    a %= 65521u;
    b %= 65521u;
  }
  return b << 16 | a;
}

/* As a program computes it: what Python and C programs have without any library. */
static uint64_t digest_of(const uint8_t *bytes, size_t len) {
  return (uint64_t)adler32(bytes, len) << 32 | talk_crc32(bytes, len);
}

/* --- declarations ---------------------------------------------------------------------------------------- */

enum {
  NAME_LEN = 32, /* [byte] zero-padded; then element, use, place, rank */
  LEN_AT = 36,
  SHAPE_AT = 40,
  RANK_MAX = 6,
  USE_MAX = 2,
  PLACE_MAX = 1
};

static uint32_t element_size(uint8_t element) {
  static const uint8_t size[] = {1, 1, 1, 2, 2, 4, 4, 8, 8, 2, 2, 4, 8, 1};
  return element < sizeof size ? size[element] : 0;
}

static bool name_is_right(const uint8_t *name) {
  const size_t len = strnlen((const char *)name, NAME_LEN);
  if (!len || len == NAME_LEN) return false;
  for (size_t i = 0; i < NAME_LEN; i++) {
    const uint8_t c = name[i];
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                          (c && strchr("_.:/-", c));
    if (i < len ? !is_plain : c != 0) return false;
  }
  return true;
}

/* Whether the shape has as many bytes as the region. */
static bool shape_is_right(const uint8_t *declared) {
  const uint8_t rank = declared[35];
  uint64_t bytes = element_size(declared[32]);
  if (!bytes || declared[33] > USE_MAX || declared[34] > PLACE_MAX || rank > RANK_MAX) return false;
  for (int d = 0; d < RANK_MAX; d++) {
    const uint32_t size = load_u32le(declared + SHAPE_AT + 4 * d);
    if (d >= rank && size) return false;
    if (d < rank) bytes *= size;
    if (bytes > EXEC_REGIONS_BYTES) return false;
  }
  return bytes && bytes == load_u32le(declared + LEN_AT);
}

bool regions_declare(hil_exec_regions_t *r, const uint8_t *bytes, uint32_t count) {
  memset(r, 0, sizeof *r);
  memcpy(r->declared, bytes, (size_t)count * MESSAGE_REGION_INFO);
  uint64_t len = 0;
  for (uint32_t n = 0; n < count; n++) {
    if (!name_is_right(r->declared[n]) || !shape_is_right(r->declared[n])) return false;
    for (uint32_t other = 0; other < n; other++) {
      if (!memcmp(r->declared[other], r->declared[n], NAME_LEN)) return false;
    }
    r->offset_of[n] = (uint32_t)len;
    r->len_of[n] = load_u32le(r->declared[n] + LEN_AT);
    len += r->len_of[n];
    if (len > EXEC_REGIONS_BYTES) return false;
  }
  r->count = count;
  r->len = (uint32_t)len;
  return true;
}

bool regions_are_alike(const hil_exec_regions_t *a, const hil_exec_regions_t *b) {
  return a->count == b->count && !memcmp(a->declared, b->declared, (size_t)a->count * MESSAGE_REGION_INFO);
}

int regions_map(hil_exec_regions_t *r, uint32_t own_len) {
  r->own_len = own_len;
  if (!r->count) return 0;
  const size_t state_len = ((size_t)own_len + r->len + 63u) / 64u * 64u;
  r->memory_len = state_len + r->len;
  void *const p = mmap(NULL, r->memory_len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) return errno;
  r->memory = p;
  r->copy = r->memory + state_len;
  return 0;
}

void regions_unmap(hil_exec_regions_t *r) {
  if (r->memory) (void)munmap(r->memory, r->memory_len);
  memset(r, 0, sizeof *r);
}

int regions_report(const hil_exec_regions_t *r, hil_regions_t *out) {
  if (out->first > r->count) return HIL_ERR_ARG;
  const uint32_t room = MESSAGE_PACKED_MAX / MESSAGE_REGION_INFO;
  const uint32_t count = min_u32(r->count - out->first, room);
  out->total = (uint16_t)r->count;
  out->len = (uint16_t)(count * MESSAGE_REGION_INFO);
  if (count) memcpy(out->bytes, r->declared[out->first], out->len);
  return HIL_OK;
}

/* --- requests -------------------------------------------------------------------------------------------- */

/* The bytes of a region in the state, and in the copy. */
static uint8_t *in_state(const hil_exec_t *x, uint32_t n) {
  return x->regions.memory + x->regions.own_len + x->regions.offset_of[n];
}

static uint8_t *in_copy(const hil_exec_t *x, uint32_t n) { return x->regions.copy + x->regions.offset_of[n]; }

static void put_place(uint32_t n, uint32_t offset, uint32_t len) {
  uint8_t *const body = talk_request();
  store_u32le(body, n);
  store_u32le(body + 4, offset);
  store_u32le(body + 8, len);
}

static bool is_place(const uint8_t *body, uint32_t n, uint32_t offset, uint32_t len) {
  return load_u32le(body) == n && load_u32le(body + 4) == offset && load_u32le(body + 8) == len;
}

/* Read a part of region |n| into the copy. */
static bool read_part(hil_exec_t *x, uint32_t n, uint32_t offset, uint32_t len) {
  while (len) {
    const uint32_t part = min_u32(len, EXEC_PIECE);
    put_place(n, offset, part);
    const uint8_t *const body = talk_ask(x, TALK_READ, PLACE, PLACE + part);
    if (!body) return false;
    if (!is_place(body, n, offset, part)) {
      talk_lose(x, EPROTO);
      return false;
    }
    memcpy(in_copy(x, n) + offset, body + PLACE, part);
    offset += part;
    len -= part;
  }
  return true;
}

/* Write a part of region |n| of the state to the program, and read it back into copy and state. */
static bool write_part(hil_exec_t *x, uint32_t n, uint32_t offset, uint32_t len) {
  for (uint32_t at = offset, left = len; left;) {
    const uint32_t part = min_u32(left, EXEC_PIECE);
    put_place(n, at, part);
    memcpy(talk_request() + PLACE, in_state(x, n) + at, part);
    const uint8_t *const body = talk_ask(x, TALK_WRITE, PLACE + part, PLACE);
    if (!body) return false;
    if (!is_place(body, n, at, part)) {
      talk_lose(x, EPROTO);
      return false;
    }
    at += part;
    left -= part;
  }
  if (!read_part(x, n, offset, len)) return false;
  memcpy(in_state(x, n) + offset, in_copy(x, n) + offset, len);
  x->regions.digest[n] = digest_of(in_copy(x, n), x->regions.len_of[n]);
  return true;
}

bool regions_begin(hil_exec_t *x) {
  hil_exec_regions_t *const r = &x->regions;
  for (uint32_t n = 0; n < r->count; n++) {
    if (!read_part(x, n, 0, r->len_of[n])) return false;
    r->digest[n] = digest_of(in_copy(x, n), r->len_of[n]);
  }
  if (!r->adopted && r->count) memcpy(r->memory + r->own_len, r->copy, r->len);
  r->adopted = true;
  return true;
}

bool regions_push(hil_exec_t *x) {
  const hil_exec_regions_t *const r = &x->regions;
  for (uint32_t n = 0; n < r->count; n++) {
    const uint32_t len = r->len_of[n];
    for (uint32_t first = 0; first < len;) {
      uint32_t end = first;
      while (end < len && memcmp(in_state(x, n) + end, in_copy(x, n) + end, min_u32(SPAN, len - end)) != 0) {
        end += min_u32(SPAN, len - end);
      }
      if (end > first && !write_part(x, n, first, end - first)) return false;
      first = end + min_u32(SPAN, len - end); /* that one is alike */
    }
  }
  return true;
}

bool regions_write(hil_exec_t *x, uint64_t offset, size_t len) {
  const hil_exec_regions_t *const r = &x->regions;
  const uint64_t end = offset + len;
  for (uint32_t n = 0; n < r->count; n++) {
    const uint64_t begins = r->own_len + r->offset_of[n], ends = begins + r->len_of[n];
    const uint64_t from = offset > begins ? offset : begins, to = end < ends ? end : ends;
    if (from < to && !write_part(x, n, (uint32_t)(from - begins), (uint32_t)(to - from))) return false;
  }
  return true;
}

bool regions_pull(hil_exec_t *x, const uint8_t *digests) {
  hil_exec_regions_t *const r = &x->regions;
  static uint8_t stated[EXEC_REGIONS_MAX * 8]; /* the next answer overwrites |digests| */
  memcpy(stated, digests, (size_t)r->count * 8u);
  for (uint32_t n = 0; n < r->count; n++) {
    const uint64_t digest = load_u64le(stated + (size_t)n * 8u);
    if (digest == r->digest[n]) continue;
    if (!read_part(x, n, 0, r->len_of[n])) return false;
    if (digest_of(in_copy(x, n), r->len_of[n]) != digest) {
      talk_lose(x, EPROTO);
      return false;
    }
    memcpy(in_state(x, n), in_copy(x, n), r->len_of[n]);
    r->digest[n] = digest;
  }
  return true;
}
