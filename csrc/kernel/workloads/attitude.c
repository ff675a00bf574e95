/* Workload: attitude from gyro and star tracker. SPDX-License-Identifier: Apache-2.0
 *
 * Quaternions are Hamilton's, scalar first; q_NB turns body axes (B) into inertial axes (N):
 *   d q_NB / dt = 1/2 q_NB * (0, omega_BN_B).
 * A multiplicative filter with fixed gains, in six phases that pass their values through scratch:
 *   gather     check the estimate, the gyro rate and the measurement
 *   propagate  q <- q * (1 - |t|^2 / 2, t),  t = (rate - bias) * DT_S / 2
 *   compare    e = 2 sign(d0) (d1, d2, d3),  d = conj(q) * measured
 *   correct    q <- q * (1, GAIN_Q e / 2),  bias <- clamp(bias - GAIN_B e)
 *   normalise  q <- q / |q|
 *   commit     write state and output
 * Doubles with + - * only, no libm, so every machine computes the same bits.
 *
 * Every double that comes out of memory is looked at as bits first: one that is not finite or is
 * larger than its limit counts as damage, and one below 2^-64 as zero. So no NaN, infinity or
 * subnormal number can arise, whatever an upset wrote. A damaged estimate starts again from the
 * measurement (from the identity if that is damaged too); without rate or measurement the estimate
 * coasts. Each step that met damage counts in |repairs|.
 *
 * State: q_NB 4 doubles, bias 3 doubles, steps u32, repairs u32.  Output: q_NB, bias.
 * Input: rate 3 doubles, measured q_NB 4 doubles; a star tracker's sign is arbitrary. */
#include <string.h>

#include "bytes.h"
#include "philox.h"
#include "workload.h"

enum {
  BIAS_AT = 32, /* in state and output, behind the quaternion */
  STEPS_AT = 56,
  REPAIRS_AT = 60,
  STATE_LEN = 64,
  OUTPUT_LEN = 56,

  MEASURED_AT = 24, /* in the input, behind the rate */
  INPUT_LEN = 56,

  /* In scratch: the estimate as in state, then: */
  RATE_IN_SCRATCH = 56,
  MEASURED_IN_SCRATCH = RATE_IN_SCRATCH + 24,
  ERROR_IN_SCRATCH = MEASURED_IN_SCRATCH + 32,
  SCRATCH_LEN = ERROR_IN_SCRATCH + 24,

  TICKS = 6 /* each phase */
};
#define STREAM UINT64_C(0x776c2e6174746974) /* "wl.attit" */

#define DT_S 0.1
#define GAIN_Q 0.25
#define GAIN_B 0.02      /* [1/s] */
#define BIAS_LIMIT 0.125 /* [rad/s] */

/* The bits of the powers of two that bound each kind of value. */
#define LEAST UINT64_C(0x3bf0000000000000)       /* 2^-64 */
#define LIMIT_Q UINT64_C(0x4000000000000000)     /* 2 */
#define LIMIT_BIAS UINT64_C(0x3fc0000000000000)  /* 1/8 rad/s */
#define LIMIT_RATE UINT64_C(0x4010000000000000)  /* 4 rad/s */
#define LIMIT_ERROR UINT64_C(0x4010000000000000) /* 4 rad */

WORKLOAD_TEXT_BOUNDS(attitude);

/* Vocabulary */

WORKLOAD_TEXT(attitude) static void store_doubles(uint8_t *to, const double *v, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    uint64_t bits;
    memcpy(&bits, v + i, sizeof bits);
    store_u64le(to + 8u * i, bits);
  }
}

/* Load and check. Returns how many were damaged; those are set to zero. */
WORKLOAD_TEXT(attitude)
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

/* The same operation in all four sums at each place, and never inlined: where signs alternate
 * between neighbouring sums, GCC 12's SLP vectoriser makes fused vfmaddsub of them (x86-64-v3) even
 * with -ffp-contract=off, and the bits change. */
WORKLOAD_TEXT(attitude)
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

WORKLOAD_TEXT(attitude) static double norm2(const double q[4]) {
  return q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3];
}

/* Near enough to a unit quaternion to be one, and for Newton's iteration to converge. */
WORKLOAD_TEXT(attitude) static int is_unit(const double q[4]) {
  const double n = norm2(q);
  return n >= 0.75 && n <= 1.25;
}

