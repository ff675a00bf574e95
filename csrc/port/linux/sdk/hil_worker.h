/* Make a program of yours a worker of hil (`workload: exec`): copy this one file beside it, and include it in one
 * source file. SPDX-License-Identifier: Apache-2.0
 *
 *   static float weights[64][16];
 *
 *   static int step(void *context, uint64_t frame, uint8_t *state, const uint8_t *input, uint8_t *output) {
 *     ...            (change |state| in place, fill |output|)
 *     return 0;      (another value: the program ends with it)
 *   }
 *
 *   int main(void) {
 *     hil_worker_t worker = {.state_len = 24, .input_len = 8, .output_len = 16, .step = step};
 *     hil_worker_region(&worker, "weights", HIL_FP32, HIL_WEIGHTS, weights, 2, (uint32_t[]){64, 16});
 *     return hil_worker_run(&worker);
 *   }
 *
 * The rules are those of csrc/port/linux/EXEC.md: state and output depend on nothing but what |step| is given, the
 * seed, and the regions. Nothing else may be written to standard output. C99 and C++11, and nothing but the C
 * library. Memory of a GPU is named with hil_worker_device_region. */
#ifndef HIL_WORKER_H
#define HIL_WORKER_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  HIL_WORKER_REGIONS = 256,
  HIL_WORKER_PIECE = 65536 /* [byte] of a region in one message */
};

/* What the bytes of a region are, */
enum {
  HIL_BYTES,
  HIL_INT8,
  HIL_UINT8,
  HIL_INT16,
  HIL_UINT16,
  HIL_INT32,
  HIL_UINT32,
  HIL_INT64,
  HIL_UINT64,
  HIL_FP16,
  HIL_BF16,
  HIL_FP32,
  HIL_FP64,
  HIL_BOOL
};

/* and what it is for. */
enum { HIL_OTHER, HIL_WEIGHTS, HIL_ACTIVATIONS };

/* Copy |len| bytes from |offset| of a region to |out|, or from |in| there; the other one is null. What is read must be
 * what the memory has. Returns 0; anything else ends the program. */
typedef int (*hil_worker_access_t)(void *memory, uint32_t offset, uint8_t *out, const uint8_t *in,
                                   uint32_t len);

typedef struct {
  uint8_t declared[64];
  uint32_t len;
  void *memory;
  hil_worker_access_t access;
} hil_worker_region_t;

typedef struct {
  uint32_t state_len; /* [byte] up to 1 MiB; 0: none of its own */
  uint32_t input_len; /* [byte] up to 256 */
  uint32_t output_len; /* [byte] 1 to 65536 */
  /* Compute a frame. Returns 0, or the code with which the program ends. */
  int (*step)(void *context, uint64_t frame, uint8_t *state, const uint8_t *input, uint8_t *output);
  /* Fill in the zeroed |state| before the first frame; it may also fill regions. Null: the state is zero. Returns 0, or
   * another value: the program ends. */
  int (*init)(void *context, uint64_t seed, uint8_t *state);
  void *context; /* given to both */
  uint32_t regions;
  hil_worker_region_t region[HIL_WORKER_REGIONS];
} hil_worker_t;

static void hil_worker_put32(uint8_t *p, uint32_t v) {
  for (int i = 0; i < 4; i++) p[i] = (uint8_t)(v >> 8 * i);
}

