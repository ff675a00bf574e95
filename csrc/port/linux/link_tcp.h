/* A TCP port for hosts that know a token: its handshake is in link_tcp.c. SPDX-License-Identifier: Apache-2.0 */
#ifndef HIL_LINK_TCP_H
#define HIL_LINK_TCP_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
  TCP_CANDIDATES = 4, /* connections that have not proved the token yet */
  TCP_FDS = TCP_CANDIDATES + 1, /* and the one that listens */
  TCP_NONCE_LEN = 16, /* [byte] */
  TCP_LINE_LEN = 2 * 16 + 1 + 2 * 32 + 1, /* what the host sends: nonce, space, proof, line feed */
  TCP_TOKEN_MIN = 16,
  TCP_TOKEN_MAX = 256
};

typedef struct {
  int fd; /* -1: none */
  uint64_t until_us;
  uint8_t nonce[TCP_NONCE_LEN]; /* of the agent, for this one */
  char line[TCP_LINE_LEN];
  size_t len;
} hil_tcp_candidate_t;

typedef struct {
  bool is_on; /* the link is a TCP port */
  int listen_fd;
  uint64_t pause_until_us; /* nothing is accepted until then */
  hil_tcp_candidate_t candidate[TCP_CANDIDATES];
  uint8_t token[TCP_TOKEN_MAX];
  size_t token_len; /* 0: none was read */
  char name[80]; /* as a URL */
} hil_tcp_t;

/* Whether |spec| is "tcp:PORT" or "tcp:ADDRESS:PORT". */
bool tcp_is_spec(const char *spec);
/* Read the token from a file. Returns null, or why it cannot be used. */
const char *tcp_read_token(hil_tcp_t *t, const char *path);
/* Listen at |spec|: on this computer alone unless it names an address. Returns 0, or -1 with errno. */
int tcp_listen(hil_tcp_t *t, const char *spec);
/* Listen on, with a descriptor that a previous life of this process left open. */
void tcp_inherit(hil_tcp_t *t, int listen_fd);
/* How long tcp_serve need not be called if nothing is ready; UINT32_MAX: no limit. */
uint32_t tcp_wait_us(const hil_tcp_t *t, uint64_t now_us);
/* What to wait for. */
void tcp_wants(const hil_tcp_t *t, uint64_t now_us, struct pollfd out[TCP_FDS]);
/* Accept and hear candidates. |ready|: what tcp_wants gave, after the wait. Returns the socket of one that has
 * proved the token, which is the caller's from now on; -1: none has. */
int tcp_serve(hil_tcp_t *t, uint64_t now_us, const struct pollfd ready[TCP_FDS], bool has_client);

#endif
