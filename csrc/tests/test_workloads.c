/* The rules of workload.h, for every registered workload. SPDX-License-Identifier: Apache-2.0
 *
 * With the argument `golden`, prints instead the digests of tests/kernel/workload_golden.json: so
 * two machines or compilers are compared without Python. */
#include "unit.h"

#include <stdlib.h>
#include <time.h>

#include "bytes.h"
#include "digest.h"
#include "philox.h"
#include "workload.h"
#include "workloads/infer_tables.h"

enum { REGIONS = 4, STATE = 0, INPUT, OUTPUT, SCRATCH, GUARD_LEN = 64 };

/* The regions of one context, each in an allocation of its own between two guards. */
typedef struct {
  const hil_workload_t *w;
  uint8_t *region[REGIONS];
  uint32_t len[REGIONS];
  hil_workload_io_t io;
} hil_rig_t;

static hil_rig_t rig_make(const hil_workload_t *w, uint64_t seed) {
  hil_rig_t rig = {.w = w, .len = {w->state_len, w->input_len, w->output_len, w->scratch_len}};
  for (int r = 0; r < REGIONS; r++) {
    const size_t size = (GUARD_LEN + rig.len[r] + 2u * GUARD_LEN - 1u) / GUARD_LEN * GUARD_LEN;
    uint8_t *all = aligned_alloc(GUARD_LEN, size);
    if (!all) {
      abort();
    }
    memset(all, UNIT_GUARD, size);
    rig.region[r] = all + GUARD_LEN;
  }
  rig.io = (hil_workload_io_t){rig.region[STATE], rig.region[INPUT], rig.region[OUTPUT], rig.region[SCRATCH]};
  w->init(rig.io.state, seed);
  return rig;
}

static int guards_hold(const hil_rig_t *rig) {
  for (int r = 0; r < REGIONS; r++) {
    const size_t size = (GUARD_LEN + rig->len[r] + 2u * GUARD_LEN - 1u) / GUARD_LEN * GUARD_LEN;
    const uint8_t *all = rig->region[r] - GUARD_LEN;
    for (size_t i = 0; i < size; i++) {
      if ((i < GUARD_LEN || i >= GUARD_LEN + rig->len[r]) && all[i] != UNIT_GUARD) {
        return 0;
      }
    }
  }
  return 1;
}

static void rig_free(hil_rig_t *rig) {
  CHECK(guards_hold(rig));
  for (int r = 0; r < REGIONS; r++) {
    free(rig->region[r] - GUARD_LEN);
  }
}

static int run_frame(hil_rig_t *rig, uint64_t seed, uint64_t frame) {
  hil_progress_t progress = {0};
  rig->w->input(rig->region[INPUT], seed, frame);
  const int status = rig->w->step(&rig->io, &progress);
  CHECK_EQ(progress.tick, rig->w->ticks);
  return status;
}

static int same(const hil_rig_t *a, const hil_rig_t *b, int region) {
  return memcmp(a->region[region], b->region[region], a->len[region]) == 0;
}

static void fill_random(hil_philox_t *random, uint8_t *p, size_t len) {
  size_t i = 0;
  for (; i + 8 <= len; i += 8) {
    store_u64le(p + i, philox_next(random));
  }
  for (; i < len; i++) {
    p[i] = (uint8_t)philox_next(random);
  }
}

/* Doubles that an upset may make: NaN, infinities, subnormals, huge, tiny, zeros. */
static void fill_doubles(hil_philox_t *random, uint8_t *p, size_t len) {
  static const uint64_t awkward[] = {0x7ff8000000000000, 0xfff0000000000000, 0x7ff0000000000001,
                                     0x0000000000000001, 0x800fffffffffffff, 0x7fefffffffffffff,
                                     0x0010000000000000, 0x8000000000000000, 0x3ff0000000000000,
                                     0xbfe0000000000000, 0x3ca0000000000000, 0x3bf0000000000000};
  for (size_t i = 0; i + 8 <= len; i += 8) {
    store_u64le(p + i, awkward[philox_below(random, sizeof awkward / sizeof awkward[0])]);
  }
}

#define EACH_WORKLOAD(w)   \
  const hil_workload_t *w; \
  for (int at_ = 0; (w = workload_at(at_)) != NULL; at_++)

static void test_registry(void) {
  int count = 0;
  EACH_WORKLOAD(w) {
    count++;
    CHECK(workload_find(w->name) == w);
    CHECK(w->input_len <= 256 && w->output_len <= 256 && w->output_len > 0);
    CHECK(w->state_len > 0 && w->ticks > 0);
#if defined(__ELF__)
    CHECK(w->text_begin && w->text_begin < w->text_end);
#endif
  }
  CHECK(count >= 10);
  CHECK(workload_at(-1) == NULL);
  CHECK(workload_at(count) == NULL);
  CHECK(workload_find("nonesuch") == NULL);
  CHECK(workload_find("") == NULL);
}

