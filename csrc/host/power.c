/* Electrical power of a satellite, in step with its heat. SPDX-License-Identifier: Apache-2.0
 *
 * The battery is an open-circuit voltage behind a resistance. A constant power P makes a current I
 * with (OCV - I R) I = P, so I = 2 P / (OCV + sqrt(OCV^2 - 4 R P)), the form that does not cancel;
 * beyond P = OCV^2 / 4R no such current exists, and the bus breaks down. Charging is the same with
 * the other sign. OCV is taken at the middle of the step: once with the charge before it, to find
 * the current, and once more with half that current's charge added. On a straight piece of the
 * table, OCV there times the charge is exactly the energy between the two states, so that energy is
 * conserved to third order of the step, and sums over days still close.
 *
 * States of the bus:
 *
 *     rungs 0 ── soc < enter, or bus < shed_V ──> 1 ── ... ──> all rungs        (shed)
 *     rungs 0 <── soc >= leave, bus >= restore_V, array >= loads, dwell ── 1    (restore)
 *     any ── the battery cannot deliver ──> browned out                         (settle)
 *     browned out ── soc >= restart_soc, dwell, array or battery able ──> all rungs applied (shed)
 *
 * Invariants:
 *   1. Without a surplus of the arrays nothing is restored: at night loads only go down.
 *   2. 0 <= soc <= 1; the battery never charges and discharges in one step.
 *   3. A load's level never exceeds the one asked for, nor that of any rung applied to it.
 *   4. All power drawn from the arrays is in exactly one entry of the account, and all that does
 *      not stay in the battery is heat of exactly one node (two for a board: junction and rest). */
#include "power.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define LARGEST 1.7976931348623157e308

static bool is_finite(double x) { return x >= -LARGEST && x <= LARGEST; }

static double lesser(double a, double b) { return a < b ? a : b; }

/* Square root of x >= 0: an estimate from the exponent, then Newton's iteration, which doubles the
 * right digits each time. Basic operations only, so that all machines agree. */
static double root(double x) {
  uint64_t bits;
  double y, inverse;
  if (!(x > 0)) {
    return false;
  }
  memcpy(&bits, &x, sizeof bits);
  bits = 0x5fe6eb50c7b537a9u - (bits >> 1);
  memcpy(&inverse, &bits, sizeof inverse); /* 1/sqrt(x) within 3.5 % */
  for (int i = 0; i < 4; i++) {
    inverse *= 1.5 - 0.5 * x * inverse * inverse;
  }
  y = x * inverse;
  return y + 0.5 * inverse * (x - y * y);
}

/* ---- Tables ---- */

/* The piece of an ascending table that x is in: at[i] <= x < at[i + 1], or an end piece. */
static uint32_t piece(const double *at, uint32_t points, double x) {
  uint32_t i = 0;
  while (i + 2 < points && x >= at[i + 1]) {
    i++;
  }
  return i;
}

/* Where x is within that piece: 0..1. */
static double place(const double *at, uint32_t i, double x) {
  const double f = (x - at[i]) / (at[i + 1] - at[i]);
  return f <= 0 ? 0 : f >= 1 ? 1 : f;
}

static double open_circuit(const hil_power_battery_t *b, double soc) {
  const uint32_t i = piece(b->ocv_soc, b->ocv_points, soc);
  return b->ocv_V[i] + place(b->ocv_soc, i, soc) * (b->ocv_V[i + 1] - b->ocv_V[i]);
}