/* q / |q|, by Newton's iteration for 1/sqrt: five steps from 1 are exact to rounding here. */
WORKLOAD_TEXT(attitude) static void scale_to_unit(double q[4]) {
  const double half = 0.5 * norm2(q);
  double y = 1.0;
  for (int i = 0; i < 5; i++) {
    y = y * (1.5 - half * y * y);
  }
  for (int i = 0; i < 4; i++) {
    q[i] = q[i] * y;
  }
}

/* Phases. Each returns the number of damaged values that it met. */

/* Start again: bias zero, attitude as measured, or identity if there is no measurement. */
WORKLOAD_TEXT(attitude) static __attribute__((noinline)) void restart(double q[4], uint8_t *scratch) {
  static const double zero[3] = {0};
  if (load_doubles(q, scratch + MEASURED_IN_SCRATCH, 4, LIMIT_Q) || !is_unit(q)) {
    q[0] = 1.0;
    q[1] = q[2] = q[3] = 0.0;
  }
  scale_to_unit(q);
  store_doubles(scratch, q, 4);
  store_doubles(scratch + BIAS_AT, zero, 3);
}

WORKLOAD_TEXT(attitude)
static __attribute__((noinline)) uint32_t gather(uint8_t *scratch, const uint8_t *state, const uint8_t *in) {
  double q[4], bias[3], rate[3], measured[4];
  uint32_t damaged = load_doubles(measured, in + MEASURED_AT, 4, LIMIT_Q);
  if (damaged || !is_unit(measured)) {
    damaged = 1;
    memset(measured, 0, sizeof measured); /* no measurement */
  }
  store_doubles(scratch + MEASURED_IN_SCRATCH, measured, 4);
  const uint32_t estimate_damaged =
      load_doubles(q, state, 4, LIMIT_Q) + load_doubles(bias, state + BIAS_AT, 3, LIMIT_BIAS);
  if (estimate_damaged || !is_unit(q)) {
    damaged++;
    restart(q, scratch);
    memset(bias, 0, sizeof bias);
  } else {
    store_doubles(scratch, q, 4);
    store_doubles(scratch + BIAS_AT, bias, 3);
  }
  if (load_doubles(rate, in, 3, LIMIT_RATE)) {
    damaged++;
    memcpy(rate, bias, sizeof rate); /* no rate: do not turn */
  }
  store_doubles(scratch + RATE_IN_SCRATCH, rate, 3);
  return damaged;
}

WORKLOAD_TEXT(attitude) static __attribute__((noinline)) uint32_t propagate(uint8_t *scratch) {
  double q[4], bias[3], rate[3], turn[4];
  const uint32_t damaged = load_doubles(q, scratch, 4, LIMIT_Q) +
                           load_doubles(bias, scratch + BIAS_AT, 3, LIMIT_BIAS) +
                           load_doubles(rate, scratch + RATE_IN_SCRATCH, 3, LIMIT_RATE);
  for (int i = 0; i < 3; i++) {
    turn[i + 1] = (rate[i] - bias[i]) * (0.5 * DT_S);
  }
  turn[0] = 1.0 - 0.5 * (turn[1] * turn[1] + turn[2] * turn[2] + turn[3] * turn[3]);
  multiply(q, q, turn);
  store_doubles(scratch, q, 4);
  return damaged;
}

WORKLOAD_TEXT(attitude) static __attribute__((noinline)) uint32_t compare(uint8_t *scratch) {
  double q[4], measured[4], difference[4], error[3];
  const uint32_t damaged = load_doubles(q, scratch, 4, LIMIT_Q) +
                           load_doubles(measured, scratch + MEASURED_IN_SCRATCH, 4, LIMIT_Q);
  for (int i = 1; i < 4; i++) {
    q[i] = -q[i];
  }
  multiply(difference, q, measured);
  const double sign = difference[0] < 0.0 ? -2.0 : 2.0;
  for (int i = 0; i < 3; i++) {
    error[i] = sign * difference[i + 1];
  }
  store_doubles(scratch + ERROR_IN_SCRATCH, error, 3);
  return damaged;
}

WORKLOAD_TEXT(attitude) static __attribute__((noinline)) uint32_t correct(uint8_t *scratch) {
  double q[4], bias[3], error[3], turn[4];
  const uint32_t damaged = load_doubles(q, scratch, 4, LIMIT_Q) +
                           load_doubles(bias, scratch + BIAS_AT, 3, LIMIT_BIAS) +
                           load_doubles(error, scratch + ERROR_IN_SCRATCH, 3, LIMIT_ERROR);
  turn[0] = 1.0;
  for (int i = 0; i < 3; i++) {
    turn[i + 1] = (0.5 * GAIN_Q) * error[i];
    bias[i] = bias[i] - GAIN_B * error[i];
    bias[i] = bias[i] > BIAS_LIMIT ? BIAS_LIMIT : bias[i] < -BIAS_LIMIT ? -BIAS_LIMIT : bias[i];
  }
  multiply(q, q, turn);
  store_doubles(scratch, q, 4);
  store_doubles(scratch + BIAS_AT, bias, 3);
  return damaged;
}