/* Two contexts whose scratch and output hold different garbage stay equal; the state moves on. */
static void test_two_runs_are_equal(void) {
  EACH_WORKLOAD(w) {
    hil_rig_t a = rig_make(w, 3), b = rig_make(w, 3);
    CHECK(same(&a, &b, STATE));
    for (uint64_t frame = 0; frame < 50; frame++) {
      const uint64_t before = hil_digest64(a.region[STATE], w->state_len, 0);
      memset(a.region[SCRATCH], 0x00, w->scratch_len);
      memset(a.region[OUTPUT], 0x00, w->output_len);
      memset(b.region[SCRATCH], 0xff, w->scratch_len);
      memset(b.region[OUTPUT], 0xff, w->output_len);
      CHECK_EQ(run_frame(&a, 3, frame), HIL_OK);
      CHECK_EQ(run_frame(&b, 3, frame), HIL_OK);
      CHECK(same(&a, &b, INPUT) && same(&a, &b, OUTPUT) && same(&a, &b, STATE));
      CHECK(hil_digest64(a.region[STATE], w->state_len, 0) != before);
    }
    rig_free(&a);
    rig_free(&b);
  }
}

static void test_seed_and_frame_matter(void) {
  EACH_WORKLOAD(w) {
    uint64_t seen[8];
    int distinct = 0;
    hil_rig_t rig = rig_make(w, 1);
    for (uint32_t i = 0; i < 8; i++) {
      w->input(rig.region[INPUT], i / 4, i % 4);
      seen[i] = hil_digest64(rig.region[INPUT], w->input_len, 0);
      int fresh = 1;
      for (uint32_t j = 0; j < i; j++) {
        fresh &= seen[i] != seen[j];
      }
      distinct += fresh;
    }
    CHECK(distinct >= 7); /* infer draws from a few hundred images */
    rig_free(&rig);
  }
}

/* Any bytes anywhere: a defined result, the exact ticks, no write outside, and in little time. */
static void test_step_is_total(void) {
  EACH_WORKLOAD(w) {
    hil_philox_t random;
    philox_init(&random, 5, 0);
    hil_rig_t a = rig_make(w, 1), b = rig_make(w, 1);
    const int trials = w->state_len > 65536 ? 100 : 400;
    clock_t in_steps = 0;
    for (int trial = 0; trial < trials; trial++) {
      for (int r = 0; r < REGIONS; r++) {
        if (trial % 3 == 1) {
          fill_doubles(&random, a.region[r], a.len[r]);
        } else if (trial % 3 == 0 || r == (trial / 3) % REGIONS) {
          fill_random(&random, a.region[r], a.len[r]);
        }
        memcpy(b.region[r], a.region[r], a.len[r]);
      }
      fill_random(&random, b.region[SCRATCH], b.len[SCRATCH]);
      hil_progress_t progress = {0};
      const clock_t begin = clock();
      CHECK_EQ(w->step(&a.io, &progress), HIL_OK);
      in_steps += clock() - begin;
      CHECK_EQ(progress.tick, w->ticks);
      CHECK_EQ(w->step(&b.io, &progress), HIL_OK);
      CHECK(same(&a, &b, OUTPUT) && same(&a, &b, STATE) && same(&a, &b, INPUT));
    }
    CHECK((double)in_steps / CLOCKS_PER_SEC / trials < 0.01); /* [s]; wide, for qemu */
    rig_free(&a);
    rig_free(&b);
  }
}

typedef struct {
  hil_rig_t *rig;
  hil_philox_t random;
  int awkward;
} hil_upset_t;

static int upset_everything(void *context, uint32_t tick) {
  hil_upset_t *upset = context;
  (void)tick;
  for (int r = 0; r < REGIONS; r++) {
    (upset->awkward ? fill_doubles : fill_random)(&upset->random, upset->rig->region[r], upset->rig->len[r]);
  }
  return 0;
}

static int doubles_are_sane(const uint8_t *p, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    const uint64_t exponent = load_u64le(p + 8u * i) << 1 >> 53;
    if (exponent > 1024 || (exponent == 0 && load_u64le(p + 8u * i) << 1)) {
      return 0; /* larger than 4, not finite, or subnormal */
    }
  }
  return 1;
}

static int is_near_unit(const uint8_t *p) {
  double q[4];
  memcpy(q, p, sizeof q);
  const double n = q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3];
  return n > 0.7 && n < 1.3;
}

