/* What the voter needs of <string.h> where there is no C library. SPDX-License-Identifier: Apache-2.0
 *
 * The compiler makes memcpy of a constant size a load or a store, and brings its own function otherwise. */
#ifndef HIL_WASM_STRING_H
#define HIL_WASM_STRING_H

#include <stddef.h>

void *memcpy(void *to, const void *from, size_t len);
void *memset(void *to, int value, size_t len);

#endif