WORKLOAD_TEXT(attitude) static __attribute__((noinline)) uint32_t normalise(uint8_t *scratch) {
  double q[4];
  if (load_doubles(q, scratch, 4, LIMIT_Q) || !is_unit(q)) {
    restart(q, scratch);
    return 1;
  }
  scale_to_unit(q);
  store_doubles(scratch, q, 4);
  return 0;
}

WORKLOAD_TEXT(attitude)
static __attribute__((noinline)) void commit(const hil_workload_io_t *io, uint32_t damaged) {
  double q[4], bias[3];
  damaged += load_doubles(bias, io->scratch + BIAS_AT, 3, LIMIT_BIAS);
  if (load_doubles(q, io->scratch, 4, LIMIT_Q) || !is_unit(q)) {
    damaged++;
    restart(q, io->scratch);
    memset(bias, 0, sizeof bias);
  }
  store_doubles(io->state, q, 4);
  store_doubles(io->state + BIAS_AT, bias, 3);
  store_u32le(io->state + STEPS_AT, load_u32le(io->state + STEPS_AT) + 1u);
  if (damaged) {
    store_u32le(io->state + REPAIRS_AT, load_u32le(io->state + REPAIRS_AT) + 1u);
  }
  store_doubles(io->output, q, 4);
  store_doubles(io->output + BIAS_AT, bias, 3);
}

WORKLOAD_TEXT(attitude) static int step(const hil_workload_io_t *io, hil_progress_t *progress) {
  uint32_t damaged = gather(io->scratch, io->state, io->input);
  if (progress_tick(progress)) {
    return HIL_ERR_STATE;
  }
  damaged += propagate(io->scratch);
  if (progress_tick(progress)) {
    return HIL_ERR_STATE;
  }
  damaged += compare(io->scratch);
  if (progress_tick(progress)) {
    return HIL_ERR_STATE;
  }
  damaged += correct(io->scratch);
  if (progress_tick(progress)) {
    return HIL_ERR_STATE;
  }
  damaged += normalise(io->scratch);
  if (progress_tick(progress)) {
    return HIL_ERR_STATE;
  }
  commit(io, damaged);
  return progress_tick(progress) ? HIL_ERR_STATE : HIL_OK;
}

/* The sensors, on the host
 *
 * Truth: a symmetric body tumbling without torque. Its attitude is Rz(phi) Rx(theta) Rz(psi) with
 * theta constant and phi, psi growing steadily; angles are 64-bit fractions of a turn, so that
 * frame k is known without the frames before it. With c, s = cos, sin of theta / 2,
 * sigma = (phi + psi) / 2 and delta = (phi - psi) / 2:
 *   q_NB = (c cos sigma, s cos delta, s sin delta, c sin sigma)
 *   omega_BN_B = (phi' sin theta sin psi, phi' sin theta cos psi, phi' cos theta + psi')
 * The gyro gives the rate half a frame earlier, plus bias and noise; the star tracker q_NB, turned
 * by a small random angle. */

#define SIGMA_PER_FRAME UINT64_C(0x0058a880d7a78134) /* 0.085 rad/s * DT_S */
#define DELTA_PER_FRAME UINT64_C(0xffdb7e6189156162) /* -0.035 rad/s * DT_S */
#define PHI_RATE 0.05 /* [rad/s] */
#define PSI_RATE 0.12 /* [rad/s] */
#define THETA_COS 0.6
#define THETA_SIN 0.8
#define HALF_COS 0.89442719099991588 /* of theta / 2 */
#define HALF_SIN 0.44721359549995794
#define BIAS_SPAN 0.01     /* [rad/s] bias of each axis is uniform in +- this */
#define GYRO_SIGMA 1e-4    /* [rad/s] */
#define TRACKER_SIGMA 1e-4 /* [rad] */
#define RADIANS (6.283185307179586 / 18446744073709551616.0) /* per unit of an angle */