static double resistance(const hil_power_battery_t *b, double T_K, double soc) {
  const uint32_t columns = b->r_socs;
  const uint32_t row = b->r_temperatures > 1 ? piece(b->r_K, b->r_temperatures, T_K) : 0;
  const uint32_t column = columns > 1 ? piece(b->r_soc, columns, soc) : 0;
  const double fs = columns > 1 ? place(b->r_soc, column, soc) : 0;
  const double *cold = b->r_ohm + row * columns + column;
  const double at_cold = columns > 1 ? cold[0] + fs * (cold[1] - cold[0]) : cold[0];
  if (b->r_temperatures == 1) {
    return at_cold;
  }
  const double *warm = cold + columns;
  const double at_warm = columns > 1 ? warm[0] + fs * (warm[1] - warm[0]) : warm[0];
  return at_cold + place(b->r_K, row, T_K) * (at_warm - at_cold);
}

double power_battery_energy(const hil_power_battery_t *b, double soc) {
  double area = 0; /* [V] integral of OCV over the state of charge */
  for (uint32_t i = 0; i + 1 < b->ocv_points && soc > b->ocv_soc[i]; i++) {
    const double end = lesser(soc, b->ocv_soc[i + 1]);
    const double V = b->ocv_V[i] + place(b->ocv_soc, i, end) * (b->ocv_V[i + 1] - b->ocv_V[i]);
    area += 0.5 * (b->ocv_V[i] + V) * (end - b->ocv_soc[i]);
  }
  return area * b->capacity_As;
}

/* ---- Validation ---- */

static bool ascends(const double *x, uint32_t points) {
  if (!x || points < 1 || points > POWER_MAX_TABLE || !is_finite(x[0])) {
    return false;
  }
  for (uint32_t i = 1; i < points; i++) {
    if (!(x[i] > x[i - 1]) || !is_finite(x[i])) {
      return false;
    }
  }
  return true;
}

static bool in(double x, double low, double high) { return x >= low && x <= high; }
static bool fraction(double x) { return x > 0 && x <= 1; }
static bool positive(double x) { return x > 0 && is_finite(x); }

static bool battery_is_good(const hil_power_battery_t *b, uint32_t nodes) {
  if (!b || b->node >= nodes || b->ocv_points < 2 || !ascends(b->ocv_soc, b->ocv_points) ||
      !ascends(b->r_K, b->r_temperatures) || !ascends(b->r_soc, b->r_socs) || !b->ocv_V || !b->r_ohm ||
      b->ocv_soc[0] < 0 || b->ocv_soc[0] > 0 || b->ocv_soc[b->ocv_points - 1] < 1 ||
      b->ocv_soc[b->ocv_points - 1] > 1) {
    return false;
  }
  for (uint32_t i = 0; i < b->ocv_points; i++) {
    if (!positive(b->ocv_V[i]) || (i > 0 && b->ocv_V[i] < b->ocv_V[i - 1])) {
      return false;
    }
  }
  for (uint32_t i = 0; i < b->r_temperatures * b->r_socs; i++) {
    if (!positive(b->r_ohm[i])) {
      return false;
    }
  }
  return positive(b->capacity_As) && fraction(b->charge_efficiency) && b->charge_max_A >= 0 &&
         b->charge_max_V >= 0 && b->taper_stop_A >= 0 && in(b->recharge_soc, 0, 1) &&
         b->charge_min_K <= b->charge_max_K && b->discharge_min_K <= b->discharge_max_K &&
         b->discharge_max_A >= 0 && b->discharge_min_V >= 0;
}

static bool array_is_good(const hil_power_array_t *a, uint32_t nodes) {
  return a->node < nodes && a->reference_K >= 0 && is_finite(a->power_per_K) && fraction(a->transfer) &&
         (!a->direct ||
          (positive(a->mp_V) && is_finite(a->mp_V_per_K) && a->oc_per_mp > 1 && a->sc_per_mp >= 1));
}

