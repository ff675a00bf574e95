/* Votes against brute force. SPDX-License-Identifier: Apache-2.0
 * Includes the .c file so that every code path runs, whatever this processor would choose. */
#include "vote.c"

#include "unit.h"

enum {
  MARGIN = 64, /* [byte] room for odd alignments */
  SPACE = 384 * 1024
};

static uint8_t space[VOTE_MAX_NODES + 1][MARGIN + SPACE + MARGIN];
static uint8_t want_out[SPACE];

static uint64_t random_state;
static uint64_t random_bits(void) { /* splitmix64: not the generator under test elsewhere */
  uint64_t z = random_state += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

/* The definition, one bit at a time. */
static void brute_force(const uint8_t *const *in, int n, size_t len, hil_vote_bits_t *w) {
  memset(w, 0, sizeof *w);
  for (int k = 0; k < VOTE_MAX_NODES; k++) {
    w->first_diff[k] = len;
  }
  for (size_t i = 0; i < len; i++) {
    unsigned voted = 0;
    int equal = 1;
    for (int k = 1; k < n; k++) {
      equal = equal && in[k][i] == in[0][i];
    }
    if (equal) { /* only to save time */
      want_out[i] = in[0][i];
      continue;
    }
    for (int bit = 0; bit < 8; bit++) {
      int ones = 0;
      for (int k = 0; k < n; k++) {
        ones += in[k][i] >> bit & 1;
      }
      voted |= (2 * ones > n ? 1u : 0u) << bit;
    }
    want_out[i] = (uint8_t)voted;
    for (int k = 0; k < n; k++) {
      for (int bit = 0; bit < 8; bit++) {
        if ((in[k][i] ^ voted) >> bit & 1) {
          w->first_diff[k] = w->diff_bits[k] ? w->first_diff[k] : i;
          w->diff_bits[k]++;
          w->dissent_mask |= 1u << k;
        }
      }
    }
  }
}

static int same_where(const hil_vote_bits_t *a, const hil_vote_bits_t *b) {
  int same = a->dissent_mask == b->dissent_mask;
  for (int k = 0; k < VOTE_MAX_NODES; k++) {
    same = same && a->first_diff[k] == b->first_diff[k] && a->diff_bits[k] == b->diff_bits[k];
  }
  return same;
}

/* Vote the buffers space[0..n-1], beside (into = n) or over input |into|, and compare. */
static void vote_and_compare(int n, size_t shift, size_t len, int into, int fast) {
  static uint8_t saved[SPACE];
  const uint8_t *in[VOTE_MAX_NODES];
  for (int k = 0; k < n; k++) {
    in[k] = space[k] + MARGIN + (into == k ? shift : shift * (size_t)k % 9);
  }
  uint8_t *out = into < n ? space[into] + MARGIN + shift : space[VOTE_MAX_NODES] + MARGIN + shift;
  hil_vote_bits_t want, got;
  brute_force(in, n, len, &want);
  memcpy(saved, out, len);
  const uint8_t before = out[-1], behind = out[len];
  out[-1] = out[len] = UNIT_GUARD;
  CHECK_EQ(vote_buffers(in, n, out, len, &got, fast), HIL_OK);
  CHECK(memcmp(out, want_out, len) == 0);
  CHECK(same_where(&got, &want));
  CHECK_EQ(out[-1], UNIT_GUARD);
  CHECK_EQ(out[len], UNIT_GUARD);
  out[-1] = before;
  out[len] = behind;
  memcpy(out, saved, len);
}

/* In every way: beside the inputs and over each of them, plain and fast. */
static void vote_every_way(int n, size_t len) {
  for (int into = 0; into <= n; into++) {
    for (int fast = 0; fast <= has_avx2(); fast++) {
      vote_and_compare(n, 0, len, into, fast);
      vote_and_compare(n, 1 + len % 7, len, into, fast);
    }
  }
}

static void fill_equal(void) {
  /* A short period keeps inputs equal under the shifts that vote_and_compare makes. */
  for (size_t i = 0; i < sizeof space[0]; i++) {
    for (int k = 0; k <= VOTE_MAX_NODES; k++) {
      space[k][i] = 0x5a;
    }
  }
}

static const size_t LENGTHS[] = {4095, 4096, 4097, 8191, 8192, 8193, 12288 + 5};
enum { LENGTHS_COUNT = sizeof LENGTHS / sizeof LENGTHS[0] };

static size_t length_at(size_t i) { return i <= 70 ? i : LENGTHS[i - 71]; }

static void every_length_votes_as_brute_force_when_all_differ_everywhere(void) {
  random_state = 1;
  for (int k = 0; k < VOTE_MAX_NODES; k++) {
    for (size_t i = 0; i < 16384; i++) {
      space[k][i] = (uint8_t)random_bits();
    }
  }
  for (int n = 1; n <= VOTE_MAX_NODES; n += 2) {
    for (size_t i = 0; i < 71 + LENGTHS_COUNT; i++) {
      vote_every_way(n, length_at(i));
    }
  }
}

static void every_length_votes_as_brute_force_when_all_agree(void) {
  fill_equal();
  for (int n = 1; n <= VOTE_MAX_NODES; n += 2) {
    for (size_t i = 0; i < 71 + LENGTHS_COUNT; i++) {
      vote_every_way(n, length_at(i));
    }
  }
}

static void one_bit_at_the_first_or_last_byte_is_found_in_every_node(void) {
  fill_equal();
  for (int n = 3; n <= VOTE_MAX_NODES; n += 2) {
    for (size_t i = 1; i < 71 + LENGTHS_COUNT; i++) {
      const size_t len = length_at(i);
      for (int node = 0; node < n; node++) {
        uint8_t *p = space[node] + MARGIN;
        p[0] ^= 0x80;
        vote_and_compare(n, 0, len, n, has_avx2());
        vote_and_compare(n, 0, len, node, has_avx2());
        p[0] ^= 0x80;
        p[len - 1] ^= 0x01;
        vote_and_compare(n, 0, len, n, has_avx2());
        vote_and_compare(n, 0, len, node, has_avx2());
        p[len - 1] ^= 0x01;
      }
    }
  }
}

static void large_buffers_find_bits_at_the_edges_of_blocks(void) {
  const size_t lens[] = {STREAM_MIN - 1, STREAM_MIN, STREAM_MIN + 3 * BLOCK + 17};
  fill_equal();
  for (size_t i = 0; i < 3; i++) {
    const size_t len = lens[i];
    const size_t spots[] = {0, 62, 63, 64, BLOCK - 1, BLOCK, BLOCK + 63, len - BLOCK, len - 1};
    vote_every_way(3, len);
    for (size_t s = 0; s < sizeof spots / sizeof spots[0]; s++) {
      uint8_t *p = space[s % 3] + MARGIN + spots[s];
      *p ^= 0x10;
      for (int fast = 0; fast <= has_avx2(); fast++) {
        vote_and_compare(3, 0, len, 3, fast);
        vote_and_compare(3, 0, len, (int)s % 3, fast);
      }
      *p ^= 0x10;
    }
  }
}

static void large_buffers_vote_as_brute_force_when_all_differ_everywhere(void) {
  random_state = 2;
  for (int k = 0; k < 3; k++) {
    for (size_t i = 0; i < sizeof space[0]; i++) {
      space[k][i] = (uint8_t)random_bits();
    }
  }
  vote_every_way(3, STREAM_MIN + BLOCK + 9);
}

static void majority_can_be_a_word_that_no_node_produced(void) {
  const uint8_t a = 0x03, b = 0x05, c = 0x06;
  uint8_t out[2] = {0, UNIT_GUARD};
  hil_vote_bits_t where;
  CHECK_EQ(vote_bitwise3(&a, &b, &c, out, 1, &where), HIL_OK);
  CHECK_EQ(out[0], 0x07);
  CHECK(out[0] != a && out[0] != b && out[0] != c);
  CHECK_EQ(where.dissent_mask, 7);
  for (int k = 0; k < 3; k++) {
    CHECK_EQ(where.diff_bits[k], 1);
    CHECK_EQ(where.first_diff[k], 0);
  }
  CHECK_EQ(out[1], UNIT_GUARD);
}

static void nodes_that_took_no_part_have_zero_bits_and_first_diff_len(void) {
  const uint8_t a[4] = {1, 2, 3, 4}, b[4] = {1, 2, 3, 4}, c[4] = {1, 2, 0, 0};
  uint8_t out[4];
  hil_vote_bits_t where;
  memset(&where, 0xff, sizeof where);
  CHECK_EQ(vote_bitwise3(a, b, c, out, 4, &where), HIL_OK);
  CHECK_EQ(where.dissent_mask, 4);
  CHECK_EQ(where.first_diff[2], 2);
  CHECK_EQ(where.diff_bits[2], 3);
  for (int k = 3; k < VOTE_MAX_NODES; k++) {
    CHECK_EQ(where.first_diff[k], 4);
    CHECK_EQ(where.diff_bits[k], 0);
  }
}

static void both_entry_points_give_the_same(void) {
  uint8_t in[3][100], out3[101], outn[101];
  const uint8_t *const inputs[3] = {in[0], in[1], in[2]};
  hil_vote_bits_t where3, wheren;
  random_state = 3;
  for (size_t i = 0; i < sizeof in; i++) {
    in[i / 100][i % 100] = (uint8_t)random_bits();
  }
  out3[100] = outn[100] = UNIT_GUARD;
  CHECK_EQ(vote_bitwise3(in[0], in[1], in[2], out3, 100, &where3), HIL_OK);
  CHECK_EQ(vote_bitwise(inputs, 3, outn, 100, &wheren), HIL_OK);
  CHECK(memcmp(out3, outn, 101) == 0);
  CHECK(same_where(&where3, &wheren));
  CHECK_EQ(outn[100], UNIT_GUARD);
}

static void bad_arguments_are_refused_and_nothing_is_written(void) {
  uint8_t a[4] = {1, 2, 3, 4}, out[4] = {9, 9, 9, 9};
  const uint8_t *const one_missing[3] = {a, NULL, a};
  const uint8_t *const full[7] = {a, a, a, a, a, a, a};
  hil_vote_bits_t where, untouched;
  memset(&where, 0x77, sizeof where);
  memset(&untouched, 0x77, sizeof untouched);
  CHECK_EQ(vote_bitwise3(NULL, a, a, out, 4, &where), HIL_ERR_ARG);
  CHECK_EQ(vote_bitwise3(a, NULL, a, out, 4, &where), HIL_ERR_ARG);
  CHECK_EQ(vote_bitwise3(a, a, NULL, out, 4, &where), HIL_ERR_ARG);
  CHECK_EQ(vote_bitwise3(a, a, a, NULL, 4, &where), HIL_ERR_ARG);
  CHECK_EQ(vote_bitwise3(a, a, a, out, 4, NULL), HIL_ERR_ARG);
  CHECK_EQ(vote_bitwise3(a, a, a, out, 0, NULL), HIL_ERR_ARG);
  CHECK_EQ(vote_bitwise(one_missing, 3, out, 4, &where), HIL_ERR_ARG);
  CHECK_EQ(vote_bitwise(NULL, 3, out, 4, &where), HIL_ERR_ARG);
  const int wrong[] = {-1, 0, 2, 4, 6, 8, 9};
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    CHECK_EQ(vote_bitwise(full, wrong[i], out, 4, &where), HIL_ERR_ARG);
  }
  CHECK(memcmp(&where, &untouched, sizeof where) == 0);
  CHECK(out[0] == 9 && out[1] == 9 && out[2] == 9 && out[3] == 9);
}

