/* The thermal network against closed forms. SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>

#include "thermal.h"
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

#define BLOCK(steps, dt_s, load_rows, load_W, out_T_K) \
  (&(const hil_thermal_block_t){(steps), (dt_s), (load_rows), (load_W), (out_T_K)})

/* A plate of 1800 J/K, 0.06 m2, eps 0.85 that sees only a sky of 0 K (case T5). */
static const double PLATE_C[2] = {1800, 0}, PLATE_GR[1] = {0.06 * 0.85};
static const uint16_t PLATE_AB[2] = {0, 1};
static const hil_thermal_net_t PLATE = {2, PLATE_C, 0, NULL, NULL, 1, PLATE_AB, PLATE_GR};

/* Chip, radiator, sky (case T7): 15 W through 0.5 W/K to 0.04 m2 of eps 0.85. */
static const double CHAIN_C[3] = {20, 100, 0}, CHAIN_GL[1] = {0.5}, CHAIN_GR[1] = {0.04 * 0.85};
static const uint16_t CHAIN_GL_AB[2] = {0, 1}, CHAIN_GR_AB[2] = {1, 2};
static const hil_thermal_net_t CHAIN = {3, CHAIN_C, 1, CHAIN_GL_AB, CHAIN_GL, 1, CHAIN_GR_AB, CHAIN_GR};

static void t5_a_plate_cools_as_the_closed_form_says(void) {
  /* (T0^-3 + 3 eps A sigma t / C)^(-1/3), to 12 digits. */
  static const struct {
    double t_s, T_K;
  } WANT[] = {{600, 292.575159089029}, {1200, 285.834739405600}, {2160, 276.223847896941}};
  static const double DT_S[] = {1, 10, 60, 120};
  for (size_t d = 0; d < sizeof DT_S / sizeof DT_S[0]; d++) {
    for (size_t i = 0; i < sizeof WANT / sizeof WANT[0]; i++) {
      double T_K[2] = {300, 0};
      const double load_W[2] = {0, 0};
      hil_thermal_account_t account = {0, 0, 0, 0};
      hil_thermal_fault_t fault;
      const uint64_t steps = (uint64_t)(WANT[i].t_s / DT_S[d]);
      CHECK_EQ(thermal_run(&PLATE, BLOCK(steps, DT_S[d], 1, load_W, NULL), T_K, &account, &fault), HIL_OK);
      CHECK_NEAR(T_K[0], WANT[i].T_K, 5.1e-8 * DT_S[d] * DT_S[d]); /* second order */
      CHECK_NEAR(account.stored_J + account.boundary_J, 0, 1e-9 * account.boundary_J);
      CHECK_NEAR(account.stored_J, 1800 * (WANT[i].T_K - 300), 2);
    }
  }
}

static void t7_a_chip_settles_30_k_above_its_radiator(void) {
  double T_K[3] = {250, 250, 0};
  const double load_W[3] = {15, 0, 0};
  hil_thermal_account_t account = {0, 0, 0, 0};
  hil_thermal_fault_t fault;
  CHECK_EQ(thermal_run(&CHAIN, BLOCK(20000, 1, 1, load_W, NULL), T_K, &account, &fault), HIL_OK);
  CHECK_NEAR(T_K[1], 297.00, 0.05);
  CHECK_NEAR(T_K[0], 327.00, 0.05);
  CHECK_NEAR(account.load_J, 15 * 20000.0, 1e-6);
  CHECK_NEAR(account.load_J, account.boundary_J + account.stored_J, 1e-9 * account.load_J);
}

static void a_boundary_keeps_its_temperature_and_counts_what_it_takes(void) {
  static const double C[2] = {10, 0}, GL[1] = {2};
  static const uint16_t AB[2] = {0, 1};
  const hil_thermal_net_t net = {2, C, 1, AB, GL, 0, NULL, NULL};
  double T_K[2] = {290, 280};
  const double load_W[2] = {4, 7};
  hil_thermal_account_t account = {0, 0, 0, 0};
  hil_thermal_fault_t fault;
  CHECK_EQ(thermal_run(&net, BLOCK(1000, 1, 1, load_W, NULL), T_K, &account, &fault), HIL_OK);
  CHECK(T_K[1] >= 280 && T_K[1] <= 280);
  CHECK_NEAR(T_K[0], 282, 1e-9);
  CHECK_NEAR(account.boundary_J, 11000.0 + 80, 1e-6); /* also its own load */
  CHECK_NEAR(account.throughput_J, 11000.0, 1e-6);
}

