/* Workload: multiplicative extended Kalman filter of attitude. SPDX-License-Identifier: Apache-2.0
 *
 * The filter of Lefferts, Markley and Shuster (1982), with the sensors of `attitude`: a gyro with bias, and a star
 * tracker. The estimate is a unit quaternion q_NB (Hamilton's, scalar first) and a bias; its error is three
 * angles a in body axes, q_true = q * (1, a / 2), and three errors of the bias b, with covariance P (6 x 6):
 *   gather     check state and sensors
 *   propagate  q <- q * (1 - |t|^2 / 2, t),  t = (rate - bias) DT / 2;  P <- F P F' + Q
 *              F = (A, -DT; 0, 1),  A = 1 - X + X X / 2,  X = [(rate - bias) DT x]
 *   compare    e = 2 (d1, d2, d3) / d0,  d = conj(q) * measured; rejected beyond GATE standard deviations,
 *              unless that has happened MISSES times in a row: then the filter starts again
 *   update     for each axis i:  K = P[,i] / (P[i,i] + R),  x <- x + K (e[i] - x[i]),  P <- P - K P[i,]
 *   correct    q <- q * (1, x_a / 2) / |..|,  bias <- clamp(bias + x_b)
 *   commit     write state and output
 * Doubles with + - * / only; the square root is Heron's, with a fixed number of steps.
 *
 * Every double that comes out of memory is looked at as bits first, as in `attitude`: one that is not finite or
 * is larger than its limit counts as damage, and one below 2^-64 as zero. No NaN, infinity or subnormal number
 * can arise, whatever an upset wrote. A damaged estimate starts again from the measurement (from the identity
 * if that is damaged, too), a damaged covariance from ignorance; each step that met damage counts in |repairs|.
 *
 * State: q_NB 4 doubles, bias 3 doubles, P 21 doubles (its upper triangle, row by row), steps u32, repairs u32,
 * misses u32, zero u32.  Output: q_NB, bias, mean variance of the angles.  Input: rate 3 doubles, measured q_NB. */
#include <stdbool.h>
#include <string.h>

#include "bytes.h"
#include "workload.h"

enum {
  ANGLES = 3,
  ERRORS = 6,
  COVARIANCES = 21,

  BIAS_AT = 32, /* in state, output and scratch, behind the quaternion */
  P_AT = 56,    /* in state and scratch */
  STEPS_AT = P_AT + 8 * COVARIANCES,
  REPAIRS_AT = STEPS_AT + 4,
  MISSES_AT = REPAIRS_AT + 4,
  STATE_LEN = MISSES_AT + 8,
  OUTPUT_LEN = P_AT + 8,

  MEASURED_AT = 24, /* in the input, behind the rate */
  INPUT_LEN = 56,

  /* In scratch: the estimate as in state, then: */
  RATE_IN_SCRATCH = STEPS_AT,
  MEASURED_IN_SCRATCH = RATE_IN_SCRATCH + 24,
  ERROR_IN_SCRATCH = MEASURED_IN_SCRATCH + 32,
  CORRECTION_IN_SCRATCH = ERROR_IN_SCRATCH + 24,
  USED_IN_SCRATCH = CORRECTION_IN_SCRATCH + 8 * ERRORS, /* u32: 1: the measurement is used */
  SCRATCH_LEN = USED_IN_SCRATCH + 8,

  MISSES = 5,
  TICKS = 3 + ANGLES + 2 /* each phase; one for each axis */
};

#define DT_S 0.1
#define ANGLE_NOISE 1e-10     /* [rad^2] of the gyro in a step */
#define BIAS_NOISE 1e-14      /* [rad^2/s^2] in a step */
#define TRACKER_NOISE 1e-8    /* [rad^2] R */
#define GATE 400.0            /* 20 standard deviations, squared */
#define IGNORANT 0.01         /* [rad^2] beyond this variance any measurement is believed */
#define ANGLE_IGNORANCE 1.0   /* [rad^2] P at the start */
#define BIAS_IGNORANCE 1e-4   /* [rad^2/s^2] */
#define VARIANCE_LIMIT 2.0    /* of P's diagonal */
#define BIAS_LIMIT 0.125      /* [rad/s] */
#define SMALLEST_COSINE 1e-3  /* of half the angle between estimate and measurement */