static void empty_buffers_may_be_null_and_agree(void) {
  const uint8_t *const none[5] = {NULL, NULL, NULL, NULL, NULL};
  hil_vote_bits_t where;
  memset(&where, 0x77, sizeof where);
  CHECK_EQ(vote_bitwise3(NULL, NULL, NULL, NULL, 0, &where), HIL_OK);
  CHECK_EQ(where.dissent_mask, 0);
  CHECK_EQ(where.first_diff[0], 0);
  CHECK_EQ(vote_bitwise(none, 5, NULL, 0, &where), HIL_OK);
  CHECK_EQ(where.dissent_mask, 0);
}

/* ---- Classes ---- */

/* Digests that differ in few bits, at both ends: a comparison that cuts would confuse them. */
static const uint64_t DIGESTS[VOTE_MAX_NODES] = {0,
                                                 1,
                                                 (uint64_t)1 << 63,
                                                 (uint64_t)1 << 32,
                                                 UINT64_MAX,
                                                 UINT64_MAX - 1,
                                                 UINT64_MAX >> 1,
                                                 1 + ((uint64_t)1 << 63)};

/* The definition, by counting every label. quorum 0 means exact majority. */
static hil_vote_class_t classes_by_counting(const int *label, int n, uint32_t present, int quorum) {
  hil_vote_class_t r = {-1, 0, 0, 0};
  int count[VOTE_MAX_NODES] = {0}, total = 0, largest = 0, of_largest = 0, winner = -1;
  for (int i = 0; i < n; i++) {
    if (present >> i & 1u) {
      count[label[i]]++;
      total++;
    }
  }
  for (int c = 0; c < VOTE_MAX_NODES; c++) {
    r.classes += count[c] > 0;
    largest = count[c] > largest ? count[c] : largest;
  }
  for (int c = 0; c < VOTE_MAX_NODES; c++) {
    of_largest += largest > 0 && count[c] == largest;
    if (count[c] > 0 && (quorum ? count[c] == largest && count[c] >= quorum : 2 * count[c] > total)) {
      winner = c;
    }
  }
  if (winner < 0 || (quorum && of_largest != 1)) {
    return r;
  }
  for (int i = n - 1; i >= 0; i--) {
    if (present >> i & 1u) {
      if (label[i] == winner) {
        r.winner = i;
        r.agree_mask |= 1u << i;
      } else {
        r.dissent_mask |= 1u << i;
      }
    }
  }
  return r;
}