static uint32_t hil_worker_get32(const uint8_t *p) {
  return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t hil_worker_get64(const uint8_t *p) {
  return hil_worker_get32(p) | (uint64_t)hil_worker_get32(p + 4) << 32;
}

static int hil_worker_copy(void *memory, uint32_t offset, uint8_t *out, const uint8_t *in, uint32_t len) {
  if (out) memcpy(out, (uint8_t *)memory + offset, len);
  if (in) memcpy((uint8_t *)memory + offset, in, len);
  return 0;
}

/* Name memory that upsets may hit, and that is compared and healed with the state; |access| reads and writes it. */
static void hil_worker_device_region(hil_worker_t *w, const char *name, int element, int use, void *memory,
                                     int rank, const uint32_t *shape, hil_worker_access_t access) {
  static const uint8_t size_of[] = {1, 1, 1, 2, 2, 4, 4, 8, 8, 2, 2, 4, 8, 1};
  if (w->regions == HIL_WORKER_REGIONS || rank < 0 || rank > 6 || strlen(name) > 31) {
    fprintf(stderr, "hil_worker: %s: too many regions or dimensions, or too long a name\n", name);
    exit(2);
  }
  hil_worker_region_t *r = &w->region[w->regions++];
  memset(r, 0, sizeof *r);
  memcpy(r->declared, name, strlen(name));
  r->declared[32] = (uint8_t)element;
  r->declared[33] = (uint8_t)use;
  r->declared[34] = access != hil_worker_copy;
  r->declared[35] = (uint8_t)rank;
  r->len = size_of[element];
  for (int i = 0; i < rank; i++) {
    r->len *= shape[i];
    hil_worker_put32(r->declared + 40 + 4 * i, shape[i]);
  }
  hil_worker_put32(r->declared + 36, r->len);
  r->memory = memory;
  r->access = access;
}

/* The same of memory of the program itself. */
static void hil_worker_region(hil_worker_t *w, const char *name, int element, int use, void *memory, int rank,
                              const uint32_t *shape) {
  hil_worker_device_region(w, name, element, use, memory, rank, shape, hil_worker_copy);
}

/* --- messages -------------------------------------------------------------------------------------------- */

static uint32_t hil_worker_crc(uint32_t polynomial, uint32_t crc, const uint8_t *bytes, size_t len) {
  static uint32_t table[2][256];
  uint32_t *t = table[polynomial == 0xEDB88320u];
  if (!t[1]) {
    for (uint32_t i = 0; i < 256; i++) {
      uint32_t c = i;
      for (int bit = 0; bit < 8; bit++) c = c >> 1 ^ (c & 1u ? polynomial : 0u);
      t[i] = c;
    }
  }
  crc = ~crc;
  for (size_t i = 0; i < len; i++) crc = crc >> 8 ^ t[(crc ^ bytes[i]) & 0xFFu];
  return ~crc;
}

/* The digest of a region: the Adler-32 of its bytes above their CRC-32. */
static int hil_worker_digest(const hil_worker_region_t *r, uint8_t *out) {
  static uint8_t piece[HIL_WORKER_PIECE];
  uint32_t crc = 0, a = 1, b = 0;
  for (uint32_t at = 0; at < r->len;) {
    const uint32_t len = r->len - at < sizeof piece ? r->len - at : (uint32_t)sizeof piece;
    const uint8_t *bytes = r->access == hil_worker_copy ? (const uint8_t *)r->memory + at : piece;
    if (bytes == piece && r->access(r->memory, at, piece, NULL, len) != 0) return -1;
    crc = hil_worker_crc(0xEDB88320u, crc, bytes, len);
    for (uint32_t i = 0; i < len; i++) {
      a += bytes[i];
      b += a;
      if ((i & 4095u) == 4095u || i == len - 1) {
        a %= 65521u;
        b %= 65521u;
      }
    }
    at += len;
  }
  hil_worker_put32(out, crc);
  hil_worker_put32(out + 4, b << 16 | a);
  return 0;
}

static int hil_worker_answer(uint8_t type, uint8_t *message, size_t body) {
  memcpy(message, "HILX\2", 5);
  message[5] = type;
  message[6] = message[7] = 0;
  hil_worker_put32(message + 8, (uint32_t)body);
  hil_worker_put32(message + 12 + body, hil_worker_crc(0xEDB88320u, 0, message, 12 + body));
  return fwrite(message, 12 + body + 4, 1, stdout) == 1 && fflush(stdout) == 0 ? 0 : -1;
}

/* Read the rest of a request whose header is in |in|. Returns 0, or -1: it is not one. */
static int hil_worker_receive(uint8_t *in, size_t cap) {
  const size_t body = hil_worker_get32(in + 8);
  if (memcmp(in, "HILX", 4) != 0 || body > cap - 16 || fread(in + 12, body + 4, 1, stdin) != 1) return -1;
  const uint32_t polynomial = in[4] == 2 ? 0xEDB88320u : 0x82F63B78u;
  return hil_worker_get32(in + 12 + body) == hil_worker_crc(polynomial, 0, in, 12 + body) ? 0 : -1;
}

/* Answer one request. Returns 0, or why the program ends. */
static int hil_worker_serve(hil_worker_t *w, const uint8_t *in, uint8_t *out) {
  const uint8_t type = in[5];
  const uint8_t *body = in + 12;
  uint8_t *at = out + 12;
  if (type == 1) {
    hil_worker_put32(at, w->state_len);
    hil_worker_put32(at + 4, w->input_len);
    hil_worker_put32(at + 8, w->output_len);
    hil_worker_put32(at + 12, w->regions);
    at += 16;
    for (uint32_t i = 0; i < w->regions; i++, at += 64) memcpy(at, w->region[i].declared, 64);
    memset(at, 0, w->state_len);
    if (w->init && w->init(w->context, hil_worker_get64(body), at) != 0) return 3;
    at += w->state_len;
  } else if (type == 2) {
    memcpy(at, body, 8 + w->state_len);
    uint8_t *state = at + 8, *output = state + w->state_len;
    memset(output, 0, w->output_len);
    const int result = w->step(w->context, hil_worker_get64(body), state, body + 8 + w->state_len, output);
    if (result != 0) return result;
    at = output + w->output_len;
    for (uint32_t i = 0; i < w->regions; i++, at += 8) {
      if (hil_worker_digest(&w->region[i], at) != 0) return 4;
    }
  } else if (type == 3 || type == 4) {
    const uint32_t number = hil_worker_get32(body), offset = hil_worker_get32(body + 4);
    const uint32_t len = hil_worker_get32(body + 8);
    if (number >= w->regions || len > HIL_WORKER_PIECE || offset > w->region[number].len ||
        len > w->region[number].len - offset) {
      return 2;
    }
    memcpy(at, body, 12);
    at += 12;
    hil_worker_region_t *r = &w->region[number];
    if (r->access(r->memory, offset, type == 3 ? at : NULL, type == 4 ? body + 12 : NULL, len) != 0) return 4;
    if (type == 3) at += len;
  } else {
    return 2; /* the agent is newer */
  }
  return hil_worker_answer(type, out, (size_t)(at - out) - 12) == 0 ? 0 : 3;
}

/* Answer the agent until it closes the pipe. Returns the exit code. */
static int hil_worker_run(hil_worker_t *w) {
  const size_t declared = (size_t)w->regions * 72u; /* declarations, or digests */
  const size_t cap = 64u + w->state_len + w->input_len + w->output_len + declared + HIL_WORKER_PIECE;
  uint8_t *in = (uint8_t *)malloc(cap), *out = (uint8_t *)malloc(cap);
  int result = in && out ? 0 : 3;
  while (!result && fread(in, 12, 1, stdin) == 1) {
    result = hil_worker_receive(in, cap) == 0 ? hil_worker_serve(w, in, out) : 2;
  }
  free(in);
  free(out);
  return result;
}

#endif
