/* Clusters of values that agree. SPDX-License-Identifier: Apache-2.0
 *
 * Agreement is not transitive: with a tolerance of 1, 0 agrees with 0.9 and 0.9 with 1.8, but 0 does not with 1.8.
 * The clustering rule is therefore part of the result:
 *
 *   A cluster is a set of values of which each agrees with each (complete linkage), as large as possible. Of several
 *   largest ones, the one with the least spread wins; of those, the one with the lower values. The rest is clustered
 *   again in the same way. The order of the nodes has no influence.
 *
 * The literature calls the majority of such clusters the formalised majority voter (Lorczak, Caglayan and Eckhardt,
 * FTCS-19, 1989); which clusters are meant differs between its implementations. */
#ifndef HIL_VALUE_CLUSTER_H
#define HIL_VALUE_CLUSTER_H

#include <stdbool.h>
#include <stdint.h>

#include "value_rule.h"
#include "vote.h"

/* The winner of the largest clusters of the values of the nodes in |mask|, as a mask; 0 without values. |ties| is how
 * many are as large. |part|: the bytes of the field of each node. */
uint32_t value_largest_cluster(const hil_value_rule_t *rule, const uint8_t *const *part, uint32_t mask,
                               int *ties);

/* cffi:begin */
/* All clusters of the values of the nodes in |mask|, as masks: the winning one, then those of the nodes that are
 * left. Writes at most VOTE_MAX_NODES and returns how many. */
int value_clusters(const hil_value_rule_t *rule, const uint8_t *const *part, uint32_t mask,
                   uint8_t *clusters);
/* cffi:end */

#endif