static bool load_is_good(const hil_power_load_t *l, uint32_t nodes) {
  if (l->levels < 2 || l->levels > POWER_MAX_LEVELS || l->node >= nodes || l->rest_node >= nodes ||
      !in(l->node_share, 0, 1) || l->throttle_steps >= POWER_MAX_THROTTLE || !(l->clear_K <= l->throttle_K) ||
      !(l->throttle_poll_s >= 0) || !(l->shutdown_K > 0)) {
    return false;
  }
  for (uint32_t i = 0; i < l->levels; i++) {
    if (!(l->idle_W[i] >= 0) || !(l->busy_W[i] >= l->idle_W[i]) || !is_finite(l->busy_W[i])) {
      return false;
    }
  }
  for (uint32_t i = 0; i < l->throttle_steps; i++) {
    if (!in(l->throttle[i], 0, 1)) {
      return false;
    }
  }
  return true;
}

static bool ladder_is_good(const hil_power_system_t *s) {
  for (uint32_t i = 0; i < s->rungs; i++) {
    const hil_power_rung_t *r = &s->rung[i];
    if (r->load >= s->loads || r->level >= s->load[r->load].levels || !in(r->enter_soc, 0, 1) ||
        !(r->leave_soc >= r->enter_soc) || (i > 0 && !(r->enter_soc <= s->rung[i - 1].enter_soc))) {
      return false;
    }
  }
  return true;
}

static bool system_is_good(const hil_power_system_t *s) {
  if (!s || !s->net || s->net->nodes > THERMAL_MAX_NODES || s->arrays > POWER_MAX_ARRAYS ||
      s->loads > POWER_MAX_LOADS || s->rungs > POWER_MAX_RUNGS || (s->arrays && !s->array) ||
      (s->loads && !s->load) || (s->rungs && !s->rung) || s->converter_node >= s->net->nodes ||
      !fraction(s->converter_efficiency) || !(s->shed_dwell_s >= 0) || !(s->restore_dwell_s >= 0) ||
      !(s->restart_dwell_s >= 0) || !in(s->restart_soc, 0, 1) || !(s->shed_V >= 0) ||
      !(s->restore_V >= s->shed_V) || !battery_is_good(s->battery, s->net->nodes)) {
    return false;
  }
  for (uint32_t i = 0; i < s->arrays; i++) {
    if (!array_is_good(&s->array[i], s->net->nodes)) {
      return false;
    }
  }
  for (uint32_t i = 0; i < s->loads; i++) {
    if (!load_is_good(&s->load[i], s->net->nodes)) {
      return false;
    }
  }
  return ladder_is_good(s);
}

int power_init(const hil_power_system_t *s, double soc, hil_power_state_t *out) {
  if (!out || !in(soc, 0, 1) || !system_is_good(s)) {
    return HIL_ERR_ARG;
  }
  memset(out, 0, sizeof *out);
  out->soc = soc;
  out->bus_V = open_circuit(s->battery, soc);
  return HIL_OK;
}

/* ---- One step ---- */

/* Everything of the step at hand. Powers are at the bus unless said otherwise. */
typedef struct {
  double heat_W[THERMAL_MAX_NODES];
  double array_W[POWER_MAX_ARRAYS]; /* at its terminals: what it can give */
  double board_W[POWER_MAX_LOADS];
  uint32_t level[POWER_MAX_LOADS];
  uint32_t cap[POWER_MAX_LOADS]; /* the level that the ladder allows */
  double terminal_W;             /* sum of array_W */
  double available_W;            /* of that, what reaches the bus */
  double load_W;                 /* sum of board_W */
} hil_step_t;

static void set_caps(const hil_power_system_t *s, uint32_t stage, hil_step_t *now) {
  for (uint32_t i = 0; i < s->loads; i++) {
    now->cap[i] = POWER_MAX_LEVELS;
  }
  for (uint32_t i = 0; i < stage; i++) {
    if (s->rung[i].level < now->cap[s->rung[i].load]) {
      now->cap[s->rung[i].load] = s->rung[i].level;
    }
  }
}

