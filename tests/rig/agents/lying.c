/* A test build of the agent: it changes its output after it has digested it.
 *
 * From frame 100 on: a host that calibrates would not take it otherwise. Linked with --wrap=hil_reply_pack, so that the agent's own sources are the product's, as they are. */
#include "message.h"

int __real_hil_reply_pack(const hil_reply_t *m, uint8_t *out, size_t cap, size_t *out_len);
int __wrap_hil_reply_pack(const hil_reply_t *m, uint8_t *out, size_t cap, size_t *out_len);

int __wrap_hil_reply_pack(const hil_reply_t *m, uint8_t *out, size_t cap, size_t *out_len) {
  hil_reply_t lie = *m;
  if (m->len && m->frame >= 100 && m->frame % 10 == 7) lie.output[m->frame / 10 % m->len] ^= 1u << (m->frame / 10 % 8);
  return __real_hil_reply_pack(&lie, out, cap, out_len);
}
