/* The power system: single formulas, limits, decisions, and energy. SPDX-License-Identifier: Apache-2.0
 * Includes the .c file to reach the static functions. */
#include "power.c"

#include "unit.h"

static double magnitude(double x) { return x < 0 ? -x : x; }

#define CHECK_NEAR(got, want, tolerance)                                                                     \
  do {                                                                                                       \
    const double near_got = (got), near_want = (want);                                                       \
    unit_checks++;                                                                                           \
    if (!(magnitude(near_got - near_want) <= (tolerance))) {                                                 \
      unit_failures++;                                                                                       \
      fprintf(stderr, "%s:%d: %s = %.12g, expected %.12g\n", __FILE__, __LINE__, #got, near_got, near_want); \
    }                                                                                                        \
  } while (0)

/* One boundary at 20 C: temperatures stay out of it. */
static const double NET_C[1] = {0};
static const hil_thermal_net_t NET = {1, NET_C, 0, NULL, NULL, 0, NULL, NULL};
static const double OCV_SOC[3] = {0, 0.5, 1}, OCV_V[3] = {9, 10, 12};
static const double R_K[2] = {253.15, 293.15}, R_SOC[1] = {0}, R_OHM[2] = {0.5, 0.1};
/* clang-format off */
static const hil_power_battery_t BATTERY = {
    .node = 0, .capacity_As = 36000, .charge_efficiency = 0.99, .ocv_points = 3,
    .ocv_soc = OCV_SOC, .ocv_V = OCV_V, .r_temperatures = 2, .r_socs = 1, .r_K = R_K,
    .r_soc = R_SOC, .r_ohm = R_OHM, .charge_max_A = 5, .charge_max_V = 11.9, .taper_stop_A = 0.2,
    .recharge_soc = 0.9, .charge_min_K = 273.15, .charge_max_K = 318.15, .discharge_min_K = 253.15,
    .discharge_max_K = 333.15, .discharge_max_A = 50, .discharge_min_V = 8};
static const hil_power_array_t ARRAY = {.node = 0, .direct = 0, .reference_K = 293.15,
                                    .power_per_K = -0.002, .transfer = 0.9};
static const hil_power_load_t BOARD = {
    .levels = 3, .idle_W = {0, 5, 10}, .busy_W = {0, 10, 20}, .node = 0, .rest_node = 0,
    .node_share = 1, .throttle_K = 1000, .clear_K = 1000, .shutdown_K = 1000};
static const hil_power_load_t BOARDS[2] = {
    {.levels = 3, .idle_W = {0, 5, 10}, .busy_W = {0, 10, 20}, .node_share = 1,
     .throttle_K = 1000, .clear_K = 1000, .shutdown_K = 1000},
    {.levels = 2, .idle_W = {1, 5}, .busy_W = {1, 5}, .node_share = 1, .throttle_K = 1000,
     .clear_K = 1000, .shutdown_K = 1000}};
static const hil_power_rung_t RUNGS[3] = {{0, 1, 0.6, 0.7}, {0, 0, 0.4, 0.5}, {1, 0, 0.2, 0.3}};
static const hil_power_system_t SYSTEM = {
    .net = &NET, .arrays = 1, .loads = 2, .rungs = 3, .array = &ARRAY, .battery = &BATTERY,
    .load = BOARDS, .rung = RUNGS, .converter_node = 0, .converter_efficiency = 0.8,
    .restore_dwell_s = 10, .restart_soc = 0.25, .restart_dwell_s = 30};
/* clang-format on */

typedef struct {
  hil_power_state_t state;
  hil_power_account_t account;
  hil_thermal_fault_t fault;
  double T_K[1];
} hil_bench_t;

static void set_up(hil_bench_t *b, double soc) {
  memset(b, 0, sizeof *b);
  b->T_K[0] = 293.15;
  CHECK_EQ(power_init(&SYSTEM, soc, &b->state), HIL_OK);
}

/* |steps| steps of a second with |array_W| from the array and all loads at their highest level. */
static int run(hil_bench_t *b, uint64_t steps, double array_W) {
  static const uint8_t HIGHEST[2] = {2, 1};
  static double light_W[20000];
  for (uint64_t i = 0; i < steps; i++) {
    light_W[i] = array_W;
  }
  const hil_power_block_t block = {steps, 1, NULL, light_W, NULL, HIGHEST};
  return power_run(&SYSTEM, &block, &b->state, b->T_K, NULL, &b->account, &b->fault);
}

static void check_closure(const hil_bench_t *b) {
  const hil_power_account_t *a = &b->account;
  const double used = a->transfer_loss_J + a->converter_loss_J + a->load_J + a->battery_loss_J;
  CHECK_NEAR(a->array_J, used + a->stored_J, 1e-7 * (a->array_J + a->load_J));
}

static void the_square_root_is_right_to_the_last_digits(void) {
  double x = 1e-300;
  for (int i = 0; i < 2000; i++, x *= 2.0123) {
    if (x > 1e300) {
      x = 1e-9;
    }
    const double y = root(x);
    CHECK_NEAR(y * y / x, 1, 1e-15);
  }
  CHECK_NEAR(root(0), 0, 0);
  CHECK_NEAR(root(-1), 0, 0);
}

static void tables_interpolate_and_hold_their_ends(void) {
  CHECK_NEAR(open_circuit(&BATTERY, 0), 9, 0);
  CHECK_NEAR(open_circuit(&BATTERY, 0.25), 9.5, 1e-15);
  CHECK_NEAR(open_circuit(&BATTERY, 0.75), 11, 1e-15);
  CHECK_NEAR(open_circuit(&BATTERY, 1), 12, 0);
  CHECK_NEAR(resistance(&BATTERY, 200, 0.5), 0.5, 0);
  CHECK_NEAR(resistance(&BATTERY, 273.15, 0.5), 0.3, 1e-15);
  CHECK_NEAR(resistance(&BATTERY, 400, 0.5), 0.1, 1e-15);
  CHECK_NEAR(power_battery_energy(&BATTERY, 1), 36000 * (4.75 + 5.5), 1e-6);
  CHECK_NEAR(power_battery_energy(&BATTERY, 0.5), 36000 * 4.75, 1e-6);
  CHECK_NEAR(power_battery_energy(&BATTERY, 0), 0, 0);
}

/* OCV^2 / 4R at half charge, 20 C: 10^2 / 0.4 = 250 W. Voltages that the breaker would not allow
 * are out of the way. */
static void a_constant_power_load_has_its_current_up_to_the_limit(void) {
  hil_power_battery_t b = BATTERY;
  double V;
  b.discharge_max_A = 1000;
  b.discharge_min_V = 0;
  b.capacity_As = 1e12; /* so that the middle of the step is its beginning */
  for (double P = 1; P < 249.9; P += 7) {
    const double A = discharge(&b, P, 293.15, 0.1, 1, 0.5, &V);
    CHECK_NEAR((V - A * 0.1) * A, P, 1e-9);
    CHECK(A <= 50);
  }
  CHECK(discharge(&b, 249.999, 293.15, 0.1, 1, 0.5, &V) > 49);
  CHECK(discharge(&b, 250.001, 293.15, 0.1, 1, 0.5, &V) < 0);
  CHECK(discharge(&b, 10, 253.0, 0.1, 1, 0.5, &V) < 0);
  CHECK(discharge(&b, 10, 334.0, 0.1, 1, 0.5, &V) < 0);
  b.discharge_min_V = 9.9;
  CHECK(discharge(&b, 20, 293.15, 0.1, 1, 0.5, &V) < 0);
  b.discharge_min_V = 0;
  b.discharge_max_A = 1.9;
  CHECK(discharge(&b, 20, 293.15, 0.1, 1, 0.5, &V) < 0);
}

static void charging_is_constant_current_then_constant_voltage_then_ends(void) {
  hil_bench_t b;
  set_up(&b, 0.7);
  int constant_current = 0, constant_voltage = 0;
  double last_A = 5;
  for (int i = 0; i < 8000 && !b.state.charged; i++) {
    CHECK_EQ(run(&b, 1, 500), HIL_OK);
    CHECK(b.state.battery_A <= 5 && b.state.bus_V <= 11.9 + 1e-9);
    CHECK(b.state.battery_A <= last_A + 1e-9); /* it only tapers */
    last_A = b.state.battery_A;
    constant_current += b.state.battery_A >= 5;
    constant_voltage += b.state.battery_A < 5 && b.state.bus_V > 11.9 - 1e-4;
  }
  CHECK(constant_current > 100 && constant_voltage > 100);
  CHECK(b.state.charged && last_A < 0.2);
  CHECK_EQ(run(&b, 10, 500), HIL_OK);
  CHECK_NEAR(b.state.battery_A, 0, 0); /* and does not begin again */
  CHECK(b.account.available_J > b.account.array_J);
  check_closure(&b);
}

static void nothing_is_charged_outside_the_temperatures(void) {
  hil_bench_t b;
  set_up(&b, 0.5);
  b.T_K[0] = 270;
  CHECK_EQ(run(&b, 10, 500), HIL_OK);
  CHECK_NEAR(b.state.soc, 0.5, 0);
  b.T_K[0] = 320;
  CHECK_EQ(run(&b, 10, 500), HIL_OK);
  CHECK_NEAR(b.state.soc, 0.5, 0);
  check_closure(&b);
}

static void loads_are_shed_in_order_and_come_back_with_the_sun_only(void) {
  hil_bench_t b;
  uint32_t stage = 0;
  set_up(&b, 0.65);
  while (b.state.soc > 0.19) { /* night */
    CHECK_EQ(run(&b, 1, 0), HIL_OK);
    CHECK(b.state.stage >= stage);
    stage = b.state.stage;
  }
  CHECK_EQ(stage, 3);
  CHECK_EQ(b.state.sheds, 3);
  const double empty = b.state.soc;
  int seen[4] = {0, 0, 0, 0};
  for (int i = 0; i < 20000 && b.state.soc < 0.75; i++) { /* day */
    const uint32_t before = b.state.stage;
    CHECK_EQ(run(&b, 1, 60), HIL_OK);
    CHECK(b.state.stage <= before && before - b.state.stage <= 1);
    if (b.state.stage < before) {
      CHECK(b.state.soc >= RUNGS[b.state.stage].leave_soc);
    }
    seen[b.state.stage]++;
  }
  CHECK(b.state.soc > empty && b.state.stage == 0);
  CHECK(seen[0] && seen[1] && seen[2] && seen[3]);
  CHECK_EQ(b.state.restores, 3);
  CHECK_EQ(b.state.brownouts, 0);
  check_closure(&b);
}

static void at_night_nothing_is_restored_though_the_charge_would_allow(void) {
  hil_bench_t b;
  set_up(&b, 0.9);
  b.state.stage = 3;
  CHECK_EQ(run(&b, 100, 0), HIL_OK);
  CHECK_EQ(b.state.stage, 3);
  CHECK_EQ(run(&b, 100, 80), HIL_OK);
  CHECK_EQ(b.state.stage, 0);
}

static void low_voltage_sheds_too(void) {
  hil_power_system_t s = SYSTEM;
  hil_bench_t b;
  static const uint8_t HIGHEST[2] = {2, 1};
  const hil_power_block_t block = {100, 1, NULL, NULL, NULL, HIGHEST};
  s.shed_V = 11.5;
  s.restore_V = 11.8;
  s.shed_dwell_s = 20;
  set_up(&b, 0.9);
  CHECK_EQ(power_run(&s, &block, &b.state, b.T_K, NULL, &b.account, &b.fault), HIL_OK);
  CHECK(b.state.stage >= 1); /* 11.6 V less what 31 W drop at 0.1 ohm */
  CHECK_EQ(b.state.sheds, b.state.stage);
}

static void a_brown_out_cuts_all_loads_until_the_battery_is_back(void) {
  hil_bench_t b;
  set_up(&b, 0.5);
  b.T_K[0] = 253.0; /* too cold to deliver */
  CHECK_EQ(run(&b, 1, 0), HIL_OK);
  CHECK(b.state.browned_out && b.state.stage == 3 && b.state.brownouts == 1);
  CHECK_NEAR(b.account.load_J, 0, 0);
  CHECK_EQ(run(&b, 100, 0), HIL_OK); /* in vain it is not tried */
  CHECK(b.state.browned_out && b.state.brownouts == 1);
  b.state.since_s = 0;
  b.T_K[0] = 293.15;
  CHECK_EQ(run(&b, 29, 0), HIL_OK);
  CHECK(b.state.browned_out);
  CHECK_EQ(run(&b, 2, 0), HIL_OK);
  CHECK(!b.state.browned_out);
  CHECK_EQ(b.state.stage, 3); /* the ladder is climbed from below */
  set_up(&b, 0.5);
  b.state.browned_out = 1;
  b.state.stage = 3;
  b.state.soc = 0.2;
  CHECK_EQ(run(&b, 100, 0), HIL_OK);
  CHECK(b.state.browned_out); /* charge is missing */
  CHECK_EQ(run(&b, 600, 50), HIL_OK);
  CHECK(!b.state.browned_out);
  check_closure(&b);
}

static void an_empty_battery_browns_out_and_never_goes_below_zero(void) {
  hil_power_system_t s = SYSTEM;
  hil_bench_t b;
  static const uint8_t HIGHEST[2] = {2, 1};
  const hil_power_block_t block = {20000, 1, NULL, NULL, NULL, HIGHEST};
  s.rungs = 0;
  set_up(&b, 0.3);
  CHECK_EQ(power_run(&s, &block, &b.state, b.T_K, NULL, &b.account, &b.fault), HIL_OK);
  CHECK(b.state.browned_out && b.state.soc >= 0 && b.state.soc < 0.01);
  CHECK_EQ(b.state.brownouts, 1);
  check_closure(&b);
}

static void a_hot_board_throttles_step_by_step_and_then_trips_until_power_is_cut(void) {
  hil_power_system_t s = SYSTEM;
  hil_power_load_t load = BOARD;
  hil_bench_t b;
  uint8_t level[1] = {2};
  const hil_power_block_t second = {1, 1, NULL, NULL, NULL, level};
  load.throttle_steps = 2;
  load.throttle[0] = 0.5;
  load.throttle[1] = 0.25;
  load.throttle_K = 350;
  load.clear_K = 345;
  load.throttle_poll_s = 2;
  load.shutdown_K = 370;
  s.loads = 1;
  s.load = &load;
  s.rungs = 0;
  memset(&b, 0, sizeof b);
  CHECK_EQ(power_init(&s, 1, &b.state), HIL_OK);
  hil_power_battery_t battery = BATTERY; /* unmoved by the temperature */
  battery.discharge_max_K = 1000;
  s.battery = &battery;
  static const struct {
    double T_K;
    uint32_t throttle;
    double load_W;
  } STEPS[] = {{300, 0, 20},   {350, 1, 15},   {351, 1, 15}, {351, 2, 12.5}, {352, 2, 12.5},
               {352, 2, 12.5}, {347, 2, 12.5}, {344, 1, 15}, {344, 1, 15},   {344, 0, 20}};
  for (size_t i = 0; i < sizeof STEPS / sizeof STEPS[0]; i++) {
    const double before_J = b.account.load_J;
    b.T_K[0] = STEPS[i].T_K;
    CHECK_EQ(power_run(&s, &second, &b.state, b.T_K, NULL, &b.account, &b.fault), HIL_OK);
    CHECK_EQ(b.state.throttle[0], STEPS[i].throttle);
    CHECK_NEAR(b.account.load_J - before_J, STEPS[i].load_W, 1e-9);
  }
  b.T_K[0] = 370;
  CHECK_EQ(power_run(&s, &second, &b.state, b.T_K, NULL, &b.account, &b.fault), HIL_OK);
  CHECK(b.state.tripped[0] && b.state.trips == 1);
  b.T_K[0] = 300;
  const double off_J = b.account.load_J;
  CHECK_EQ(power_run(&s, &second, &b.state, b.T_K, NULL, &b.account, &b.fault), HIL_OK);
  CHECK(b.state.tripped[0] && b.state.trips == 1);
  CHECK_NEAR(b.account.load_J, off_J, 0);
  level[0] = 0;
  CHECK_EQ(power_run(&s, &second, &b.state, b.T_K, NULL, &b.account, &b.fault), HIL_OK);
  CHECK(!b.state.tripped[0]);
  level[0] = 2;
  CHECK_EQ(power_run(&s, &second, &b.state, b.T_K, NULL, &b.account, &b.fault), HIL_OK);
  CHECK_NEAR(b.account.load_J, off_J + 20, 1e-9);
}

static void a_direct_array_is_strongest_at_its_own_voltage(void) {
  hil_power_system_t s = SYSTEM;
  hil_power_array_t a = ARRAY;
  hil_step_t now;
  const double reference_W = 100, T_K[1] = {293.15};
  a.direct = 1;
  a.mp_V = 10;
  a.mp_V_per_K = -0.02;
  a.oc_per_mp = 1.12;
  a.sc_per_mp = 1.04;
  s.array = &a;
  shine(&s, &reference_W, T_K, 10, &now);
  CHECK_NEAR(now.array_W[0], 100, 1e-9);
  CHECK_NEAR(now.available_W, 90, 1e-9);
  shine(&s, &reference_W, T_K, 8, &now);
  CHECK_NEAR(now.array_W[0], 100 * 0.8 * (1.04 - 0.04 * 0.8), 1e-9);
  shine(&s, &reference_W, T_K, 11, &now);
  CHECK_NEAR(now.array_W[0], 100 * 1.1 * (0.02 / 0.12), 1e-9);
  shine(&s, &reference_W, T_K, 11.2, &now);
  CHECK_NEAR(now.array_W[0], 0, 1e-9);
  shine(&s, NULL, T_K, 8, &now);
  CHECK_NEAR(now.array_W[0], 0, 0);
}

/* Traces are written where they belong, and nowhere else. */
static void every_third_step_gives_a_row(void) {
  enum { STEPS = 10, ROWS = 3 };
  hil_bench_t b;
  double soc[ROWS + 1], T_K[ROWS + 1];
  uint8_t level[(ROWS + 1) * 2], stage[ROWS + 1];
  static const uint8_t HIGHEST[2] = {2, 1};
  const hil_power_block_t block = {STEPS, 1, NULL, NULL, NULL, HIGHEST};
  const hil_power_trace_t trace = {.every = 3, .soc = soc, .stage = stage, .level = level, .T_K = T_K};
  memset(soc, UNIT_GUARD, sizeof soc);
  memset(T_K, UNIT_GUARD, sizeof T_K);
  memset(level, UNIT_GUARD, sizeof level);
  memset(stage, UNIT_GUARD, sizeof stage);
  set_up(&b, 0.9);
  CHECK_EQ(power_run(&SYSTEM, &block, &b.state, b.T_K, &trace, &b.account, &b.fault), HIL_OK);
  CHECK(soc[0] < 0.9 && soc[1] < soc[0] && soc[2] < soc[1] && b.state.soc < soc[2]);
  for (int i = 0; i < ROWS; i++) {
    CHECK_EQ(level[2 * i], 2);
    CHECK_EQ(level[2 * i + 1], 1);
    CHECK_EQ(stage[i], 0);
  }
  CHECK_EQ(level[2 * ROWS], UNIT_GUARD);
  CHECK_EQ(stage[ROWS], UNIT_GUARD);
  CHECK_EQ(*(uint8_t *)&soc[ROWS], UNIT_GUARD);
  CHECK_EQ(*(uint8_t *)&T_K[ROWS], UNIT_GUARD);
}

static uint64_t random_state = 1;
static double uniform(double low, double high) { /* splitmix64 */
  uint64_t z = random_state += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return low + (high - low) * (double)((z ^ (z >> 31)) >> 11) / 9007199254740992.0;
}

/* Random days: the invariants of power.c hold whatever happens. */
static void random_light_and_temperatures_keep_the_invariants(void) {
  static const uint8_t HIGHEST[2] = {2, 1};
  for (int day = 0; day < 50; day++) {
    hil_bench_t b;
    double limit_W = uniform(0, 150);
    set_up(&b, uniform(0, 1));
    for (int i = 0; i < 400; i++) {
      double light_W = limit_W > uniform(0, 150) ? uniform(0, limit_W) : 0;
      double activity[2] = {uniform(0, 1), uniform(0, 1)}, heat_W = uniform(-5, 5);
      uint8_t level[2], stage;
      const hil_power_block_t block = {1, uniform(0.1, 60), &heat_W, &light_W, activity, HIGHEST};
      const hil_power_trace_t trace = {.every = 1, .level = level, .stage = &stage};
      const uint32_t before = b.state.stage;
      b.T_K[0] = uniform(250, 335);
      CHECK_EQ(power_run(&SYSTEM, &block, &b.state, b.T_K, &trace, &b.account, &b.fault), HIL_OK);
      CHECK(b.state.soc >= 0 && b.state.soc <= 1);
      CHECK(light_W > 0 || b.state.stage >= before);
      CHECK(b.state.stage < 1 || level[0] <= 1);
      CHECK(b.state.stage < 2 || level[0] == 0);
      CHECK(b.state.stage < 3 || level[1] == 0);
      CHECK(!b.state.browned_out || stage == 255);
    }
    const hil_power_account_t *a = &b.account;
    const double used = a->transfer_loss_J + a->converter_loss_J + a->load_J + a->battery_loss_J;
    /* Steps of up to a minute, over kinks of the table: second order shows. */
    CHECK_NEAR(a->array_J, used + a->stored_J, 1e-4 * (a->array_J + a->load_J + 1));
  }
}

static void bad_systems_and_blocks_are_refused(void) {
  hil_power_system_t bad[9];
  hil_power_battery_t falling = BATTERY, no_charge = BATTERY;
  hil_power_load_t boards[2] = {BOARDS[0], BOARDS[1]};
  hil_power_rung_t rungs[3] = {RUNGS[1], RUNGS[0], RUNGS[2]};
  hil_power_array_t array = ARRAY;
  static const double FALLING_V[3] = {9, 8, 12};
  hil_power_state_t state;
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    bad[i] = SYSTEM;
  }
  falling.ocv_V = FALLING_V;
  no_charge.capacity_As = 0;
  boards[1].levels = 1;
  array.transfer = 1.1;
  bad[0].battery = &falling;
  bad[1].battery = &no_charge;
  bad[2].load = boards;
  bad[3].rung = rungs; /* thresholds rise along the ladder */
  bad[4].array = &array;
  bad[5].converter_node = 1;
  bad[6].converter_efficiency = 0;
  bad[7].net = NULL;
  bad[8].loads = POWER_MAX_LOADS + 1;
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    CHECK_EQ(power_init(&bad[i], 0.5, &state), HIL_ERR_ARG);
  }
  CHECK_EQ(power_init(&SYSTEM, 1.5, &state), HIL_ERR_ARG);
  hil_bench_t b;
  const double negative = -1;
  static const uint8_t HIGHEST[2] = {2, 1}, BEYOND[2] = {3, 1};
  const hil_power_block_t beyond = {1, 1, NULL, NULL, NULL, BEYOND};
  const hil_power_block_t dark = {1, 1, NULL, &negative, NULL, HIGHEST};
  const hil_power_block_t still = {1, 0, NULL, NULL, NULL, HIGHEST};
  const hil_power_trace_t never = {.every = 0};
  set_up(&b, 0.5);
  const hil_power_state_t before = b.state;
  CHECK_EQ(power_run(&SYSTEM, &beyond, &b.state, b.T_K, NULL, &b.account, &b.fault), HIL_ERR_ARG);
  CHECK_EQ(power_run(&SYSTEM, &dark, &b.state, b.T_K, NULL, &b.account, &b.fault), HIL_ERR_ARG);
  CHECK_EQ(power_run(&SYSTEM, &still, &b.state, b.T_K, NULL, &b.account, &b.fault), HIL_ERR_ARG);
  CHECK_EQ(power_run(&SYSTEM, &dark, &b.state, b.T_K, &never, &b.account, &b.fault), HIL_ERR_ARG);
  CHECK(memcmp(&before, &b.state, sizeof before) == 0);
}

int main(void) {
  RUN(the_square_root_is_right_to_the_last_digits);
  RUN(tables_interpolate_and_hold_their_ends);
  RUN(a_constant_power_load_has_its_current_up_to_the_limit);
  RUN(charging_is_constant_current_then_constant_voltage_then_ends);
  RUN(nothing_is_charged_outside_the_temperatures);
  RUN(loads_are_shed_in_order_and_come_back_with_the_sun_only);
  RUN(at_night_nothing_is_restored_though_the_charge_would_allow);
  RUN(low_voltage_sheds_too);
  RUN(a_brown_out_cuts_all_loads_until_the_battery_is_back);
  RUN(an_empty_battery_browns_out_and_never_goes_below_zero);
  RUN(a_hot_board_throttles_step_by_step_and_then_trips_until_power_is_cut);
  RUN(a_direct_array_is_strongest_at_its_own_voltage);
  RUN(every_third_step_gives_a_row);
  RUN(random_light_and_temperatures_keep_the_invariants);
  RUN(bad_systems_and_blocks_are_refused);
  return UNIT_RESULT();
}