/* Everything overwritten at any tick: still total, and the filters still give sane numbers. */
static void test_upset_between_ticks(void) {
  EACH_WORKLOAD(w) {
    hil_rig_t rig = rig_make(w, 1);
    hil_upset_t upset = {.rig = &rig};
    philox_init(&upset.random, 6, 0);
    const int rounds = w->state_len > 65536 ? 2 : 20;
    for (int round = 0; round < rounds; round++) {
      for (uint32_t tick = 1; tick <= w->ticks; tick++) {
        hil_progress_t progress = {.stop_tick = tick, .stop = upset_everything, .context = &upset};
        upset.awkward = round % 2;
        w->init(rig.region[STATE], 1);
        w->input(rig.region[INPUT], 1, (uint64_t)round);
        CHECK_EQ(w->step(&rig.io, &progress), HIL_OK);
        CHECK_EQ(progress.tick, w->ticks);
        const uint32_t doubles = strcmp(w->name, "attitude") == 0 ? 7 : strcmp(w->name, "mekf") == 0 ? 28 : 0;
        if (doubles && tick < w->ticks) {
          CHECK(doubles_are_sane(rig.region[STATE], doubles));
          CHECK(doubles_are_sane(rig.region[OUTPUT], w->output_len / 8));
          CHECK(is_near_unit(rig.region[OUTPUT]));
        }
      }
    }
    rig_free(&rig);
  }
}

static int abandon(void *context, uint32_t tick) {
  *(uint32_t *)context = tick;
  return 1;
}

static void test_abandoned_at_any_tick(void) {
  EACH_WORKLOAD(w) {
    hil_rig_t rig = rig_make(w, 1);
    for (uint32_t tick = 1; tick <= w->ticks; tick++) {
      uint32_t stopped_at = 0;
      hil_progress_t progress = {.stop_tick = tick, .stop = abandon, .context = &stopped_at};
      w->init(rig.region[STATE], 1);
      w->input(rig.region[INPUT], 1, 0);
      CHECK_EQ(w->step(&rig.io, &progress), HIL_ERR_STATE);
      CHECK_EQ(progress.tick, tick);
      CHECK_EQ(stopped_at, tick);
    }
    rig_free(&rig);
  }
}

static void test_attitude_repairs_damage(void) {
  const hil_workload_t *w = workload_find("attitude");
  hil_rig_t rig = rig_make(w, 1);
  for (uint64_t frame = 0; frame < 20; frame++) {
    run_frame(&rig, 1, frame);
  }
  CHECK_EQ(load_u32le(rig.region[STATE] + 60), 0);
  store_u64le(rig.region[STATE] + 8, 0x7ff8000000000000); /* NaN in the quaternion */
  run_frame(&rig, 1, 20);
  CHECK_EQ(load_u32le(rig.region[STATE] + 60), 1);
  for (int r = 0; r < 3; r++) { /* then the estimate is close to the measurement, up to sign */
    double estimate, measured;
    memcpy(&estimate, rig.region[OUTPUT] + 8, 8);
    memcpy(&measured, rig.region[INPUT] + 32, 8);
    CHECK(estimate * estimate - measured * measured < 0.01);
    CHECK(measured * measured - estimate * estimate < 0.01);
  }
  rig_free(&rig);
}

static void test_infer_accuracy_on_held_out_images(void) {
  const hil_workload_t *w = workload_find("infer");
  hil_rig_t rig = rig_make(w, 1);
  uint32_t right = 0;
  for (uint32_t i = 0; i < INFER_HELD_OUT; i++) {
    hil_progress_t progress = {0};
    memcpy(rig.region[INPUT], infer_images + 64u * i, 64);
    CHECK_EQ(w->step(&rig.io, &progress), HIL_OK);
    right += load_u32le(rig.region[OUTPUT]) == infer_labels[i];
  }
  printf("     infer: %u of %u held-out images right\n", right, (unsigned)INFER_HELD_OUT);
  CHECK(right * 100 >= INFER_HELD_OUT * 97);
  CHECK_EQ(load_u64le(rig.region[STATE]), INFER_HELD_OUT);
  rig_free(&rig);
}

static void print_golden(void) {
  const char *separator = "{\n";
  EACH_WORKLOAD(w) {
    hil_rig_t rig = rig_make(w, 1);
    for (uint64_t frame = 0; frame < 100; frame++) {
      run_frame(&rig, 1, frame);
    }
    printf("%s  \"%s\": {\"output\": \"%016" PRIx64 "\", \"state\": \"%016" PRIx64 "\"}", separator, w->name,
           hil_digest64(rig.region[OUTPUT], w->output_len, 0),
           hil_digest64(rig.region[STATE], w->state_len, 0));
    separator = ",\n";
    rig_free(&rig);
  }
  printf("\n}\n");
}

int main(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], "golden") == 0) {
    print_golden();
    return UNIT_RESULT();
  }
  RUN(test_registry);
  RUN(test_two_runs_are_equal);
  RUN(test_seed_and_frame_matter);
  RUN(test_step_is_total);
  RUN(test_upset_between_ticks);
  RUN(test_abandoned_at_any_tick);
  RUN(test_attitude_repairs_damage);
  RUN(test_infer_accuracy_on_held_out_images);
  return UNIT_RESULT();
}