static void compare_classes(const hil_vote_class_t *got, const hil_vote_class_t *want) {
  CHECK(got->winner == want->winner);
  CHECK_EQ(got->agree_mask, want->agree_mask);
  CHECK_EQ(got->dissent_mask, want->dissent_mask);
  CHECK_EQ(got->classes, want->classes);
}

/* The next restricted growth string, i.e. the next set partition of n nodes; 0 after the last. */
static int next_partition(int *label, int n) {
  for (int i = n - 1; i > 0; i--) {
    int highest = 0;
    for (int j = 0; j < i; j++) {
      highest = label[j] > highest ? label[j] : highest;
    }
    if (label[i] <= highest) {
      label[i]++;
      for (int j = i + 1; j < n; j++) {
        label[j] = 0;
      }
      return 1;
    }
  }
  return 0;
}

static void votes_by_class_match_counting_for_all_partitions_masks_and_quorums(void) {
  const int bell[VOTE_MAX_NODES + 1] = {1, 1, 2, 5, 15, 52, 203, 877, 4140};
  for (int n = 1; n <= VOTE_MAX_NODES; n++) {
    int label[VOTE_MAX_NODES] = {0}, partitions = 0;
    do {
      uint64_t digests[VOTE_MAX_NODES];
      for (int i = 0; i < n; i++) {
        digests[i] = DIGESTS[(label[i] + partitions) % VOTE_MAX_NODES];
      }
      for (uint32_t present = 0; present < 1u << n; present++) {
        hil_vote_class_t got, want = classes_by_counting(label, n, present, 0);
        CHECK_EQ(vote_exact(digests, n, present, &got), HIL_OK);
        compare_classes(&got, &want);
        for (int quorum = 1; quorum <= n; quorum++) {
          want = classes_by_counting(label, n, present, quorum);
          CHECK_EQ(vote_plurality(digests, n, present, quorum, &got), HIL_OK);
          compare_classes(&got, &want);
        }
      }
      partitions++;
    } while (next_partition(label, n));
    CHECK_EQ(partitions, bell[n]); /* the enumeration itself is complete */
  }
}

