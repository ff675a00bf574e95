/* Electrical power of a satellite, in step with its heat. SPDX-License-Identifier: Apache-2.0
 *
 * Solar arrays feed a battery bus; a battery takes the surplus and gives what is missing; loads
 * (boards, and whatever else there is) are switched down by priority before it runs empty, and up
 * again when the sun is back. All electrical power ends as heat in nodes of a thermal network,
 * whose temperatures act back on cells, battery and boards. One call advances many steps.
 * All memory is the caller's; nothing allocates; no libm. */
#ifndef HIL_POWER_H
#define HIL_POWER_H

#include <stdbool.h>
#include <stdint.h>

#include "status.h"
#include "thermal.h"

/* cffi:begin */
enum {
  POWER_MAX_ARRAYS = 8,
  POWER_MAX_LOADS = 32,
  POWER_MAX_LEVELS = 8,
  POWER_MAX_RUNGS = 256,
  POWER_MAX_THROTTLE = 8,
  POWER_MAX_TABLE = 64
};

/* A solar array. Its power at reference temperature comes with the block, a number a step. */
typedef struct {
  uint32_t node;          /* whose temperature the cells have */
  bool direct;            /* it works at bus voltage; else a converter keeps it at its maximum power */
  double reference_K;     /* [K] */
  double power_per_K;     /* [1/K] relative change of maximum power, as -0.0022 */
  double transfer;        /* efficiency of converter and harness, or of the harness alone; (0, 1] */
  double mp_V, mp_V_per_K; /* [V], [V/K] direct: voltage of maximum power at reference; its change */
  double oc_per_mp;       /* direct: open-circuit voltage over that of maximum power, > 1 */
  double sc_per_mp;       /* direct: short-circuit current over that of maximum power, >= 1 */
} hil_power_array_t;

/* The battery. Tables: abscissae ascend strictly; beyond their ends the end values hold. */
typedef struct {
  uint32_t node;              /* whose temperature it has */
  double capacity_As;         /* [A s] */
  double charge_efficiency;   /* coulombs stored per coulomb charged, (0, 1] */
  uint32_t ocv_points;        /* 2..POWER_MAX_TABLE */
  const double *ocv_soc;      /* state of charge, from 0 to 1 */
  const double *ocv_V;        /* [V] open-circuit voltage there, never falling, > 0 */
  uint32_t r_temperatures, r_socs; /* 1..POWER_MAX_TABLE each */
  const double *r_K;          /* [K] */
  const double *r_soc;
  const double *r_ohm;        /* [ohm] > 0; a row of r_socs for each temperature */
  double charge_max_A;        /* [A] constant current */
  double charge_max_V;        /* [V] constant voltage */
  double taper_stop_A;        /* [A] charging ends when, at constant voltage, less flows */
  double recharge_soc;        /* and begins again below this */
  double charge_min_K, charge_max_K;       /* [K] it is charged only between them */
  double discharge_min_K, discharge_max_K; /* [K] it delivers only between them */
  double discharge_max_A;     /* [A] beyond, its breaker opens */
  double discharge_min_V;     /* [V] below, its breaker opens */
} hil_power_battery_t;

/* A load. Level 0 is off (what it then still draws is its power at level 0). */
typedef struct {
  uint32_t levels;                  /* 2..POWER_MAX_LEVELS */
  double idle_W[POWER_MAX_LEVELS];  /* [W] doing nothing */
  double busy_W[POWER_MAX_LEVELS];  /* [W] at full activity, >= idle */
  uint32_t node, rest_node;         /* where its heat goes: junction, and the rest of the board */
  double node_share;                /* how much of it goes to |node|, [0, 1] */
  uint32_t throttle_steps;          /* 0..POWER_MAX_THROTTLE - 1 */
  double throttle[POWER_MAX_THROTTLE]; /* busy power above idle is multiplied by throttle[s - 1] */
  double throttle_K, clear_K;       /* [K] one step on at or above, one step back below */
  double throttle_poll_s;           /* [s] but not sooner than this after the last move */
  double shutdown_K;                /* [K] at or above it goes off, until its power was cut */
} hil_power_load_t;

/* A rung of the shedding ladder: below enter_soc, |load| may have at most |level|. */
typedef struct {
  uint32_t load, level;
  double enter_soc; /* never larger than that of the rung before */
  double leave_soc; /* >= enter_soc */
} hil_power_rung_t;

/* The satellite. Arrays are only read. */
typedef struct {
  const hil_thermal_net_t *net;
  uint32_t arrays, loads, rungs;
  const hil_power_array_t *array;
  const hil_power_battery_t *battery;
  const hil_power_load_t *load;
  const hil_power_rung_t *rung;    /* in the order in which they are applied */
  uint32_t converter_node;     /* where the losses of converters become heat */
  double converter_efficiency; /* load power over what is drawn from the bus, (0, 1] */
  double shed_V, restore_V;    /* [V] bus voltage: below, a rung is applied; below, none is undone */
  double shed_dwell_s;         /* [s] between two rungs applied for low voltage */
  double restore_dwell_s;      /* [s] before each rung undone */
  double restart_soc;          /* after a brown-out, power returns at this state of charge */
  double restart_dwell_s;      /* [s] and not sooner than this, nor in the dark while the battery is
                                * too cold or too hot */
} hil_power_system_t;

