/* Lumped thermal network: how warm every part is. SPDX-License-Identifier: Apache-2.0
 *
 * Node i obeys  C_i dT_i/dt = load_i + sum_j GL_ij (T_j - T_i) + sigma sum_j GR_ij (T_j^4 - T_i^4):
 * the form of SINDA and ESATAN. Space, and anything else of fixed temperature, is a boundary node.
 * All memory is the caller's; nothing allocates; no libm. */
#ifndef HIL_THERMAL_H
#define HIL_THERMAL_H

#include <stdint.h>

#include "status.h"

/* [W/(m2 K4)] Stefan-Boltzmann constant, exact in the SI of 2019. */
#define THERMAL_SIGMA 5.670374419e-8

/* cffi:begin */
enum {
  THERMAL_MAX_NODES = 64,
  THERMAL_MAX_LINKS = 256 /* of each kind */
};

/* A network. Arrays are only read. Links may occur in any order; energy leaving one end arrives at
 * the other, to the last bit. */
typedef struct {
  uint32_t nodes;               /* 1..THERMAL_MAX_NODES */
  const double *capacity_JpK;   /* [J/K] one a node; 0: boundary, its temperature is held */
  uint32_t conductors;          /* 0..THERMAL_MAX_LINKS */
  const uint16_t *conductor_ab; /* two node numbers each, never equal */
  const double *conductor_WpK;  /* [W/K] GL > 0 */
  uint32_t radiators;           /* 0..THERMAL_MAX_LINKS */
  const uint16_t *radiator_ab;  /* two node numbers each, never equal */
  const double *radiator_m2;    /* [m2] GR > 0: emissivity x area x view factor */
} hil_thermal_net_t;

/* Where the energy went. load_J = boundary_J + stored_J, but for rounding: load_J and boundary_J
 * are sums of flows, stored_J is taken from the temperatures. Functions add to it. */
typedef struct {
  double load_J;       /* [J] loads, those of boundary nodes included */
  double boundary_J;   /* [J] into boundary nodes */
  double stored_J;     /* [J] sum of C_i times the rise of T_i */
  double throughput_J; /* [J] sum of |loads|: what a closure error is to be compared with */
} hil_thermal_account_t;

/* A step that is not possible. */
typedef struct {
  uint64_t step;      /* which step, from 0 */
  uint32_t node;      /* whose fault */
  double dt_s;        /* [s] the longest step that is stable at that node now; 0 if T is not valid */
} hil_thermal_fault_t;

/* The longest stable step at temperatures |T_K|: min C_i / (sum GL + 4 sigma T_i^3 sum GR).
 * HIL_OK: out->dt_s and out->node say how long and which node limits it (no diffusion node with a
 * link: dt_s is 0, node is the number of nodes). HIL_ERR_ARG: the network is not as documented
 * above, or a pointer is null. */
int thermal_stable_dt(const hil_thermal_net_t *net, const double *T_K, hil_thermal_fault_t *out);

/* One block of steps. */
typedef struct {
  uint64_t steps;
  double dt_s;          /* [s] of each step, > 0 */
  uint64_t load_rows;   /* steps, or 1: that row holds for all of them */
  const double *load_W; /* [W] load_rows rows, one a node */
  double *out_T_K;      /* [K] takes the temperatures after every step, a row each; null: not wanted */
} hil_thermal_block_t;

/* Advance |T_K| by one block. |account| is added to.
 * HIL_OK. HIL_ERR_ARG: the network or the block is not as documented above, or a pointer is null: nothing
 * is written. HIL_ERR_STATE: in |out_fault->step| the step is longer than stable, or a temperature or load
 * is not a finite number: T_K, account and the rows of out_T_K are those of the steps before; later rows
 * are untouched. */
int thermal_run(const hil_thermal_net_t *net, const hil_thermal_block_t *block, double *T_K,
                hil_thermal_account_t *account, hil_thermal_fault_t *out_fault);
/* cffi:end */

/* For other parts of the kernel that step a network together with something else (power.c). */

/* What every step of one length needs, worked out once. */
typedef struct {
  double dt_s;
  double dt_per_C[THERMAL_MAX_NODES]; /* [s K/J] 0 for boundaries */
  double linear[THERMAL_MAX_NODES];   /* dt/C sum GL */
  double radiant[THERMAL_MAX_NODES];  /* dt/C 4 sigma sum GR */
} hil_thermal_plan_t;

/* HIL_OK; HIL_ERR_ARG: the network is not as documented, |dt_s| is not positive, or |out| is null. */
int thermal_plan(const hil_thermal_net_t *net, double dt_s, hil_thermal_plan_t *out);

/* One step. HIL_OK, or HIL_ERR_STATE as thermal_run (out_fault->step is not written). */
int thermal_step(const hil_thermal_net_t *net, const hil_thermal_plan_t *plan, double *T_K,
                 const double *load_W, hil_thermal_account_t *account, hil_thermal_fault_t *out_fault);

#endif
