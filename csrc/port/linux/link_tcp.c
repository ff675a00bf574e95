/* The agent's TCP port: who may become the host. SPDX-License-Identifier: Apache-2.0
 *
 * A connection is a candidate until it has proved that it knows the token. Lines of text, each complete:
 *
 *   agent   hil-agent 1 NONCE        16 random bytes in hexadecimal digits; or: hil-agent 1 busy
 *   host    NONCE PROOF              its own 16 bytes, and HMAC-SHA-256(token, "hil host" | both nonces)
 *   agent   ok PROOF                 HMAC-SHA-256(token, "hil agent" | both nonces); or: refused
 *
 * The words in quotation marks are filled up to ROLE_LEN with zeros; the agent's nonce comes first.
 *
 * What follows are frames, as on any other line. The token itself never travels, and no answer can be used
 * twice. Nothing is encrypted, and nothing after the handshake is authenticated: who can change packets on the
 * way can take the connection over after it. That is what ssh and VPNs are for.
 *
 * Invariants:
 *   1. No byte of a candidate reaches the agent: not more than its line is read before the proof is right.
 *   2. There is one client at a time; any other connection is answered "busy" and closed.
 *   3. Nothing waits for a peer: all sockets are non-blocking, a candidate has HANDSHAKE_US, there are
 *      TCP_CANDIDATES of them at most (a new one takes the place of the oldest), and a client whose computer
 *      is gone is noticed within about DEAD_S.
 *   4. Nothing is allocated. */
#include "link_tcp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hmac_sha256.h"

#define SPEC_PREFIX "tcp:"

enum {
  HANDSHAKE_US = 5000000,
  PAUSE_US = 1000000, /* after an accept that failed for lack of something */
  BACKLOG = 64, /* one connection is accepted at a time; a full queue would delay a host by seconds */
  KEEPALIVE_IDLE_S = 4,
  KEEPALIVE_EVERY_S = 2,
  KEEPALIVE_COUNT = 3,
  DEAD_S = KEEPALIVE_IDLE_S + KEEPALIVE_EVERY_S * KEEPALIVE_COUNT,
  ROLE_LEN = 10
};

typedef enum { ROLE_HOST, ROLE_AGENT } hil_role_t;

typedef union {
  struct sockaddr any;
  struct sockaddr_in v4;
  struct sockaddr_in6 v6;
} hil_address_t;

/* --- the token ------------------------------------------------------------------------------------------ */

const char *tcp_read_token(hil_tcp_t *t, const char *path) {
  uint8_t bytes[TCP_TOKEN_MAX + 2];
  struct stat info;
  const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return strerror(errno);
  const bool known = fstat(fd, &info) == 0;
  const ssize_t got = known && S_ISREG(info.st_mode) ? read(fd, bytes, sizeof bytes) : -1;
  (void)close(fd);
  if (got < 0) return "it is not a readable file";
  if (info.st_mode & (S_IROTH | S_IWOTH)) return "everybody may read or write it; try: chmod 600";
  size_t len = (size_t)got;
  while (len && strchr(" \t\r\n", bytes[len - 1])) len--;
  if (len < TCP_TOKEN_MIN || len > TCP_TOKEN_MAX) return "expected a token of 16 to 256 bytes";
  memcpy(t->token, bytes, len);
  t->token_len = len;
  return NULL;
}

/* --- listening ------------------------------------------------------------------------------------------ */

bool tcp_is_spec(const char *spec) { return strncmp(spec, SPEC_PREFIX, strlen(SPEC_PREFIX)) == 0; }

/* Read ADDRESS, [ADDRESS] or nothing, |len| bytes, and a port. Returns the length of |out|, 0 if invalid. */
static socklen_t parse_address(const char *text, size_t len, unsigned short port, hil_address_t *out) {
  char host[INET6_ADDRSTRLEN] = "127.0.0.1";
  memset(out, 0, sizeof *out);
  if (len >= 2 && text[0] == '[' && text[len - 1] == ']') {
    text++;
    len -= 2;
  }
  if (len >= sizeof host) return 0;
  if (len) {
    memcpy(host, text, len);
    host[len] = 0;
  }
  if (inet_pton(AF_INET, host, &out->v4.sin_addr) == 1) {
    out->v4.sin_family = AF_INET;
    out->v4.sin_port = htons(port);
    return sizeof out->v4;
  }
  memset(out, 0, sizeof *out);
  if (inet_pton(AF_INET6, host, &out->v6.sin6_addr) != 1) return 0;
  out->v6.sin6_family = AF_INET6;
  out->v6.sin6_port = htons(port);
  return sizeof out->v6;
}

