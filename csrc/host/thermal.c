/* Lumped thermal network: how warm every part is. SPDX-License-Identifier: Apache-2.0
 *
 * Integrator: Heun's (the explicit trapezoidal rule; second order). Over one step loads are
 * constant. With flows f1 at T and f2 at T + dt f1/C, the step is T + dt (f1 + f2) / 2C. Euler's
 * step would be half the work, but on a plate cooling by radiation (1800 J/K, 0.06 m2, 300 K) it is
 * 15 mK off after 2160 s in steps of 10 s; this one is 5 uK off, and 0.7 mK in steps of 120 s. Implicit
 * steps would allow networks with tiny capacities, at the price of a matrix per step; parts of a
 * bench take minutes to warm up.
 *
 * Stability: dt (sum GL + 4 sigma T^3 sum GR) <= C at every node keeps all eigenvalues of the
 * linearised step within [-2, 0] (Gershgorin), and there Heun's factor 1 + z + z^2/2 is within
 * [1/2, 1]: no mode grows, none changes its sign. It is tested at every node before every step.
 *
 * Order of operations, which fixes the bits: loads, then conductors in their order, then radiators
 * in theirs; T^4 is (T T)(T T); sums over nodes go from node 0 up.
 *
 * Invariants:
 *   1. What a link takes from one node it gives to the other: the same rounded number.
 *   2. Temperatures of boundary nodes are never written.
 *   3. After HIL_OK every temperature that a step wrote is finite and not negative. */
#include "thermal.h"

#include <stdbool.h>
#include <stddef.h>

#define LARGEST 1.7976931348623157e308

/* Not so for infinities and NaN. */
static bool is_finite(double x) { return x >= -LARGEST && x <= LARGEST; }

static bool links_are_good(uint32_t count, const uint16_t *ab, const double *value, uint32_t nodes) {
  if (count > THERMAL_MAX_LINKS || (count && (!ab || !value))) {
    return false;
  }
  for (uint32_t i = 0; i < count; i++) {
    const uint16_t a = ab[2 * i], b = ab[2 * i + 1];
    if (a >= nodes || b >= nodes || a == b || !(value[i] > 0) || !is_finite(value[i])) {
      return false;
    }
  }
  return true;
}

static bool net_is_good(const hil_thermal_net_t *net) {
  if (!net || net->nodes < 1 || net->nodes > THERMAL_MAX_NODES || !net->capacity_JpK) {
    return false;
  }
  for (uint32_t i = 0; i < net->nodes; i++) {
    if (!(net->capacity_JpK[i] >= 0) || !is_finite(net->capacity_JpK[i])) {
      return false;
    }
  }
  return links_are_good(net->conductors, net->conductor_ab, net->conductor_WpK, net->nodes) &&
         links_are_good(net->radiators, net->radiator_ab, net->radiator_m2, net->nodes);
}

/* Sums of GL and of 4 sigma GR at every node. */
static void sum_links(const hil_thermal_net_t *net, double *linear_WpK, double *radiant_WpK4) {
  for (uint32_t i = 0; i < net->nodes; i++) {
    linear_WpK[i] = radiant_WpK4[i] = 0;
  }
  for (uint32_t i = 0; i < net->conductors; i++) {
    linear_WpK[net->conductor_ab[2 * i]] += net->conductor_WpK[i];
    linear_WpK[net->conductor_ab[2 * i + 1]] += net->conductor_WpK[i];
  }
  for (uint32_t i = 0; i < net->radiators; i++) {
    const double g = 4 * THERMAL_SIGMA * net->radiator_m2[i];
    radiant_WpK4[net->radiator_ab[2 * i]] += g;
    radiant_WpK4[net->radiator_ab[2 * i + 1]] += g;
  }
}

int thermal_stable_dt(const hil_thermal_net_t *net, const double *T_K, hil_thermal_fault_t *out) {
  double linear[THERMAL_MAX_NODES], radiant[THERMAL_MAX_NODES];
  if (!T_K || !out || !net_is_good(net)) {
    return HIL_ERR_ARG;
  }
  sum_links(net, linear, radiant);
  out->step = 0;
  out->node = net->nodes;
  out->dt_s = 0;
  for (uint32_t i = 0; i < net->nodes; i++) {
    const double g = linear[i] + radiant[i] * (T_K[i] * T_K[i] * T_K[i]);
    if (net->capacity_JpK[i] > 0 && g > 0) {
      const double dt_s = net->capacity_JpK[i] / g;
      if (out->node == net->nodes || dt_s < out->dt_s) {
        out->node = i;
        out->dt_s = dt_s;
      }
    }
  }
  return HIL_OK;
}

int thermal_plan(const hil_thermal_net_t *net, double dt_s, hil_thermal_plan_t *out) {
  if (!out || !(dt_s > 0) || !is_finite(dt_s) || !net_is_good(net)) {
    return HIL_ERR_ARG;
  }
  sum_links(net, out->linear, out->radiant);
  out->dt_s = dt_s;
  for (uint32_t i = 0; i < net->nodes; i++) {
    const double capacity = net->capacity_JpK[i];
    out->dt_per_C[i] = capacity > 0 ? dt_s / capacity : 0;
    out->linear[i] *= out->dt_per_C[i];
    out->radiant[i] *= out->dt_per_C[i];
  }
  return HIL_OK;
}

