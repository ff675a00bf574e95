/* A layer of a network as a worker for `workload: exec`, with its weights named. SPDX-License-Identifier: Apache-2.0
 *
 *   cc -O2 -o dense dense.c
 *   HIL_EXEC="dense=$PWD/dense" hil run scenario.yaml
 *
 * Copy it with hil_worker.h. It computes bit by bit what dense.py does. */
#include "hil_worker.h"

enum { SIZE = 16 };

static int8_t weights[SIZE][SIZE];
static int32_t sums[SIZE];

/* Weights from the seed (xorshift64); the program's own state counts frames. */
static int init(void *context, uint64_t seed, uint8_t *state) {
  uint64_t x = seed * 2 + 1;
  (void)context;
  (void)state;
  for (int i = 0; i < SIZE * SIZE; i++) {
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    weights[i / SIZE][i % SIZE] = (int8_t)(x >> 56);
  }
  return 0;
}

static int step(void *context, uint64_t frame, uint8_t *state, const uint8_t *input, uint8_t *output) {
  (void)context;
  (void)frame;
  for (int i = 0; i < SIZE; i++) {
    sums[i] = 0;
    for (int j = 0; j < SIZE; j++) sums[i] += weights[i][j] * (int8_t)input[j];
    hil_worker_put32(output + 4 * i, (uint32_t)sums[i]);
  }
  hil_worker_put32(state, hil_worker_get32(state) + 1);
  return 0;
}

int main(void) {
  static hil_worker_t worker = {
      .state_len = 4, .input_len = SIZE, .output_len = 4 * SIZE, .step = step, .init = init};
  hil_worker_region(&worker, "dense.weight", HIL_INT8, HIL_WEIGHTS, weights, 2,
                    (const uint32_t[]){SIZE, SIZE});
  hil_worker_region(&worker, "sums", HIL_INT32, HIL_ACTIVATIONS, sums, 1, (const uint32_t[]){SIZE});
  return hil_worker_run(&worker);
}
