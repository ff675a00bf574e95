/* The agent's serial port, pty, standard streams, or the socket of a client. SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "port_linux.h"

static int nonblocking(int fd) {
  const int flags = fcntl(fd, F_GETFL);
  return flags < 0 ? -1 : fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

static speed_t speed_of(int baud) {
  static const struct {
    int baud;
    speed_t speed;
  } table[] = {{9600, B9600},       {19200, B19200},     {38400, B38400},     {57600, B57600},
               {115200, B115200},   {230400, B230400},   {460800, B460800},   {500000, B500000},
               {921600, B921600},   {1000000, B1000000}, {1500000, B1500000}, {2000000, B2000000},
               {2500000, B2500000}, {3000000, B3000000}, {4000000, B4000000}};
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    if (table[i].baud == baud) return table[i].speed;
  }
  return B0;
}

bool tty_knows_baud(int baud) { return speed_of(baud) != B0; }

/* Above the rates that every UART keeps, two stop bits: the receiver gains time to find the next byte, and
 * one that expects a single stop bit takes the second for idle. */
static void set_stop_bits(struct termios *t, int baud) {
  enum { SURE_BAUD = 115200 };
  t->c_cflag &= ~(tcflag_t)CSTOPB;
  if (baud > SURE_BAUD) t->c_cflag |= CSTOPB;
}

/* Raw, 8 bits, no parity, no flow control; no modem lines that could reset the other side on close. */
static int make_raw(int fd, int baud, int when) {
  struct termios t;
  const speed_t speed = speed_of(baud);
  if (speed == B0) {
    errno = EINVAL;
    return -1;
  }
  if (tcgetattr(fd, &t) != 0) return -1;
  cfmakeraw(&t);
  t.c_cflag |= CLOCAL | CREAD;
  t.c_cflag &= ~(tcflag_t)(HUPCL | CRTSCTS);
  set_stop_bits(&t, baud);
  if (cfsetispeed(&t, speed) != 0 || cfsetospeed(&t, speed) != 0) return -1;
  return tcsetattr(fd, when, &t);
}

int tty_can_baud(const hil_tty_t *t, uint32_t baud) {
  if (t->rx_fd < 0 || !isatty(t->rx_fd)) return HIL_ERR_NOSYS;
  return !baud || (baud <= INT_MAX && tty_knows_baud((int)baud)) ? HIL_OK : HIL_ERR_ARG;
}

int tty_set_baud(hil_tty_t *t, uint32_t baud) {
  const int status = tty_can_baud(t, baud);
  if (status != HIL_OK) return status;
  struct termios now;
  const speed_t speed = speed_of(baud ? (int)baud : t->baud);
  int waiting = 0;
  if (ioctl(t->rx_fd, TIOCOUTQ, &waiting) == 0 && waiting > 0) return HIL_ERR_STATE;
  if (tcgetattr(t->rx_fd, &now) != 0) return HIL_ERR_IO;
  if (cfsetispeed(&now, speed) != 0 || cfsetospeed(&now, speed) != 0) return HIL_ERR_ARG;
  set_stop_bits(&now, baud ? (int)baud : t->baud);
  /* DRAIN: what has left the queue may still stand in the UART. */
  if (tcsetattr(t->rx_fd, TCSADRAIN, &now) != 0) return HIL_ERR_IO;
  /* It succeeds if any of its changes could be made. */
  if (tcgetattr(t->rx_fd, &now) != 0 || cfgetospeed(&now) != speed) return HIL_ERR_ARG;
  return HIL_OK;
}

static int open_pty(hil_tty_t *t) {
  const int master = posix_openpt(O_RDWR | O_NOCTTY);
  if (master < 0) return -1;
  if (grantpt(master) != 0 || unlockpt(master) != 0 ||
      ptsname_r(master, t->pty_path, sizeof t->pty_path) != 0) {
    (void)close(master);
    return -1;
  }
  t->hold_fd = open(t->pty_path, O_RDWR | O_NOCTTY);
  if (t->hold_fd < 0 || make_raw(t->hold_fd, t->baud, TCSANOW) != 0 || nonblocking(master) != 0) {
    (void)close(master);
    return -1;
  }
  t->rx_fd = t->tx_fd = master;
  return 0;
}

static int open_device(hil_tty_t *t) {
  const int fd = open(t->path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return -1;
  if (make_raw(fd, t->baud, TCSANOW) != 0) {
    const int saved = errno;
    (void)close(fd);
    errno = saved;
    return -1;
  }
  t->rx_fd = t->tx_fd = fd;
  return 0;
}

int tty_open(hil_tty_t *t, const char *spec, int baud) {
  *t = (hil_tty_t){.rx_fd = -1, .tx_fd = -1, .hold_fd = -1, .baud = baud};
  if (!strcmp(spec, "pty")) return open_pty(t);
  if (!strcmp(spec, "-")) {
    t->rx_fd = STDIN_FILENO;
    t->tx_fd = STDOUT_FILENO;
    return nonblocking(t->rx_fd) != 0 || nonblocking(t->tx_fd) != 0 ? -1 : 0;
  }
  t->path = spec;
  return open_device(t);
}

void tty_inherit(hil_tty_t *t, const char *spec, int baud, int master_fd, int hold_fd) {
  *t = (hil_tty_t){.rx_fd = master_fd, .tx_fd = master_fd, .hold_fd = hold_fd, .baud = baud};
  if (strcmp(spec, "pty") != 0) t->path = spec;
  (void)make_raw(master_fd, baud, TCSADRAIN); /* a negotiated rate ends with the life that negotiated it */
}

void tty_wait_for_client(hil_tty_t *t, int baud) {
  *t = (hil_tty_t){.rx_fd = -1, .tx_fd = -1, .hold_fd = -1, .baud = baud, .is_socket = true};
}

void tty_adopt(hil_tty_t *t, int client_fd) {
  (void)fcntl(client_fd, F_SETFD, FD_CLOEXEC);
  t->rx_fd = t->tx_fd = client_fd;
}

void tty_hang_up(hil_tty_t *t) {
  if ((t->path || t->is_socket) && t->rx_fd >= 0) (void)close(t->rx_fd);
  t->rx_fd = t->tx_fd = -1;
}

ssize_t tty_read(hil_tty_t *t, uint8_t *out, size_t cap) {
  if (t->rx_fd < 0) return 0;
  const ssize_t got = read(t->rx_fd, out, cap);
  if (got > 0) return got;
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
  tty_hang_up(t);
  return -1;
}

size_t tty_write(hil_tty_t *t, const uint8_t *bytes, size_t len) {
  if (t->tx_fd < 0) return 0;
  const ssize_t put = write(t->tx_fd, bytes, len);
  if (put < 0 && errno != EAGAIN && errno != EINTR) tty_hang_up(t); /* the other end is closed */
  return put > 0 ? (size_t)put : 0;
}

void tty_reopen(hil_tty_t *t) {
  if (t->path && t->rx_fd < 0) (void)open_device(t);
}