static void rows_of_loads_and_one_row_are_the_same(void) {
  double rows[5][3], one[3] = {15, 1, 0}, A_K[3] = {280, 270, 3}, B_K[3] = {280, 270, 3};
  double out[6][3];
  hil_thermal_account_t a = {0, 0, 0, 0}, b = {0, 0, 0, 0};
  hil_thermal_fault_t fault;
  memset(out, UNIT_GUARD, sizeof out);
  for (int i = 0; i < 5; i++) {
    memcpy(rows[i], one, sizeof one);
  }
  CHECK_EQ(thermal_run(&CHAIN, BLOCK(5, 2, 5, rows[0], out[0]), A_K, &a, &fault), HIL_OK);
  CHECK_EQ(thermal_run(&CHAIN, BLOCK(5, 2, 1, one, NULL), B_K, &b, &fault), HIL_OK);
  CHECK(memcmp(A_K, B_K, sizeof A_K) == 0 && memcmp(&a, &b, sizeof a) == 0);
  CHECK(memcmp(out[4], A_K, sizeof A_K) == 0);
  const uint8_t *guard = (const uint8_t *)out[5];
  for (size_t i = 0; i < sizeof out[5]; i++) {
    CHECK_EQ(guard[i], UNIT_GUARD);
  }
}

/* 20 J/K at 0.5 W/K: 40 s. At the limit nothing overshoots; beyond it the step is refused. */
static void the_stable_step_is_reported_and_enforced(void) {
  double T_K[3] = {300, 300, 0};
  const double load_W[3] = {0, 0, 0};
  hil_thermal_account_t account = {0, 0, 0, 0}, none = {0, 0, 0, 0};
  hil_thermal_fault_t fault;
  CHECK_EQ(thermal_stable_dt(&CHAIN, T_K, &fault), HIL_OK);
  CHECK_EQ(fault.node, 0);
  CHECK_NEAR(fault.dt_s, 40, 1e-12);
  T_K[0] = 400;
  const double before_K = T_K[0];
  CHECK_EQ(thermal_run(&CHAIN, BLOCK(1, 40, 1, load_W, NULL), T_K, &account, &fault), HIL_OK);
  CHECK(T_K[0] < before_K && T_K[0] > T_K[1]);
  double U_K[3] = {300, 300, 0};
  CHECK_EQ(thermal_run(&CHAIN, BLOCK(3, 40.001, 1, load_W, NULL), U_K, &none, &fault), HIL_ERR_STATE);
  CHECK_EQ(fault.step, 0);
  CHECK_EQ(fault.node, 0);
  CHECK_NEAR(fault.dt_s, 40, 1e-9);
  CHECK_NEAR(U_K[0], 300, 0);
  CHECK_NEAR(none.load_J, 0, 0);
}

/* Radiation alone makes a step unstable when it gets hot: 4 sigma T^3 GR grows. */
static void heating_up_can_make_a_step_unstable_on_the_way(void) {
  static const double C[2] = {1, 0}, GR[1] = {0.1};
  static const uint16_t AB[2] = {0, 1};
  const hil_thermal_net_t net = {2, C, 0, NULL, NULL, 1, AB, GR};
  double T_K[2] = {200, 3}, out[100][2];
  const double load_W[2] = {60, 0};
  hil_thermal_account_t account = {0, 0, 0, 0};
  hil_thermal_fault_t fault;
  memset(out, UNIT_GUARD, sizeof out);
  CHECK_EQ(thermal_run(&net, BLOCK(100, 2, 1, load_W, out[0]), T_K, &account, &fault), HIL_ERR_STATE);
  CHECK(fault.step > 0 && fault.step < 100 && fault.dt_s > 0 && fault.dt_s < 2);
  CHECK(memcmp(T_K, out[fault.step - 1], sizeof T_K) == 0);
  const uint8_t *rest = (const uint8_t *)out[fault.step];
  for (size_t i = 0; i < (100 - fault.step) * sizeof out[0]; i++) {
    CHECK_EQ(rest[i], UNIT_GUARD);
  }
}

