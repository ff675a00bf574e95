/* Checkpoints: taken, hit, restored. SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>

#include "checkpoint.h"
#include "digest.h"
#include "unit.h"

enum { COUNT = 5, TOTAL = 2 * COUNT, CAPACITY = 8 * COUNT, LEN = 35 /* the last word is partial */ };

static uint64_t words[TOTAL];
static uint8_t checks[TOTAL];
static hil_checkpoint_t checkpoint;
static uint8_t region[CAPACITY + 1], out[CAPACITY + 1];

static hil_checkpoint_copy_t *newest(void) { return checkpoint_newest(&checkpoint); }

static void begin(void) {
  CHECK_EQ(checkpoint_init(&checkpoint, words, checks, TOTAL), HIL_OK);
  for (size_t i = 0; i < sizeof region; i++) {
    region[i] = (uint8_t)(i * 29 + 3);
  }
  memset(out, UNIT_GUARD, sizeof out);
}

static void every_length_comes_back_as_it_was_taken(void) {
  for (size_t len = 0; len <= CAPACITY; len++) {
    begin();
    CHECK_EQ(checkpoint_take(&checkpoint, region, len, 1000 + len), HIL_OK);
    CHECK_EQ(newest()->frame, 1000 + len);
    CHECK_EQ(newest()->digest, hil_digest64(region, len, 0));
    CHECK_EQ(checkpoint_restore(checkpoint_newest(&checkpoint), out, len), HIL_OK);
    CHECK(memcmp(out, region, len) == 0);
    CHECK_EQ(out[len], UNIT_GUARD);
  }
}

static void there_is_none_before_the_first_is_taken(void) {
  begin();
  CHECK_EQ(checkpoint_restore(checkpoint_newest(&checkpoint), out, LEN), HIL_ERR_STATE);
  CHECK_EQ(checkpoint_restore(checkpoint_newest(&checkpoint), out, 0), HIL_ERR_STATE);
  CHECK_EQ(out[0], UNIT_GUARD);
}

static void init_forwards_what_the_store_refuses(void) {
  CHECK_EQ(checkpoint_init(&checkpoint, NULL, checks, TOTAL), HIL_ERR_ARG);
  CHECK_EQ(checkpoint_init(&checkpoint, words, NULL, TOTAL), HIL_ERR_ARG);
  CHECK_EQ(checkpoint_restore(checkpoint_newest(&checkpoint), out, 0), HIL_ERR_STATE);
}

static void another_length_than_the_saved_one_is_refused(void) {
  begin();
  CHECK_EQ(checkpoint_take(&checkpoint, region, LEN, 1), HIL_OK);
  CHECK_EQ(checkpoint_restore(checkpoint_newest(&checkpoint), out, LEN - 1), HIL_ERR_ARG);
  CHECK_EQ(checkpoint_restore(checkpoint_newest(&checkpoint), out, LEN + 1), HIL_ERR_ARG);
  CHECK_EQ(out[0], UNIT_GUARD);
}

static void a_region_that_does_not_fit_leaves_the_older_checkpoint_valid(void) {
  begin();
  CHECK_EQ(checkpoint_take(&checkpoint, region, CAPACITY + 1, 1), HIL_ERR_EXHAUSTED);
  CHECK_EQ(checkpoint_restore(checkpoint_newest(&checkpoint), out, CAPACITY + 1), HIL_ERR_STATE);
  CHECK_EQ(checkpoint_take(&checkpoint, region, LEN, 7), HIL_OK);
  CHECK_EQ(checkpoint_take(&checkpoint, out, CAPACITY + 1, 8), HIL_ERR_EXHAUSTED);
  CHECK_EQ(newest()->frame, 7);
  CHECK_EQ(checkpoint_restore(checkpoint_newest(&checkpoint), out, LEN), HIL_OK);
  CHECK(memcmp(out, region, LEN) == 0);
}

static void a_later_checkpoint_replaces_an_earlier_longer_one(void) {
  begin();
  CHECK_EQ(checkpoint_take(&checkpoint, region, CAPACITY, 1), HIL_OK);
  region[0] ^= 1;
  CHECK_EQ(checkpoint_take(&checkpoint, region, 3, 2), HIL_OK);
  CHECK_EQ(checkpoint_restore(checkpoint_newest(&checkpoint), out, CAPACITY), HIL_ERR_ARG);
  CHECK_EQ(checkpoint_restore(checkpoint_newest(&checkpoint), out, 3), HIL_OK);
  CHECK(memcmp(out, region, 3) == 0);
}