/* What the arrays can give at the temperatures and the bus voltage before the step. */
static void shine(const hil_power_system_t *s, const double *reference_W, const double *T_K, double bus_V,
                  hil_step_t *now) {
  now->terminal_W = now->available_W = 0;
  for (uint32_t i = 0; i < s->arrays; i++) {
    const hil_power_array_t *a = &s->array[i];
    const double dT = T_K[a->node] - a->reference_K;
    const double factor = 1 + a->power_per_K * dT;
    double W = reference_W && factor > 0 ? reference_W[i] * factor : 0;
    if (a->direct && W > 0) {
      /* Current falls from sc_per_mp to 1 up to the voltage of maximum power, then to 0. */
      const double mp_V = a->mp_V + a->mp_V_per_K * dT, v = mp_V > 0 ? bus_V / mp_V : LARGEST;
      const double i_mp = v <= 1             ? a->sc_per_mp - (a->sc_per_mp - 1) * v
                          : v < a->oc_per_mp ? (a->oc_per_mp - v) / (a->oc_per_mp - 1)
                                             : 0;
      W = i_mp > 0 ? lesser(W, W * i_mp * v) : 0;
    }
    now->array_W[i] = W;
    now->terminal_W += W;
    now->available_W += W * a->transfer;
  }
}

/* Apply or undo rungs of the shedding ladder; end a brown-out, unless nothing could carry the loads.
 * Returns whether the stage changed. */
static bool shed(const hil_power_system_t *s, double T_K, hil_power_state_t *st, const hil_step_t *now) {
  const uint32_t before = st->stage;
  if (st->browned_out) {
    const bool able = T_K >= s->battery->discharge_min_K && T_K <= s->battery->discharge_max_K;
    if (st->soc >= s->restart_soc && st->since_s >= s->restart_dwell_s && (able || now->available_W > 0)) {
      st->browned_out = 0;
      st->since_s = 0;
    }
    return false;
  }
  while (st->stage < s->rungs && st->soc < s->rung[st->stage].enter_soc) {
    st->stage++;
  }
  if (st->stage == before && st->bus_V < s->shed_V && st->stage < s->rungs &&
      st->since_s >= s->shed_dwell_s) {
    st->stage++;
  }
  if (st->stage > before) {
    st->sheds += st->stage - before;
    st->since_s = 0;
  } else if (st->stage > 0 && st->soc >= s->rung[st->stage - 1].leave_soc && st->bus_V >= s->restore_V &&
             now->available_W > 0 && now->available_W >= st->bus_W && st->since_s >= s->restore_dwell_s) {
    st->stage--;
    st->restores++;
    st->since_s = 0;
  }
  return st->stage != before;
}

/* The governor of one board, by its temperature before the step. */
static void govern(const hil_power_load_t *l, double T_K, double dt_s, uint32_t i, hil_power_state_t *st) {
  st->throttle_since_s[i] += dt_s;
  if (T_K >= l->shutdown_K) {
    st->tripped[i] = 1;
    st->trips++;
  } else if (st->throttle_since_s[i] >= l->throttle_poll_s) {
    if (T_K >= l->throttle_K && st->throttle[i] < l->throttle_steps) {
      st->throttle[i]++;
      st->throttle_since_s[i] = 0;
    } else if (T_K < l->clear_K && st->throttle[i] > 0) {
      st->throttle[i]--;
      st->throttle_since_s[i] = 0;
    }
  }
}