static socklen_t parse_spec(const char *spec, hil_address_t *out) {
  const char *host = spec + strlen(SPEC_PREFIX), *colon = strrchr(host, ':');
  const char *number = colon ? colon + 1 : host;
  char *end;
  const long port = strtol(number, &end, 10);
  if (*number < '0' || *number > '9' || *end || port > 65535) return 0;
  return parse_address(host, colon ? (size_t)(colon - host) : 0, (unsigned short)port, out);
}

static void name_address(int fd, char *out, size_t cap) {
  hil_address_t own;
  socklen_t len = sizeof own;
  char host[INET6_ADDRSTRLEN] = "?";
  memset(&own, 0, sizeof own);
  (void)getsockname(fd, &own.any, &len);
  const bool is_v6 = own.any.sa_family == AF_INET6;
  (void)inet_ntop(own.any.sa_family, is_v6 ? (const void *)&own.v6.sin6_addr : (const void *)&own.v4.sin_addr,
                  host, sizeof host);
  (void)snprintf(out, cap, is_v6 ? "tcp://[%s]:%u" : "tcp://%s:%u", host,
                 (unsigned)ntohs(is_v6 ? own.v6.sin6_port : own.v4.sin_port));
}

static void forget_candidates(hil_tcp_t *t) {
  for (unsigned i = 0; i < TCP_CANDIDATES; i++) t->candidate[i].fd = -1;
}

int tcp_listen(hil_tcp_t *t, const char *spec) {
  static const int on = 1;
  hil_address_t own;
  const socklen_t len = parse_spec(spec, &own);
  if (!len) {
    errno = EINVAL;
    return -1;
  }
  const int fd = socket(own.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on); /* not to wait for connections of before */
  if (bind(fd, &own.any, len) != 0 || listen(fd, BACKLOG) != 0) {
    const int saved = errno;
    (void)close(fd);
    errno = saved;
    return -1;
  }
  tcp_inherit(t, fd);
  name_address(fd, t->name, sizeof t->name);
  return 0;
}

void tcp_inherit(hil_tcp_t *t, int listen_fd) {
  (void)fcntl(listen_fd, F_SETFD, FD_CLOEXEC);
  t->is_on = true;
  t->listen_fd = listen_fd;
  forget_candidates(t);
}

/* --- candidates ----------------------------------------------------------------------------------------- */

static void to_hex(char *out, const uint8_t *bytes, size_t len) {
  static const char digits[] = "0123456789abcdef";
  for (size_t i = 0; i < len; i++) {
    out[2 * i] = digits[bytes[i] >> 4];
    out[2 * i + 1] = digits[bytes[i] & 15];
  }
}