/* The bits of the powers of two that bound each kind of value. */
#define LEAST UINT64_C(0x3bf0000000000000)            /* 2^-64 */
#define LIMIT_Q UINT64_C(0x4000000000000000)          /* 2 */
#define LIMIT_BIAS UINT64_C(0x3fc0000000000000)       /* 1/8 rad/s */
#define LIMIT_P UINT64_C(0x4010000000000000)          /* 4 */
#define LIMIT_RATE UINT64_C(0x4010000000000000)       /* 4 rad/s */
#define LIMIT_ERROR UINT64_C(0x40b0000000000000)      /* 4096 */
#define LIMIT_CORRECTION UINT64_C(0x40b0000000000000) /* 4096 */

WORKLOAD_TEXT_BOUNDS(mekf);

/* Vocabulary */

WORKLOAD_TEXT(mekf) static void store_doubles(uint8_t *to, const double *v, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    uint64_t bits;
    memcpy(&bits, v + i, sizeof bits);
    store_u64le(to + 8u * i, bits);
  }
}

/* Load and check. Returns how many were damaged; those are set to zero. */
WORKLOAD_TEXT(mekf)
static uint32_t load_doubles(double *v, const uint8_t *from, uint32_t count, uint64_t limit) {
  uint32_t damaged = 0;
  for (uint32_t i = 0; i < count; i++) {
    uint64_t bits = load_u64le(from + 8u * i);
    const uint64_t magnitude = bits & (UINT64_MAX >> 1);
    if (magnitude > limit) {
      damaged++;
    }
    if (magnitude > limit || magnitude < LEAST) {
      bits = 0;
    }
    memcpy(v + i, &bits, sizeof bits);
  }
  return damaged;
}

/* Where P[i,j] is in the triangle. */
WORKLOAD_TEXT(mekf) static uint32_t at(uint32_t i, uint32_t j) {
  return i <= j ? i * (11u - i) / 2u + j : j * (11u - j) / 2u + i;
}

/* As in `attitude`: never inlined, the same operation in all four sums at each place, so that no compiler fuses
 * two of them. */
WORKLOAD_TEXT(mekf)
static __attribute__((noinline)) void multiply(double out[4], const double p[4], const double q[4]) {
  const double a = p[0] * q[0] - (p[1] * q[1] + p[2] * q[2] + p[3] * q[3]);
  const double b = (p[0] * q[1] + p[1] * q[0] + p[2] * q[3]) - p[3] * q[2];
  const double c = (p[0] * q[2] + p[2] * q[0] + p[3] * q[1]) - p[1] * q[3];
  const double d = (p[0] * q[3] + p[3] * q[0] + p[1] * q[2]) - p[2] * q[1];
  out[0] = a;
  out[1] = b;
  out[2] = c;
  out[3] = d;
}

WORKLOAD_TEXT(mekf) static double norm2(const double q[4]) {
  return q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3];
}

WORKLOAD_TEXT(mekf) static bool is_unit(const double q[4]) {
  const double n = norm2(q);
  return n >= 0.75 && n <= 1.25;
}

/* Square root, by Heron's iteration: of a number from 2^-40 to 2^40, which is brought into [1, 4) first. */
WORKLOAD_TEXT(mekf) static __attribute__((noinline)) double square_root(double x) {
  double scale = 1.0, y;
  for (int i = 0; i < 20 && x >= 4.0; i++) {
    x = x * 0.25;
    scale = scale * 2.0;
  }
  for (int i = 0; i < 20 && x < 1.0; i++) {
    x = x * 4.0;
    scale = scale * 0.5;
  }
  y = 1.5;
  for (int i = 0; i < 6; i++) {
    y = 0.5 * (y + x / y);
  }
  return y * scale;
}

WORKLOAD_TEXT(mekf) static void scale_to_unit(double q[4]) {
  const double length = square_root(norm2(q));
  for (int i = 0; i < 4; i++) {
    q[i] = q[i] / length;
  }
}

/* Starting again */

WORKLOAD_TEXT(mekf) static __attribute__((noinline)) void restart_covariance(uint8_t *scratch) {
  double p[COVARIANCES] = {0};
  for (uint32_t i = 0; i < ERRORS; i++) {
    p[at(i, i)] = i < ANGLES ? ANGLE_IGNORANCE : BIAS_IGNORANCE;
  }
  store_doubles(scratch + P_AT, p, COVARIANCES);
}

