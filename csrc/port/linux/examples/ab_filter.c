/* A worker for `workload: exec`: an alpha-beta filter. SPDX-License-Identifier: Apache-2.0
 *
 *   cc -O2 -o ab_filter ab_filter.c
 *   hil-agent --port /dev/serial0 --exec filter=/usr/local/bin/ab_filter
 *
 * Copy it: only the part marked "the work" is about the filter. It computes bit by bit what ab_filter.py
 * does, so a board with one and a board with the other can outvote each other. ../EXEC.md has the rules. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* --- the work ------------------------------------------------------------------------------------ */

enum { STATE = 24, INPUT = 8, OUTPUT = 16 };

static uint64_t get(const uint8_t *p) {
  uint64_t v = 0;
  for (int i = 7; i >= 0; i--) v = v << 8 | p[i];
  return v;
}

static void put(uint8_t *p, uint64_t v) {
  for (int i = 0; i < 8; i++) p[i] = (uint8_t)(v >> 8 * i);
}

/* Integers, so that every machine gets the same bits: position, velocity, steps. */
static void init(uint64_t seed, uint8_t state[STATE]) {
  memset(state, 0, STATE);
  put(state, seed);
}

static void step(uint8_t state[STATE], const uint8_t input[INPUT], uint8_t output[OUTPUT]) {
  const uint64_t predicted = get(state) + get(state + 8);
  const int64_t residual = (int64_t)(get(input) - predicted);
  put(state, predicted + (uint64_t)(residual / 2));
  put(state + 8, get(state + 8) + (uint64_t)(residual / 8));
  put(state + 16, get(state + 16) + 1);
  memcpy(output, state, OUTPUT);
}

/* --- the protocol -------------------------------------------------------------------------------- */

enum { HEADER = 12, FRAME = 8, CRC = 4, INIT = 1, STEP = 2, SIZES = 12 };

static uint32_t hil_crc32c(const uint8_t *data, size_t len) {
  uint32_t crc = 0xFFFFFFFFu;
  for (size_t i = 0; i < len; i++) {
    crc ^= data[i];
    for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78u : 0);
  }
  return ~crc;
}

static void put32(uint8_t *p, uint32_t v) {
  for (int i = 0; i < 4; i++) p[i] = (uint8_t)(v >> 8 * i);
}

static int answer(uint8_t type, uint8_t *message, size_t body) {
  memcpy(message, "HILX\1", 5);
  message[5] = type;
  message[6] = message[7] = 0;
  put32(message + 8, (uint32_t)body);
  put32(message + HEADER + body, hil_crc32c(message, HEADER + body));
  return fwrite(message, HEADER + body + CRC, 1, stdout) == 1 && fflush(stdout) == 0;
}

int main(void) {
  uint8_t in[HEADER + FRAME + STATE + INPUT + CRC], out[HEADER + SIZES + STATE + OUTPUT + CRC];
  while (fread(in, HEADER, 1, stdin) == 1) { /* the agent closes the pipe: that is the end */
    const uint8_t type = in[5];
    const size_t body = type == INIT ? 8 : FRAME + STATE + INPUT;
    uint8_t *const state = out + HEADER + (type == INIT ? SIZES : FRAME);
    if (fread(in + HEADER, body + CRC, 1, stdin) != 1) return 1;
    uint8_t check[CRC];
    put32(check, hil_crc32c(in, HEADER + body));
    if (memcmp(check, in + HEADER + body, CRC) != 0) return 2;
    if (type == INIT) {
      put32(out + HEADER, STATE);
      put32(out + HEADER + 4, INPUT);
      put32(out + HEADER + 8, OUTPUT);
      init(get(in + HEADER), state);
      if (!answer(INIT, out, SIZES + STATE)) return 3;
    } else {
      memcpy(out + HEADER, in + HEADER, FRAME + STATE);
      step(state, in + HEADER + FRAME + STATE, state + STATE);
      if (!answer(STEP, out, FRAME + STATE + OUTPUT)) return 3;
    }
  }
  return 0;
}