static void loads_and_temperatures_that_are_no_numbers_are_refused(void) {
  const double infinity = 1e308 * 10, nan = infinity - infinity;
  const double bad_load[][3] = {{nan, 0, 0}, {0, infinity, 0}, {0, 0, -infinity}, {-1e30, 0, 0}};
  const double bad_T[][3] = {{nan, 300, 0}, {300, -1, 0}, {300, 300, infinity}};
  const double good[3] = {0, 0, 0};
  hil_thermal_account_t account = {0, 0, 0, 0};
  hil_thermal_fault_t fault;
  for (size_t i = 0; i < sizeof bad_load / sizeof bad_load[0]; i++) {
    double T_K[3] = {300, 300, 0};
    CHECK_EQ(thermal_run(&CHAIN, BLOCK(1, 1, 1, bad_load[i], NULL), T_K, &account, &fault), HIL_ERR_STATE);
    CHECK(fault.node < 3);
    CHECK_NEAR(fault.dt_s, 0, 0);
    CHECK_NEAR(T_K[0], 300, 0);
  }
  for (size_t i = 0; i < sizeof bad_T / sizeof bad_T[0]; i++) {
    double T_K[3];
    memcpy(T_K, bad_T[i], sizeof T_K);
    CHECK_EQ(thermal_run(&CHAIN, BLOCK(1, 1, 1, good, NULL), T_K, &account, &fault), HIL_ERR_STATE);
  }
  CHECK_NEAR(account.throughput_J, 0, 0);
}

static void bad_networks_are_refused(void) {
  static const double negative[3] = {20, -100, 0}, zero_GL[1] = {0};
  static const uint16_t beyond[2] = {0, 3}, same[2] = {1, 1};
  hil_thermal_net_t bad[] = {CHAIN, CHAIN, CHAIN, CHAIN, CHAIN, CHAIN, CHAIN, CHAIN};
  double T_K[3] = {300, 300, 0};
  const double load_W[3] = {0, 0, 0};
  hil_thermal_account_t account;
  hil_thermal_fault_t fault;
  bad[0].nodes = 0;
  bad[1].nodes = THERMAL_MAX_NODES + 1;
  bad[2].capacity_JpK = negative;
  bad[3].conductor_ab = beyond;
  bad[4].radiator_ab = same;
  bad[5].conductor_WpK = zero_GL;
  bad[6].conductors = THERMAL_MAX_LINKS + 1;
  bad[7].radiator_m2 = NULL;
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    CHECK_EQ(thermal_run(&bad[i], BLOCK(1, 1, 1, load_W, NULL), T_K, &account, &fault), HIL_ERR_ARG);
    CHECK_EQ(thermal_stable_dt(&bad[i], T_K, &fault), HIL_ERR_ARG);
  }
  CHECK_EQ(thermal_run(&CHAIN, BLOCK(1, 0, 1, load_W, NULL), T_K, &account, &fault), HIL_ERR_ARG);
  CHECK_EQ(thermal_run(&CHAIN, BLOCK(1, -1, 1, load_W, NULL), T_K, &account, &fault), HIL_ERR_ARG);
  CHECK_EQ(thermal_run(&CHAIN, BLOCK(3, 1, 2, load_W, NULL), T_K, &account, &fault), HIL_ERR_ARG);
  CHECK_EQ(thermal_run(&CHAIN, NULL, T_K, &account, &fault), HIL_ERR_ARG);
  CHECK_EQ(thermal_run(&CHAIN, BLOCK(1, 1, 1, NULL, NULL), T_K, &account, &fault), HIL_ERR_ARG);
  CHECK_EQ(thermal_run(NULL, BLOCK(1, 1, 1, load_W, NULL), T_K, &account, &fault), HIL_ERR_ARG);
  CHECK_EQ(thermal_run(&CHAIN, BLOCK(1, 1, 1, load_W, NULL), NULL, &account, &fault), HIL_ERR_ARG);
}

int main(void) {
  RUN(t5_a_plate_cools_as_the_closed_form_says);
  RUN(t7_a_chip_settles_30_k_above_its_radiator);
  RUN(a_boundary_keeps_its_temperature_and_counts_what_it_takes);
  RUN(rows_of_loads_and_one_row_are_the_same);
  RUN(the_stable_step_is_reported_and_enforced);
  RUN(heating_up_can_make_a_step_unstable_on_the_way);
  RUN(loads_and_temperatures_that_are_no_numbers_are_refused);
  RUN(bad_networks_are_refused);
  return UNIT_RESULT();
}