static const double inverse[16] = {0.0,      1.0 / 1,  1.0 / 2,  1.0 / 3, 1.0 / 4,  1.0 / 5,
                                   1.0 / 6,  1.0 / 7,  1.0 / 8,  1.0 / 9, 1.0 / 10, 1.0 / 11,
                                   1.0 / 12, 1.0 / 13, 1.0 / 14, 1.0 / 15};

/* Sine and cosine of an angle: quadrant by its top bits, Taylor's series within +- pi/4. */
static void sine_cosine(uint64_t angle, double *out_sin, double *out_cos) {
  const uint64_t quadrant = (angle + (UINT64_C(1) << 61)) >> 62;
  const double x = (double)(int64_t)(angle - (quadrant << 62)) * RADIANS;
  const double z = x * x;
  double s = 1.0, c = 1.0;
  for (int n = 14; n > 0; n -= 2) {
    s = 1.0 - s * z * inverse[n] * inverse[n + 1];
    c = 1.0 - c * z * inverse[n - 1] * inverse[n];
  }
  s = s * x;
  *out_sin = quadrant == 0 ? s : quadrant == 1 ? c : quadrant == 2 ? -s : -c;
  *out_cos = quadrant == 0 ? c : quadrant == 1 ? -s : quadrant == 2 ? -c : s;
}

/* Zero mean, variance 1, near enough to normal: the sum of four uniform 16-bit numbers. */
static double noise(uint64_t random) {
  const int64_t sum =
      (int64_t)((random & 0xffff) + (random >> 16 & 0xffff) + (random >> 32 & 0xffff) + (random >> 48));
  return (double)(sum - 2 * 0xffff) * (1.0 / 37837.0);
}

static void init(uint8_t *state, uint64_t seed) {
  static const double identity[7] = {1.0};
  (void)seed; /* the estimate starts from ignorance */
  memset(state, 0, STATE_LEN);
  store_doubles(state, identity, 7);
}

static void input(uint8_t *in, uint64_t seed, uint64_t frame) {
  const uint64_t key[2] = {seed, STREAM};
  const uint64_t run[4] = {0, 0, 0, 1}, now[4] = {frame, 0, 0, 0}, more[4] = {frame, 1, 0, 0};
  uint64_t constant[4], random[8];
  double s_sin, s_cos, d_sin, d_cos, psi_sin, psi_cos, rate[3], q[4], turn[4];

  philox_block(run, key, constant);
  philox_block(now, key, random);
  philox_block(more, key, random + 4);

  const uint64_t sigma = constant[0] + frame * SIGMA_PER_FRAME;
  const uint64_t delta = constant[1] + frame * DELTA_PER_FRAME;
  sine_cosine(sigma, &s_sin, &s_cos);
  sine_cosine(delta, &d_sin, &d_cos);
  sine_cosine(sigma - delta - (SIGMA_PER_FRAME - DELTA_PER_FRAME) / 2, &psi_sin, &psi_cos);

  rate[0] = PHI_RATE * THETA_SIN * psi_sin;
  rate[1] = PHI_RATE * THETA_SIN * psi_cos;
  rate[2] = PHI_RATE * THETA_COS + PSI_RATE;
  const uint64_t bias_bits[3] = {constant[2] >> 32, constant[2] & 0xffffffffu, constant[3] >> 32};
  for (int i = 0; i < 3; i++) {
    const double bias = ((double)(int64_t)bias_bits[i] * (1.0 / 2147483648.0) - 1.0) * BIAS_SPAN;
    rate[i] = rate[i] + bias + GYRO_SIGMA * noise(random[i]);
    turn[i + 1] = 0.5 * TRACKER_SIGMA * noise(random[i + 3]);
  }
  store_doubles(in, rate, 3);

  q[0] = HALF_COS * s_cos;
  q[1] = HALF_SIN * d_cos;
  q[2] = HALF_SIN * d_sin;
  q[3] = HALF_COS * s_sin;
  turn[0] = random[6] & 1 ? 1.0 : -1.0; /* either sign of the quaternion */
  multiply(q, q, turn);
  scale_to_unit(q);
  store_doubles(in + MEASURED_AT, q, 4);
}

extern const hil_workload_t workload_attitude;
const hil_workload_t workload_attitude = {
    .name = "attitude",
    .state_len = STATE_LEN,
    .input_len = INPUT_LEN,
    .output_len = OUTPUT_LEN,
    .scratch_len = SCRATCH_LEN,
    .ticks = TICKS,
    .init = init,
    .input = input,
    .step = step,
    .text_begin = WORKLOAD_TEXT_BEGIN(attitude),
    .text_end = WORKLOAD_TEXT_END(attitude),
};