static void bad_class_arguments_are_refused_and_nothing_is_written(void) {
  const uint64_t digests[VOTE_MAX_NODES] = {0};
  hil_vote_class_t out, untouched;
  memset(&out, 0x77, sizeof out);
  memset(&untouched, 0x77, sizeof untouched);
  CHECK_EQ(vote_exact(digests, 0, 0, &out), HIL_ERR_ARG);
  CHECK_EQ(vote_exact(digests, -1, 0, &out), HIL_ERR_ARG);
  CHECK_EQ(vote_exact(digests, VOTE_MAX_NODES + 1, 0xff, &out), HIL_ERR_ARG);
  CHECK_EQ(vote_exact(digests, 3, 8, &out), HIL_ERR_ARG);
  CHECK_EQ(vote_exact(digests, 7, 0x80000001u, &out), HIL_ERR_ARG);
  CHECK_EQ(vote_plurality(digests, 0, 0, 1, &out), HIL_ERR_ARG);
  CHECK_EQ(vote_plurality(digests, VOTE_MAX_NODES + 1, 1, 1, &out), HIL_ERR_ARG);
  CHECK_EQ(vote_plurality(digests, 3, 8, 1, &out), HIL_ERR_ARG);
  CHECK_EQ(vote_plurality(digests, 3, 7, 0, &out), HIL_ERR_ARG);
  CHECK_EQ(vote_plurality(digests, 3, 7, -1, &out), HIL_ERR_ARG);
  CHECK_EQ(vote_plurality(digests, 3, 7, 4, &out), HIL_ERR_ARG);
  CHECK(memcmp(&out, &untouched, sizeof out) == 0);
}

int main(void) {
  RUN(every_length_votes_as_brute_force_when_all_differ_everywhere);
  RUN(every_length_votes_as_brute_force_when_all_agree);
  RUN(one_bit_at_the_first_or_last_byte_is_found_in_every_node);
  RUN(large_buffers_find_bits_at_the_edges_of_blocks);
  RUN(large_buffers_vote_as_brute_force_when_all_differ_everywhere);
  RUN(majority_can_be_a_word_that_no_node_produced);
  RUN(nodes_that_took_no_part_have_zero_bits_and_first_diff_len);
  RUN(both_entry_points_give_the_same);
  RUN(bad_arguments_are_refused_and_nothing_is_written);
  RUN(empty_buffers_may_be_null_and_agree);
  RUN(votes_by_class_match_counting_for_all_partitions_masks_and_quorums);
  RUN(bad_class_arguments_are_refused_and_nothing_is_written);
  return UNIT_RESULT();
}