/* Attitude as measured, or identity if there is no measurement; bias zero. */
WORKLOAD_TEXT(mekf) static __attribute__((noinline)) void restart(uint8_t *scratch) {
  static const double zero[3] = {0};
  double q[4];
  if (load_doubles(q, scratch + MEASURED_IN_SCRATCH, 4, LIMIT_Q) || !is_unit(q)) {
    q[0] = 1.0;
    q[1] = q[2] = q[3] = 0.0;
  }
  scale_to_unit(q);
  store_doubles(scratch, q, 4);
  store_doubles(scratch + BIAS_AT, zero, 3);
  restart_covariance(scratch);
}

/* Check what is in scratch. Returns how much of it had to start again. */
WORKLOAD_TEXT(mekf) static __attribute__((noinline)) uint32_t repair(uint8_t *scratch) {
  double q[4], bias[3], p[COVARIANCES];
  if (load_doubles(q, scratch, 4, LIMIT_Q) || load_doubles(bias, scratch + BIAS_AT, 3, LIMIT_BIAS) ||
      !is_unit(q)) {
    restart(scratch);
    return 1;
  }
  uint32_t damaged = load_doubles(p, scratch + P_AT, COVARIANCES, LIMIT_P);
  for (uint32_t i = 0; i < ERRORS; i++) {
    if (!(p[at(i, i)] > 0.0)) {
      damaged++;
    }
    for (uint32_t j = i + 1u; j < ERRORS; j++) {
      if (p[at(i, j)] * p[at(i, j)] > p[at(i, i)] * p[at(j, j)]) {
        damaged++; /* no two errors are more than fully correlated */
      }
    }
  }
  if (damaged) {
    restart_covariance(scratch);
    return 1;
  }
  store_doubles(scratch, q, 4);
  store_doubles(scratch + BIAS_AT, bias, 3);
  store_doubles(scratch + P_AT, p, COVARIANCES);
  return 0;
}

/* Phases. Each returns whether it met damage. */

WORKLOAD_TEXT(mekf)
static __attribute__((noinline)) uint32_t gather(uint8_t *scratch, const uint8_t *state, const uint8_t *in) {
  double rate[3], measured[4];
  uint32_t damaged = load_doubles(measured, in + MEASURED_AT, 4, LIMIT_Q);
  if (damaged || !is_unit(measured)) {
    damaged = 1;
    memset(measured, 0, sizeof measured); /* no measurement */
  }
  store_doubles(scratch + MEASURED_IN_SCRATCH, measured, 4);
  memcpy(scratch, state, STEPS_AT);
  damaged += repair(scratch);
  if (load_doubles(rate, in, 3, LIMIT_RATE)) {
    damaged++;
    (void)load_doubles(rate, scratch + BIAS_AT, 3, LIMIT_BIAS); /* no rate: do not turn */
  }
  store_doubles(scratch + RATE_IN_SCRATCH, rate, 3);
  return damaged;
}

/* P <- F P F' + Q for the turn |w| [rad] of a step. */
WORKLOAD_TEXT(mekf) static __attribute__((noinline)) void propagate_covariance(double *p, const double w[3]) {
  const double x[3][3] = {{0.0, -w[2], w[1]}, {w[2], 0.0, -w[0]}, {-w[1], w[0], 0.0}};
  double a[3][3], half[3][ERRORS]; /* the upper rows of F P */
  for (uint32_t i = 0; i < 3; i++) {
    for (uint32_t j = 0; j < 3; j++) {
      double square = 0.0;
      for (uint32_t k = 0; k < 3; k++) square = square + x[i][k] * x[k][j];
      a[i][j] = (i == j ? 1.0 : 0.0) - x[i][j] + 0.5 * square;
    }
  }
  for (uint32_t i = 0; i < 3; i++) {
    for (uint32_t j = 0; j < ERRORS; j++) {
      double sum = 0.0;
      for (uint32_t k = 0; k < 3; k++) sum = sum + a[i][k] * p[at(k, j)];
      half[i][j] = sum - DT_S * p[at(i + 3u, j)];
    }
  }
  for (uint32_t i = 0; i < 3; i++) {
    for (uint32_t j = i; j < 3; j++) {
      double sum = 0.0;
      for (uint32_t k = 0; k < 3; k++) sum = sum + half[i][k] * a[j][k];
      p[at(i, j)] = sum - DT_S * half[i][j + 3u];
    }
    for (uint32_t j = 3; j < ERRORS; j++) p[at(i, j)] = half[i][j];
  }
  for (uint32_t i = 0; i < ERRORS; i++) {
    const double variance = p[at(i, i)] + (i < ANGLES ? ANGLE_NOISE : BIAS_NOISE);
    p[at(i, i)] = variance > VARIANCE_LIMIT ? VARIANCE_LIMIT : variance;
  }
}