/* [W] what flows into every node at temperatures T_K. */
static void flows(const hil_thermal_net_t *net, const double *T_K, const double *load_W, double *out_W) {
  double fourth[THERMAL_MAX_NODES]; /* sigma T^4 */
  for (uint32_t i = 0; i < net->nodes; i++) {
    const double square = T_K[i] * T_K[i];
    fourth[i] = THERMAL_SIGMA * (square * square);
    out_W[i] = load_W[i];
  }
  for (uint32_t i = 0; i < net->conductors; i++) {
    const uint16_t a = net->conductor_ab[2 * i], b = net->conductor_ab[2 * i + 1];
    const double q = net->conductor_WpK[i] * (T_K[b] - T_K[a]);
    out_W[a] += q;
    out_W[b] -= q;
  }
  for (uint32_t i = 0; i < net->radiators; i++) {
    const uint16_t a = net->radiator_ab[2 * i], b = net->radiator_ab[2 * i + 1];
    const double q = net->radiator_m2[i] * (fourth[b] - fourth[a]);
    out_W[a] += q;
    out_W[b] -= q;
  }
}

/* The first node at which a step from T_K is not possible, or the number of nodes. */
static uint32_t refused_at(const hil_thermal_net_t *net, const hil_thermal_plan_t *plan, const double *T_K,
                           const double *load_W) {
  bool bad = false;
  for (uint32_t i = 0; i < net->nodes; i++) { /* without branches: this is the common case */
    const double T = T_K[i];
    bad |= !(T >= 0);
    bad |= !(plan->linear[i] + plan->radiant[i] * (T * T * T) <= 1);
    bad |= !is_finite(T);
    bad |= !is_finite(load_W[i]);
  }
  if (!bad) {
    return net->nodes;
  }
  for (uint32_t i = 0; i < net->nodes; i++) {
    const double T = T_K[i];
    if (!(T >= 0) || !(plan->linear[i] + plan->radiant[i] * (T * T * T) <= 1) || !is_finite(T) ||
        !is_finite(load_W[i])) {
      return i;
    }
  }
  return 0; /* not reached: the loops ask the same */
}

static int refuse(const hil_thermal_plan_t *plan, const double *T_K, const double *load_W, uint32_t node,
                  hil_thermal_fault_t *out) {
  const double T = T_K[node];
  const double z = plan->linear[node] + plan->radiant[node] * (T * T * T);
  out->node = node;
  out->dt_s = T >= 0 && is_finite(T) && is_finite(load_W[node]) && z > 0 ? plan->dt_s / z : 0;
  return HIL_ERR_STATE;
}

int thermal_step(const hil_thermal_net_t *net, const hil_thermal_plan_t *plan, double *T_K,
                 const double *load_W, hil_thermal_account_t *account, hil_thermal_fault_t *out_fault) {
  double f1[THERMAL_MAX_NODES], f2[THERMAL_MAX_NODES], T1[THERMAL_MAX_NODES];
  const uint32_t n = net->nodes, refused = refused_at(net, plan, T_K, load_W);
  if (refused != n) {
    return refuse(plan, T_K, load_W, refused, out_fault);
  }
  flows(net, T_K, load_W, f1);
  T1[0] = T_K[0]; /* there is at least one node, but compilers do not know */
  for (uint32_t i = 0; i < n; i++) {
    T1[i] = T_K[i] + plan->dt_per_C[i] * f1[i];
  }
  flows(net, T1, load_W, f2);
  bool bad = false;
  for (uint32_t i = 0; i < n; i++) {
    T1[i] = T_K[i] + plan->dt_per_C[i] * (0.5 * (f1[i] + f2[i]));
    bad |= !(T1[i] >= 0);
    bad |= !is_finite(T1[i]);
  }
  if (bad) { /* a load cools below absolute zero, or heats beyond all bounds */
    uint32_t i = 0;
    while (T1[i] >= 0 && is_finite(T1[i])) {
      i++;
    }
    out_fault->node = i;
    out_fault->dt_s = 0;
    return HIL_ERR_STATE;
  }
  double load = 0, boundary = 0, stored = 0, throughput = 0;
  for (uint32_t i = 0; i < n; i++) {
    load += load_W[i];
    throughput += load_W[i] < 0 ? -load_W[i] : load_W[i];
    if (plan->dt_per_C[i] > 0) {
      stored += net->capacity_JpK[i] * (T1[i] - T_K[i]);
      T_K[i] = T1[i];
    } else {
      boundary += 0.5 * (f1[i] + f2[i]);
    }
  }
  account->load_J += plan->dt_s * load;
  account->throughput_J += plan->dt_s * throughput;
  account->boundary_J += plan->dt_s * boundary;
  account->stored_J += stored;
  return HIL_OK;
}

int thermal_run(const hil_thermal_net_t *net, const hil_thermal_block_t *block, double *T_K,
                hil_thermal_account_t *account, hil_thermal_fault_t *out_fault) {
  hil_thermal_plan_t plan;
  if (!block || !block->load_W || !T_K || !account || !out_fault ||
      (block->load_rows != 1 && block->load_rows != block->steps)) {
    return HIL_ERR_ARG;
  }
  const int planned = thermal_plan(net, block->dt_s, &plan);
  if (planned != HIL_OK) {
    return planned;
  }
  for (uint64_t step = 0; step < block->steps; step++) {
    const double *row = block->load_W + (block->load_rows == 1 ? 0 : step * net->nodes);
    const int status = thermal_step(net, &plan, T_K, row, account, out_fault);
    if (status != HIL_OK) {
      out_fault->step = step;
      return status;
    }
    for (uint32_t i = 0; block->out_T_K && i < net->nodes; i++) {
      block->out_T_K[step * net->nodes + i] = T_K[i];
    }
  }
  return HIL_OK;
}