/* Level and power of every load. */
static void demand(const hil_power_system_t *s, const hil_power_block_t *b, const double *activity,
                   const double *T_K, hil_power_state_t *st, hil_step_t *now) {
  now->load_W = 0;
  for (uint32_t i = 0; i < s->loads; i++) {
    const hil_power_load_t *l = &s->load[i];
    uint32_t level = b->level[i] < now->cap[i] ? b->level[i] : now->cap[i];
    if (st->browned_out || level == 0) { /* power was cut: what was latched is forgotten */
      level = 0;
      st->tripped[i] = st->throttle[i] = 0;
      st->throttle_since_s[i] = 0;
    } else if (!st->tripped[i]) {
      govern(l, T_K[l->node], b->dt_s, i, st);
    }
    if (st->tripped[i]) {
      level = 0;
      st->throttle[i] = 0;
    }
    double dynamic = l->busy_W[level] - l->idle_W[level];
    if (activity) {
      dynamic *= activity[i];
    }
    if (st->throttle[i]) {
      dynamic *= l->throttle[st->throttle[i] - 1];
    }
    now->level[i] = level;
    now->board_W[i] = st->browned_out ? 0 : l->idle_W[level] + dynamic;
    now->load_W += now->board_W[i];
  }
}

/* [A] charging current that takes |surplus_W| at most; 0 if it must not or need not be charged. */
static double charge(const hil_power_battery_t *b, double surplus_W, double T_K, double R, double dt_s,
                     hil_power_state_t *st, double *out_ocv_V) {
  if (!(T_K >= b->charge_min_K && T_K <= b->charge_max_K)) {
    return 0;
  }
  if (st->charged && st->soc >= b->recharge_soc) {
    return 0;
  }
  st->charged = 0;
  const double room_A = (1 - st->soc) * b->capacity_As / (b->charge_efficiency * dt_s);
  double V = open_circuit(b, st->soc), A = 0, cv_A = 0;
  for (int i = 0; i < 2; i++) {
    cv_A = (b->charge_max_V - V) / R;
    A = 2 * surplus_W / (V + root(V * V + 4 * R * surplus_W));
    A = lesser(lesser(A, b->charge_max_A), lesser(cv_A > 0 ? cv_A : 0, room_A));
    if (i == 0) {
      const double half = 0.5 * A * b->charge_efficiency * dt_s / b->capacity_As;
      V = open_circuit(b, st->soc + half);
    }
  }
  if (A >= room_A || (A >= cv_A && A < b->taper_stop_A)) {
    st->charged = 1;
  }
  *out_ocv_V = V;
  return A;
}

/* [A] discharging current that gives |lack_W|; negative if the battery cannot. */
static double discharge(const hil_power_battery_t *b, double lack_W, double T_K, double R, double dt_s,
                        double soc, double *out_ocv_V) {
  double V = open_circuit(b, soc), A = 0;
  if (!(T_K >= b->discharge_min_K && T_K <= b->discharge_max_K)) {
    return -1;
  }
  for (int i = 0; i < 2; i++) {
    const double square = V * V - 4 * R * lack_W;
    if (square < 0) {
      return -1;
    }
    A = 2 * lack_W / (V + root(square));
    if (i == 0) {
      V = open_circuit(b, soc - 0.5 * A * dt_s / b->capacity_As);
    }
  }
  if (A > b->discharge_max_A || V - A * R < b->discharge_min_V || A * dt_s > soc * b->capacity_As) {
    return -1;
  }
  *out_ocv_V = V;
  return A;
}

/* [W] what is really drawn from the arrays: all, or less by what is not needed. */
static void settle_arrays(const hil_power_system_t *s, const hil_step_t *now, double unused_W, double *heat_W,
                          double dt_s, hil_power_account_t *account, double *out_drawn_W) {
  const double used = now->available_W > 0 ? 1 - unused_W / now->available_W : 0;
  double drawn = 0, loss = 0;
  for (uint32_t i = 0; i < s->arrays; i++) {
    const double W = unused_W > 0 ? now->array_W[i] * used : now->array_W[i];
    drawn += W;
    loss += W * (1 - s->array[i].transfer);
    heat_W[s->array[i].node] -= W; /* light that leaves as current does not warm the panel */
  }
  heat_W[s->converter_node] += loss;
  account->available_J += dt_s * now->terminal_W;
  account->array_J += dt_s * drawn;
  account->transfer_loss_J += dt_s * loss;
  *out_drawn_W = drawn;
}