static void flip(int word, int bit) {
  if (bit < 64) {
    newest()->memory.words[word] ^= (uint64_t)1 << bit;
  } else {
    newest()->memory.checks[word] = (uint8_t)(newest()->memory.checks[word] ^ 1u << (bit - 64));
  }
}

static void any_single_upset_of_the_store_is_healed(void) {
  for (int word = 0; word < COUNT; word++) {
    for (int bit = 0; bit < 72; bit++) {
      begin();
      CHECK_EQ(checkpoint_take(&checkpoint, region, LEN, 1), HIL_OK);
      flip(word, bit);
      CHECK_EQ(checkpoint_restore(checkpoint_newest(&checkpoint), out, LEN), HIL_OK);
      CHECK(memcmp(out, region, LEN) == 0);
      CHECK_EQ(newest()->memory.corrected, 1);
    }
  }
}

static void any_double_upset_of_a_data_word_is_reported_and_nothing_is_written(void) {
  for (int first = 0; first < 64; first++) {
    for (int second = first + 1; second < 64; second++) {
      begin();
      CHECK_EQ(checkpoint_take(&checkpoint, region, LEN, 1), HIL_OK);
      flip(1, first);
      flip(1, second);
      CHECK_EQ(checkpoint_restore(newest(), out, LEN), HIL_ERR_DAMAGED);
      for (size_t i = 0; i < LEN; i++) CHECK_EQ(out[i], UNIT_GUARD);
    }
  }
}

static void a_damaged_newest_copy_leaves_the_older_one_to_go_back_to(void) {
  begin();
  CHECK_EQ(checkpoint_take(&checkpoint, region, LEN, 7), HIL_OK);
  const uint64_t digest = newest()->digest;
  region[3] ^= 1;
  CHECK_EQ(checkpoint_take(&checkpoint, region, LEN, 9), HIL_OK);
  flip(0, 1);
  flip(0, 2);
  CHECK_EQ(checkpoint_restore(newest(), out, LEN), HIL_ERR_DAMAGED);
  CHECK(checkpoint_find(&checkpoint, 7, digest ^ 1) == NULL);
  CHECK(checkpoint_find(&checkpoint, 8, digest) == NULL);
  CHECK_EQ(checkpoint_restore(checkpoint_find(&checkpoint, 7, digest), out, LEN), HIL_OK);
  region[3] ^= 1;
  CHECK(memcmp(out, region, LEN) == 0);
}

static void the_third_checkpoint_replaces_the_first(void) {
  begin();
  for (uint64_t frame = 1; frame <= 3; frame++) {
    region[0] = (uint8_t)frame;
    CHECK_EQ(checkpoint_take(&checkpoint, region, LEN, frame), HIL_OK);
    CHECK_EQ(newest()->frame, frame);
  }
  for (uint64_t frame = 1; frame <= 3; frame++) {
    region[0] = (uint8_t)frame;
    const uint64_t digest = hil_digest64(region, LEN, 0);
    CHECK_EQ(checkpoint_find(&checkpoint, frame, digest) != NULL, frame > 1);
  }
}

static void a_checkpoint_of_the_same_frame_leaves_the_older_generation(void) {
  begin();
  CHECK_EQ(checkpoint_take(&checkpoint, region, LEN, 1), HIL_OK);
  const uint64_t digest = newest()->digest;
  CHECK_EQ(checkpoint_take(&checkpoint, region, LEN, 2), HIL_OK);
  CHECK_EQ(checkpoint_take(&checkpoint, region, LEN, 2), HIL_OK);
  CHECK(checkpoint_find(&checkpoint, 1, digest) != NULL);
}

static void forgotten_checkpoints_are_not_restored(void) {
  begin();
  CHECK_EQ(checkpoint_take(&checkpoint, region, LEN, 1), HIL_OK);
  hil_checkpoint_copy_t *const copy = newest();
  checkpoint_forget(&checkpoint);
  CHECK(newest() == NULL);
  CHECK_EQ(checkpoint_restore(copy, out, LEN), HIL_ERR_STATE);
}