WORKLOAD_TEXT(mekf) static __attribute__((noinline)) uint32_t propagate(uint8_t *scratch) {
  double q[4], bias[3], rate[3], turn[4], p[COVARIANCES];
  const uint32_t damaged = load_doubles(q, scratch, 4, LIMIT_Q) +
                           load_doubles(bias, scratch + BIAS_AT, 3, LIMIT_BIAS) +
                           load_doubles(rate, scratch + RATE_IN_SCRATCH, 3, LIMIT_RATE) +
                           load_doubles(p, scratch + P_AT, COVARIANCES, LIMIT_P);
  for (int i = 0; i < 3; i++) {
    rate[i] = (rate[i] - bias[i]) * DT_S;
    turn[i + 1] = 0.5 * rate[i];
  }
  turn[0] = 1.0 - 0.5 * (turn[1] * turn[1] + turn[2] * turn[2] + turn[3] * turn[3]);
  multiply(q, q, turn);
  propagate_covariance(p, rate);
  store_doubles(scratch, q, 4);
  store_doubles(scratch + P_AT, p, COVARIANCES);
  return damaged;
}

/* The innovation, and whether it is used. |misses| is how many were rejected before. */
WORKLOAD_TEXT(mekf) static __attribute__((noinline)) uint32_t compare(uint8_t *scratch, uint8_t *misses) {
  static const double zero[ERRORS] = {0};
  double q[4], measured[4], d[4], error[3], p[COVARIANCES];
  const uint32_t damaged = load_doubles(q, scratch, 4, LIMIT_Q) +
                           load_doubles(measured, scratch + MEASURED_IN_SCRATCH, 4, LIMIT_Q) +
                           load_doubles(p, scratch + P_AT, COVARIANCES, LIMIT_P);
  bool near = true;
  for (int i = 1; i < 4; i++) {
    q[i] = -q[i];
  }
  multiply(d, q, measured);
  if (d[0] > -SMALLEST_COSINE && d[0] < SMALLEST_COSINE) {
    d[0] = d[0] < 0.0 ? -SMALLEST_COSINE : SMALLEST_COSINE;
  }
  for (uint32_t i = 0; i < 3; i++) {
    error[i] = 2.0 * d[i + 1] / d[0];
    const double variance = p[at(i, i)];
    near = near && (variance > IGNORANT || error[i] * error[i] <= GATE * (variance + TRACKER_NOISE));
  }
  const bool is_measured = is_unit(measured);
  const uint32_t missed = load_u32le(misses) + 1u;
  store_u32le(scratch + USED_IN_SCRATCH, is_measured && near ? 1u : 0u);
  store_doubles(scratch + ERROR_IN_SCRATCH, error, 3);
  store_doubles(scratch + CORRECTION_IN_SCRATCH, zero, ERRORS);
  if (is_measured && near) {
    store_u32le(misses, 0);
  } else if (is_measured && missed >= MISSES) {
    store_u32le(misses, 0);
    restart(scratch);
  } else if (is_measured) {
    store_u32le(misses, missed);
  }
  return damaged;
}

/* One axis of the measurement. */
WORKLOAD_TEXT(mekf) static __attribute__((noinline)) uint32_t update(uint8_t *scratch, uint32_t axis) {
  double p[COVARIANCES], error[3], x[ERRORS], column[ERRORS];
  if (load_u32le(scratch + USED_IN_SCRATCH) != 1u) {
    return 0;
  }
  uint32_t damaged = load_doubles(p, scratch + P_AT, COVARIANCES, LIMIT_P) +
                     load_doubles(error, scratch + ERROR_IN_SCRATCH, 3, LIMIT_ERROR) +
                     load_doubles(x, scratch + CORRECTION_IN_SCRATCH, ERRORS, LIMIT_CORRECTION);
  if (!(p[at(axis, axis)] > 0.0)) {
    return 1; /* not a variance: this axis is left out */
  }
  const double total = p[at(axis, axis)] + TRACKER_NOISE;
  const double residual = error[axis] - x[axis];
  for (uint32_t i = 0; i < ERRORS; i++) {
    column[i] = p[at(i, axis)];
  }
  for (uint32_t i = 0; i < ERRORS; i++) {
    const double gain = column[i] / total;
    x[i] = x[i] + gain * residual;
    for (uint32_t j = i; j < ERRORS; j++) {
      p[at(i, j)] = p[at(i, j)] - gain * column[j];
    }
  }
  store_doubles(scratch + P_AT, p, COVARIANCES);
  store_doubles(scratch + CORRECTION_IN_SCRATCH, x, ERRORS);
  return damaged;
}