/* The electrical balance of the step: battery, brown-out, and all heat that comes of it. */
static void settle(const hil_power_system_t *s, double T_K, double dt_s, hil_power_state_t *st,
                   hil_step_t *now, hil_power_account_t *account, double *out_drawn_W) {
  const hil_power_battery_t *b = s->battery;
  const double R = resistance(b, T_K, st->soc);
  double V = open_circuit(b, st->soc), A = 0, bus_W = now->load_W / s->converter_efficiency;
  double surplus_W = now->available_W - bus_W;
  if (surplus_W < 0) {
    A = -discharge(b, -surplus_W, T_K, R, dt_s, st->soc, &V);
    if (A > 0) { /* it cannot */
      for (uint32_t i = 0; i < s->loads; i++) {
        now->board_W[i] = 0;
        now->level[i] = 0;
        st->tripped[i] = st->throttle[i] = 0;
      }
      now->load_W = bus_W = A = 0;
      surplus_W = now->available_W;
      st->sheds += s->rungs - st->stage;
      st->stage = s->rungs;
      st->browned_out = 1;
      st->brownouts++;
      st->since_s = 0;
    }
  }
  if (surplus_W > 0) {
    A = charge(b, surplus_W, T_K, R, dt_s, st, &V);
  }
  const double terminal_V = V + A * R, charge_W = A > 0 ? A * terminal_V : 0;
  const double unused_W = surplus_W > 0 ? surplus_W - charge_W : 0;
  /* Rounding must not count as power that is left over. */
  settle_arrays(s, now, unused_W > 1e-12 * now->available_W ? unused_W : 0, now->heat_W, dt_s, account,
                out_drawn_W);
  const double kept = A > 0 ? b->charge_efficiency : 1;
  const double battery_loss_W = A * A * R + (A > 0 ? (1 - kept) * V * A : 0);
  const double soc = st->soc + kept * A * dt_s / b->capacity_As;
  st->soc = soc < 0 ? 0 : soc > 1 ? 1 : soc;
  st->bus_V = terminal_V;
  st->battery_A = A;
  st->bus_W = bus_W;
  now->heat_W[b->node] += battery_loss_W;
  now->heat_W[s->converter_node] += bus_W - now->load_W;
  account->battery_loss_J += dt_s * battery_loss_W;
  account->converter_loss_J += dt_s * (bus_W - now->load_W);
  account->load_J += dt_s * now->load_W;
  for (uint32_t i = 0; i < s->loads; i++) {
    const double warm = now->board_W[i] * s->load[i].node_share;
    now->heat_W[s->load[i].node] += warm;
    now->heat_W[s->load[i].rest_node] += now->board_W[i] - warm;
  }
}

static void note(const hil_power_system_t *s, const hil_power_trace_t *t, uint64_t row,
                 const hil_power_state_t *st, const hil_step_t *now, const double *T_K, double drawn_W) {
  const struct {
    double *column;
    double value;
  } single[] = {{t->soc, st->soc},
                {t->bus_V, st->bus_V},
                {t->battery_A, st->battery_A},
                {t->array_W, drawn_W},
                {t->available_W, now->terminal_W},
                {t->load_W, now->load_W}};
  for (size_t i = 0; i < sizeof single / sizeof single[0]; i++) {
    if (single[i].column) {
      single[i].column[row] = single[i].value;
    }
  }
  if (t->stage) {
    t->stage[row] = (uint8_t)(st->browned_out ? 255 : st->stage > 254 ? 254 : st->stage);
  }
  for (uint32_t i = 0; i < s->loads; i++) {
    if (t->board_W) {
      t->board_W[row * s->loads + i] = now->board_W[i];
    }
    if (t->level) {
      t->level[row * s->loads + i] = (uint8_t)now->level[i];
    }
    if (t->throttle) {
      t->throttle[row * s->loads + i] = (uint8_t)st->throttle[i];
    }
  }
  if (t->T_K) {
    memcpy(t->T_K + row * s->net->nodes, T_K, s->net->nodes * sizeof *T_K);
  }
}

