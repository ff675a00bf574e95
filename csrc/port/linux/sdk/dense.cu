/* A layer on a GPU as a worker for `workload: exec`, with its device memory named. SPDX-License-Identifier: Apache-2.0
 *
 *   nvcc -O2 -o dense_gpu dense.cu
 *   HIL_EXEC="dense=$PWD/dense_gpu" hil run scenario.yaml
 *
 * Copy it with hil_worker.h. It computes bit by bit what dense.c and dense.py do: integers. An upset of `dense.weight`
 * is written to the memory of the GPU and read back from there. */
#include <cuda_runtime.h>

#include "hil_worker.h"

enum { SIZE = 16 };

static int8_t *weights; /* of the device, all three */
static int8_t *given;
static int32_t *sums;

__global__ void multiply(const int8_t *w, const int8_t *x, int32_t *y) {
  int32_t sum = 0;
  for (int j = 0; j < SIZE; j++) sum += w[threadIdx.x * SIZE + j] * x[j];
  y[threadIdx.x] = sum;
}

static int reach(void *memory, uint32_t offset, uint8_t *out, const uint8_t *in, uint32_t len) {
  uint8_t *at = (uint8_t *)memory + offset;
  if (out && cudaMemcpy(out, at, len, cudaMemcpyDeviceToHost) != cudaSuccess) return -1;
  if (in && cudaMemcpy(at, in, len, cudaMemcpyHostToDevice) != cudaSuccess) return -1;
  return 0;
}

/* Weights from the seed (xorshift64); the program's own state counts frames. */
static int init(void *context, uint64_t seed, uint8_t *state) {
  int8_t drawn[SIZE * SIZE];
  uint64_t x = seed * 2 + 1;
  (void)context;
  (void)state;
  for (int i = 0; i < SIZE * SIZE; i++) {
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    drawn[i] = (int8_t)(x >> 56);
  }
  return reach(weights, 0, NULL, (const uint8_t *)drawn, sizeof drawn);
}

static int step(void *context, uint64_t frame, uint8_t *state, const uint8_t *input, uint8_t *output) {
  (void)context;
  (void)frame;
  if (reach(given, 0, NULL, input, SIZE) != 0) return 5;
  multiply<<<1, SIZE>>>(weights, given, sums);
  if (cudaGetLastError() != cudaSuccess || reach(sums, 0, output, NULL, 4 * SIZE) != 0) return 5;
  hil_worker_put32(state, hil_worker_get32(state) + 1);
  return 0;
}

int main(void) {
  static hil_worker_t worker;
  const uint32_t square[] = {SIZE, SIZE}, line[] = {SIZE};
  if (cudaMalloc((void **)&weights, SIZE * SIZE) != cudaSuccess || cudaMalloc((void **)&given, SIZE) != cudaSuccess ||
      cudaMalloc((void **)&sums, 4 * SIZE) != cudaSuccess || cudaMemset(sums, 0, 4 * SIZE) != cudaSuccess) {
    fprintf(stderr, "no memory on a GPU: %s\n", cudaGetErrorString(cudaGetLastError()));
    return 4;
  }
  worker.state_len = 4;
  worker.input_len = SIZE;
  worker.output_len = 4 * SIZE;
  worker.step = step;
  worker.init = init;
  hil_worker_device_region(&worker, "dense.weight", HIL_INT8, HIL_WEIGHTS, weights, 2, square, reach);
  hil_worker_device_region(&worker, "sums", HIL_INT32, HIL_ACTIVATIONS, sums, 1, line, reach);
  return hil_worker_run(&worker);
}