WORKLOAD_TEXT(mekf) static __attribute__((noinline)) uint32_t correct(uint8_t *scratch) {
  double q[4], bias[3], x[ERRORS], turn[4];
  const uint32_t damaged = load_doubles(q, scratch, 4, LIMIT_Q) +
                           load_doubles(bias, scratch + BIAS_AT, 3, LIMIT_BIAS) +
                           load_doubles(x, scratch + CORRECTION_IN_SCRATCH, ERRORS, LIMIT_CORRECTION);
  turn[0] = 1.0;
  for (int i = 0; i < 3; i++) {
    turn[i + 1] = 0.5 * x[i];
    bias[i] = bias[i] + x[i + 3];
    bias[i] = bias[i] > BIAS_LIMIT ? BIAS_LIMIT : bias[i] < -BIAS_LIMIT ? -BIAS_LIMIT : bias[i];
  }
  multiply(q, q, turn);
  if (!(norm2(q) > 0.5)) {
    restart(scratch);
    return damaged + 1u;
  }
  scale_to_unit(q);
  store_doubles(scratch, q, 4);
  store_doubles(scratch + BIAS_AT, bias, 3);
  return damaged;
}

WORKLOAD_TEXT(mekf)
static __attribute__((noinline)) void commit(const hil_workload_io_t *io, uint32_t damaged) {
  double p[COVARIANCES];
  damaged += repair(io->scratch);
  (void)load_doubles(p, io->scratch + P_AT, COVARIANCES, LIMIT_P);
  memcpy(io->state, io->scratch, STEPS_AT);
  memcpy(io->output, io->scratch, P_AT);
  const double mean = (p[at(0, 0)] + p[at(1, 1)] + p[at(2, 2)]) / 3.0;
  store_doubles(io->output + P_AT, &mean, 1);
  store_u32le(io->state + STEPS_AT, load_u32le(io->state + STEPS_AT) + 1u);
  if (damaged) {
    store_u32le(io->state + REPAIRS_AT, load_u32le(io->state + REPAIRS_AT) + 1u);
  }
}

WORKLOAD_TEXT(mekf) static int step(const hil_workload_io_t *io, hil_progress_t *progress) {
  uint32_t damaged = gather(io->scratch, io->state, io->input);
  if (progress_tick(progress)) {
    return HIL_ERR_STATE;
  }
  damaged += propagate(io->scratch);
  if (progress_tick(progress)) {
    return HIL_ERR_STATE;
  }
  damaged += compare(io->scratch, io->state + MISSES_AT);
  if (progress_tick(progress)) {
    return HIL_ERR_STATE;
  }
  for (uint32_t axis = 0; axis < ANGLES; axis++) {
    damaged += update(io->scratch, axis);
    if (progress_tick(progress)) {
      return HIL_ERR_STATE;
    }
  }
  damaged += correct(io->scratch);
  if (progress_tick(progress)) {
    return HIL_ERR_STATE;
  }
  commit(io, damaged);
  return progress_tick(progress) ? HIL_ERR_STATE : HIL_OK;
}

static void init(uint8_t *state, uint64_t seed) {
  static const double identity[7] = {1.0};
  (void)seed; /* the estimate starts from ignorance */
  memset(state, 0, STATE_LEN);
  store_doubles(state, identity, 7);
  restart_covariance(state);
}

/* The sensors of `attitude`: two filters see the same flight. */
extern const hil_workload_t workload_attitude;

static void input(uint8_t *in, uint64_t seed, uint64_t frame) { workload_attitude.input(in, seed, frame); }

extern const hil_workload_t workload_mekf;
const hil_workload_t workload_mekf = {
    .name = "mekf",
    .state_len = STATE_LEN,
    .input_len = INPUT_LEN,
    .output_len = OUTPUT_LEN,
    .scratch_len = SCRATCH_LEN,
    .ticks = TICKS,
    .init = init,
    .input = input,
    .step = step,
    .text_begin = WORKLOAD_TEXT_BEGIN(mekf),
    .text_end = WORKLOAD_TEXT_END(mekf),
};