static void both_copies_are_scrubbed_and_counted(void) {
  begin();
  CHECK_EQ(checkpoint_take(&checkpoint, region, LEN, 1), HIL_OK);
  flip(3, 5);
  CHECK_EQ(checkpoint_take(&checkpoint, region, LEN, 2), HIL_OK);
  flip(2, 6);
  checkpoint_scrub(&checkpoint, 0, COUNT);
  CHECK_EQ(checkpoint_corrected(&checkpoint), 2);
  CHECK_EQ(checkpoint_uncorrectable(&checkpoint), 0);
}

static void the_digest_catches_every_triple_upset_that_secded_miscorrects(void) {
  int miscorrected = 0;
  for (int second = 1; second < 63; second++) {
    for (int third = second + 1; third < 64; third++) {
      begin();
      CHECK_EQ(checkpoint_take(&checkpoint, region, LEN, 1), HIL_OK);
      flip(2, 0);
      flip(2, second);
      flip(2, third);
      CHECK_EQ(checkpoint_restore(checkpoint_newest(&checkpoint), out, LEN), HIL_ERR_DAMAGED);
      miscorrected += newest()->memory.corrected == 1;
    }
  }
  CHECK(miscorrected > 0);
}

/* Two wrong check bits, or two wrong bits in the padding, do not touch the saved bytes. */
static void uncorrectable_words_whose_data_are_intact_are_acquitted(void) {
  begin();
  CHECK_EQ(checkpoint_take(&checkpoint, region, LEN, 1), HIL_OK);
  flip(0, 64);
  flip(0, 65);
  flip(COUNT - 1, 62);
  flip(COUNT - 1, 63);
  CHECK_EQ(checkpoint_restore(checkpoint_newest(&checkpoint), out, LEN), HIL_OK);
  CHECK(memcmp(out, region, LEN) == 0);
  CHECK_EQ(newest()->memory.uncorrectable, 2);
}

static void scrubbing_heals_what_would_else_add_up(void) {
  for (int scrub = 0; scrub < 2; scrub++) {
    begin();
    CHECK_EQ(checkpoint_take(&checkpoint, region, LEN, 1), HIL_OK);
    flip(3, 5);
    if (scrub) {
      CHECK_EQ(secded_scrub(&newest()->memory, COUNT), 1);
    }
    flip(3, 40);
    CHECK_EQ(checkpoint_restore(checkpoint_newest(&checkpoint), out, LEN), scrub ? HIL_OK : HIL_ERR_DAMAGED);
  }
}

static void an_upset_of_the_saved_digest_is_reported(void) {
  begin();
  CHECK_EQ(checkpoint_take(&checkpoint, region, LEN, 1), HIL_OK);
  newest()->digest ^= 1;
  CHECK_EQ(checkpoint_restore(checkpoint_newest(&checkpoint), out, LEN), HIL_ERR_DAMAGED);
}

static void an_upset_of_the_store_size_copies_nothing(void) {
  begin();
  CHECK_EQ(checkpoint_take(&checkpoint, region, LEN, 1), HIL_OK);
  newest()->memory.count = 1;
  CHECK_EQ(checkpoint_restore(checkpoint_newest(&checkpoint), out, LEN), HIL_ERR_EXHAUSTED);
  CHECK_EQ(out[0], UNIT_GUARD);
}

int main(void) {
  RUN(every_length_comes_back_as_it_was_taken);
  RUN(there_is_none_before_the_first_is_taken);
  RUN(init_forwards_what_the_store_refuses);
  RUN(another_length_than_the_saved_one_is_refused);
  RUN(a_region_that_does_not_fit_leaves_the_older_checkpoint_valid);
  RUN(a_later_checkpoint_replaces_an_earlier_longer_one);
  RUN(any_single_upset_of_the_store_is_healed);
  RUN(any_double_upset_of_a_data_word_is_reported_and_nothing_is_written);
  RUN(a_damaged_newest_copy_leaves_the_older_one_to_go_back_to);
  RUN(the_third_checkpoint_replaces_the_first);
  RUN(a_checkpoint_of_the_same_frame_leaves_the_older_generation);
  RUN(forgotten_checkpoints_are_not_restored);
  RUN(both_copies_are_scrubbed_and_counted);
  RUN(the_digest_catches_every_triple_upset_that_secded_miscorrects);
  RUN(uncorrectable_words_whose_data_are_intact_are_acquitted);
  RUN(scrubbing_heals_what_would_else_add_up);
  RUN(an_upset_of_the_saved_digest_is_reported);
  RUN(an_upset_of_the_store_size_copies_nothing);
  return UNIT_RESULT();
}