static bool inputs_are_good(const hil_power_system_t *s, const double *array_W, const double *activity) {
  bool bad = false;
  for (uint32_t i = 0; array_W && i < s->arrays; i++) {
    bad |= !(array_W[i] >= 0 && array_W[i] <= LARGEST);
  }
  for (uint32_t i = 0; activity && i < s->loads; i++) {
    bad |= !(activity[i] >= 0 && activity[i] <= 1);
  }
  return !bad;
}

static bool state_is_good(const hil_power_system_t *s, const hil_power_state_t *st) {
  if (!in(st->soc, 0, 1) || st->stage > s->rungs || st->browned_out > 1 || !is_finite(st->bus_V)) {
    return false;
  }
  for (uint32_t i = 0; i < s->loads; i++) {
    if (st->throttle[i] > s->load[i].throttle_steps || st->tripped[i] > 1) {
      return false;
    }
  }
  return true;
}

static bool block_is_good(const hil_power_system_t *s, const hil_power_block_t *b) {
  if (!b || (s->loads && !b->level)) {
    return false;
  }
  for (uint32_t i = 0; i < s->loads; i++) {
    if (b->level[i] >= s->load[i].levels) {
      return false;
    }
  }
  return true;
}

int power_run(const hil_power_system_t *s, const hil_power_block_t *b, hil_power_state_t *st, double *T_K,
              const hil_power_trace_t *trace, hil_power_account_t *account, hil_thermal_fault_t *out_fault) {
  hil_thermal_plan_t plan;
  hil_step_t now;
  if (!out_fault || !st || !T_K || !account || (trace && trace->every < 1) || !system_is_good(s) ||
      !state_is_good(s, st) || !block_is_good(s, b) || thermal_plan(s->net, b->dt_s, &plan) != HIL_OK) {
    return HIL_ERR_ARG;
  }
  const uint32_t nodes = s->net->nodes;
  uint64_t row = 0, until_row = trace ? trace->every : 0;
  out_fault->step = 0;
  out_fault->node = nodes;
  out_fault->dt_s = 0;
  const double before_J = power_battery_energy(s->battery, st->soc);
  set_caps(s, st->stage, &now);
  for (uint64_t step = 0; step < b->steps; step++) {
    const double *array_W = b->array_W ? b->array_W + step * s->arrays : NULL;
    const double *activity = b->activity ? b->activity + step * s->loads : NULL;
    double drawn_W;
    out_fault->step = step;
    if (!inputs_are_good(s, array_W, activity)) {
      return HIL_ERR_ARG;
    }
    if (b->heat_W) {
      memcpy(now.heat_W, b->heat_W + step * nodes, nodes * sizeof *now.heat_W);
    } else {
      memset(now.heat_W, 0, nodes * sizeof *now.heat_W);
    }
    st->since_s += b->dt_s;
    shine(s, array_W, T_K, st->bus_V, &now);
    if (shed(s, T_K[s->battery->node], st, &now)) {
      set_caps(s, st->stage, &now);
    }
    demand(s, b, activity, T_K, st, &now);
    const uint32_t stage = st->stage;
    settle(s, T_K[s->battery->node], b->dt_s, st, &now, account, &drawn_W);
    if (st->stage != stage) {
      set_caps(s, st->stage, &now);
    }
    const int status = thermal_step(s->net, &plan, T_K, now.heat_W, &account->heat, out_fault);
    if (status != HIL_OK) {
      return status;
    }
    if (trace && --until_row == 0) {
      note(s, trace, row++, st, &now, T_K, drawn_W);
      until_row = trace->every;
    }
  }
  account->stored_J += power_battery_energy(s->battery, st->soc) - before_J;
  out_fault->step = 0;
  return HIL_OK;
}