static bool from_hex(uint8_t *out, const char *text, size_t len) {
  for (size_t i = 0; i < 2 * len; i++) {
    const char c = text[i];
    if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return false;
    const uint8_t digit = (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    out[i / 2] = (uint8_t)(i % 2 ? out[i / 2] | digit : digit << 4);
  }
  return true;
}

/* A line to a peer whose buffer is empty: it fits, or the peer is gone. */
static bool say(int fd, const char *line, size_t len) {
  return send(fd, line, len, MSG_NOSIGNAL) == (ssize_t)len;
}

static void dismiss(hil_tcp_candidate_t *c, const char *line) {
  if (line) (void)say(c->fd, line, strlen(line));
  (void)close(c->fd);
  c->fd = -1;
}

/* HMAC over the role and both nonces. */
static void prove(const hil_tcp_t *t, hil_role_t role, const hil_tcp_candidate_t *c,
                  const uint8_t host_nonce[TCP_NONCE_LEN], uint8_t out[HMAC_SHA256_LEN]) {
  static const char roles[][ROLE_LEN] = {"hil host", "hil agent"};
  uint8_t message[ROLE_LEN + 2 * TCP_NONCE_LEN];
  memcpy(message, roles[role], ROLE_LEN);
  memcpy(message + ROLE_LEN, c->nonce, TCP_NONCE_LEN);
  memcpy(message + ROLE_LEN + TCP_NONCE_LEN, host_nonce, TCP_NONCE_LEN);
  hmac_sha256(t->token, t->token_len, message, sizeof message, out);
}

/* Whether the candidate's complete line proves the token; answers it. */
static bool is_host(const hil_tcp_t *t, const hil_tcp_candidate_t *c) {
  uint8_t nonce[TCP_NONCE_LEN], proof[HMAC_SHA256_LEN], right[HMAC_SHA256_LEN];
  char answer[3 + 2 * HMAC_SHA256_LEN + 1] = "ok ";
  const char *line = c->line;
  if (line[2 * TCP_NONCE_LEN] != ' ' || line[TCP_LINE_LEN - 1] != '\n') return false;
  if (!from_hex(nonce, line, sizeof nonce) || !from_hex(proof, line + 2 * TCP_NONCE_LEN + 1, sizeof proof))
    return false;
  prove(t, ROLE_HOST, c, nonce, right);
  if (!hmac_sha256_equal(proof, right)) return false;
  prove(t, ROLE_AGENT, c, nonce, right);
  to_hex(answer + 3, right, sizeof right);
  answer[sizeof answer - 1] = '\n';
  return say(c->fd, answer, sizeof answer);
}

static void set_up(int fd) {
  static const int on = 1, idle_s = KEEPALIVE_IDLE_S, every_s = KEEPALIVE_EVERY_S, count = KEEPALIVE_COUNT;
  static const unsigned dead_ms = 1000u * DEAD_S;
  /* Best effort: a system without one of these still works, and notices a dead client later. */
  (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
  (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every_s, sizeof every_s);
  (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
  (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &dead_ms, sizeof dead_ms);
}

/* A free place, or that of the candidate that has been there longest. */
static hil_tcp_candidate_t *place_for_one(hil_tcp_t *t) {
  hil_tcp_candidate_t *oldest = t->candidate;
  for (unsigned i = 0; i < TCP_CANDIDATES; i++) {
    hil_tcp_candidate_t *c = &t->candidate[i];
    if (c->fd < 0) return c;
    if (c->until_us < oldest->until_us) oldest = c;
  }
  dismiss(oldest, NULL);
  return oldest;
}

static void accept_one(hil_tcp_t *t, uint64_t now_us, bool has_client) {
  char greeting[12 + 2 * TCP_NONCE_LEN + 1] = "hil-agent 1 ";
  const int fd = accept4(t->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) {
    if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) t->pause_until_us = now_us + PAUSE_US;
    return;
  }
  if (has_client) {
    static const char busy[] = "hil-agent 1 busy\n";
    (void)say(fd, busy, sizeof busy - 1);
    (void)close(fd);
    return;
  }
  hil_tcp_candidate_t *c = place_for_one(t);
  *c = (hil_tcp_candidate_t){.fd = fd, .until_us = now_us + HANDSHAKE_US};
  set_up(fd);
  if (getrandom(c->nonce, sizeof c->nonce, 0) != (ssize_t)sizeof c->nonce) {
    dismiss(c, NULL);
    return;
  }
  to_hex(greeting + 12, c->nonce, sizeof c->nonce);
  greeting[sizeof greeting - 1] = '\n';
  if (!say(fd, greeting, sizeof greeting)) dismiss(c, NULL);
}

/* Read the candidate's line as far as it has come. Returns whether it is the host now. */
static bool advance(hil_tcp_t *t, hil_tcp_candidate_t *c) {
  const ssize_t got = read(c->fd, c->line + c->len, TCP_LINE_LEN - c->len);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  if (got <= 0) {
    dismiss(c, NULL);
    return false;
  }
  c->len += (size_t)got;
  if (c->len < TCP_LINE_LEN) return false;
  if (is_host(t, c)) return true;
  dismiss(c, "refused\n");
  return false;
}

/* --- service -------------------------------------------------------------------------------------------- */

uint32_t tcp_wait_us(const hil_tcp_t *t, uint64_t now_us) {
  uint64_t first_us = UINT64_MAX;
  if (!t->is_on) return UINT32_MAX;
  if (t->pause_until_us > now_us) first_us = t->pause_until_us;
  for (unsigned i = 0; i < TCP_CANDIDATES; i++) {
    if (t->candidate[i].fd >= 0 && t->candidate[i].until_us < first_us) first_us = t->candidate[i].until_us;
  }
  if (first_us == UINT64_MAX) return UINT32_MAX;
  return first_us > now_us ? (uint32_t)(first_us - now_us) : 0;
}

void tcp_wants(const hil_tcp_t *t, uint64_t now_us, struct pollfd out[TCP_FDS]) {
  for (unsigned i = 0; i < TCP_CANDIDATES; i++)
    out[i] = (struct pollfd){t->is_on ? t->candidate[i].fd : -1, POLLIN, 0};
  const bool listens = t->is_on && t->pause_until_us <= now_us;
  out[TCP_CANDIDATES] = (struct pollfd){listens ? t->listen_fd : -1, POLLIN, 0};
}

int tcp_serve(hil_tcp_t *t, uint64_t now_us, const struct pollfd ready[TCP_FDS], bool has_client) {
  int host = -1;
  if (!t->is_on) return -1;
  for (unsigned i = 0; i < TCP_CANDIDATES; i++) {
    hil_tcp_candidate_t *c = &t->candidate[i];
    if (c->fd < 0) continue;
    if (has_client || host >= 0) {
      dismiss(c, "busy\n");
    } else if (now_us >= c->until_us) {
      dismiss(c, "refused\n");
    } else if (ready[i].revents && advance(t, c)) {
      host = c->fd;
      c->fd = -1;
    }
  }
  if (ready[TCP_CANDIDATES].revents) accept_one(t, now_us, has_client || host >= 0);
  return host;
}