/* All that a system remembers from step to step (temperatures apart). Snapshots of runs keep it byte by byte:
 * its layout is that of stored files, so truth values are uint32_t, 0 or 1. */
typedef struct {
  double soc; /* state of charge, 0..1 */
  double bus_V; /* [V] after the last step */
  double battery_A; /* [A] in the last step; charging is positive */
  double bus_W; /* [W] drawn from the bus in the last step */
  double since_s; /* [s] since the stage last changed, or the brown-out began */
  uint32_t stage; /* how many rungs of the ladder are applied */
  uint32_t browned_out; /* 1: the battery's breaker is open for loads, all loads are without power */
  uint32_t charged; /* 1: charging ended, and waits for recharge_soc */
  uint32_t throttle[POWER_MAX_LOADS]; /* how many steps each load is throttled */
  uint32_t tripped[POWER_MAX_LOADS]; /* 1: went off because it was too hot */
  double throttle_since_s[POWER_MAX_LOADS]; /* [s] since the last move of its throttle */
  uint64_t brownouts, sheds, restores, trips; /* how often, so far */
} hil_power_state_t;

/* One block of steps. */
typedef struct {
  uint64_t steps;
  double dt_s;
  const double *heat_W; /* [W] steps rows, one a node: loads from outside; null: none */
  const double *array_W; /* [W] steps rows, one an array: its maximum power at reference_K, >= 0;
                              * null: dark */
  const double *activity; /* steps rows, one a load: 0 idle .. 1 busy; null: all busy */
  const uint8_t *level; /* one a load: the level that is asked for */
} hil_power_block_t;

/* What is written down of a block: any of these may be null. Every |every|-th step gives a row
 * with the values after it: steps / every rows. */
typedef struct {
  uint64_t every; /* >= 1 */
  double *soc;
  double *bus_V;
  double *battery_A; /* charging is positive */
  double *array_W; /* drawn from all arrays */
  double *available_W; /* what they could have given */
  double *load_W; /* taken by all loads */
  uint8_t *stage; /* rungs applied; 255: browned out (rungs beyond 254 read 254) */
  double *board_W; /* a column a load */
  uint8_t *level; /* a column a load: the level it really has */
  uint8_t *throttle; /* a column a load: steps */
  double *T_K; /* a column a node */
} hil_power_trace_t;

/* Where the energy went: array_J = transfer_loss_J + converter_loss_J + load_J + battery_loss_J +
 * stored_J, but for rounding, and a second-order error of the battery's tables. Added to. */
typedef struct {
  double available_J; /* [J] the arrays could have given */
  double array_J; /* [J] drawn from the arrays */
  double transfer_loss_J; /* [J] array converters and harness */
  double converter_loss_J; /* [J] of the loads' converters */
  double load_J; /* [J] */
  double battery_loss_J; /* [J] resistance and charging */
  double stored_J; /* [J] in the battery: the integral of its open-circuit voltage */
  hil_thermal_account_t heat; /* heat.load_J includes all of the above that became heat, less array_J */
} hil_power_account_t;

/* Sets up |out| with a battery charged to |soc| (0..1) and all else at rest.
 * HIL_OK; HIL_ERR_ARG: the system is not as documented, or soc is out of range. */
int power_init(const hil_power_system_t *system, double soc, hil_power_state_t *out);

/* Advances state and temperatures by one block. In every step, in this order: (1) rungs of the
 * ladder are applied or undone, by the state after the step before; (2) boards too hot are
 * throttled or go off; (3) loads are added up; (4) arrays at the temperatures before the step give
 * what they can; (5) surplus charges, what is missing is discharged; what a charged battery does
 * not take stays in the arrays; (6) if the battery cannot deliver, all loads lose their power in
 * this step (brown-out) and until restart; (7) heat flows.
 * HIL_OK. HIL_ERR_ARG: system or block are not as documented (nothing is written), or a value of
 * array_W or activity is not in its range. HIL_ERR_STATE: as thermal_run. If out_fault->step is not
 * 0 after an error, or out_fault->node is not the number of nodes, steps before it were done: state
 * and temperatures must not be used any more. */
int power_run(const hil_power_system_t *system, const hil_power_block_t *block, hil_power_state_t *state,
              double *T_K, const hil_power_trace_t *trace, hil_power_account_t *account,
              hil_thermal_fault_t *out_fault);

/* [J] energy of the battery at |soc| above empty: the exact integral of the table. */
double power_battery_energy(const hil_power_battery_t *battery, double soc);
/* cffi:end */

#endif
