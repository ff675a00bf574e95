/* The Linux port: an agent process with a traced worker process. SPDX-License-Identifier: Apache-2.0 */
#ifndef HIL_PORT_LINUX_H
#define HIL_PORT_LINUX_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent.h"
#include "port.h"

/* What ioctl's second parameter is. */
#if defined(__GLIBC__)
typedef unsigned long ioctl_request_t;
#else
typedef int ioctl_request_t;
#endif

/* --- link_tty.c: bytes to and from the host --------------------------------------------------- */

typedef struct {
  int rx_fd, tx_fd;  /* -1: the link is down */
  int hold_fd;       /* the pty's other end, held open so that its settings stay */
  int baud;          /* that the line was started with: it begins with this after every hang-up */
  const char *path;  /* of a device to open again after a hang-up; null for pty and stdio */
  char pty_path[64];
} tty_t;

/* Open |spec|: "pty" (makes one; its path is in pty_path), "-" (standard input and output), or a
 * device. Returns 0, or -1 with errno. */
int tty_open(tty_t *t, const char *spec, int baud);
/* Take over descriptors that a previous life of this process left open. */
void tty_inherit(tty_t *t, const char *spec, int baud, int master_fd, int hold_fd);
/* Read what is there. Returns the count, 0 if nothing, -1 if the link went down (then closed). */
ssize_t tty_read(tty_t *t, uint8_t *out, size_t cap);
size_t tty_write(tty_t *t, const uint8_t *bytes, size_t len);
/* Can a line run at |baud|? */
int tty_knows_baud(int baud);
/* Run the line at |baud|, 0: as it was started. Nothing may wait to be sent: then HIL_ERR_STATE, try again.
 * HIL_ERR_NOSYS if this is no serial line, HIL_ERR_ARG for a rate that it cannot run at, HIL_ERR_IO. */
int tty_set_baud(tty_t *t, uint32_t baud);
/* Could tty_set_baud run the line at |baud|, as far as can be known before? As above. */
int tty_can_baud(const tty_t *t, uint32_t baud);
/* Try to open a device again that went down. */
void tty_reopen(tty_t *t);

/* --- worker.c: the process that computes, and is hit ------------------------------------------ */

typedef struct {
  pid_t pid;           /* 0: none */
  int mem_fd;          /* /proc/PID/mem */
  const workload_t *workload;
  port_memory_t memory;
  uint8_t *scratch, *stack;
  uint8_t begun;       /* a step was begun and has not ended */
  uint8_t standing;    /* stopped within a step */
  uint8_t has_status;  /* |status| waits for poll */
  int status;          /* as from waitpid */
  uint64_t cpu_base_us; /* CPU time of the worker when the step began */
  uint64_t used_us;     /* by the step since, as last seen */
  uint32_t last_errno;
} worker_t;

int worker_load(worker_t *w, const workload_t *workload, port_memory_t *out);
int worker_start(worker_t *w);
int worker_step(worker_t *w);
port_event_t worker_poll(worker_t *w, agent_t *agent, uint8_t *out_signal);
int worker_interrupt(worker_t *w);
int worker_resume(worker_t *w);
int worker_advance(worker_t *w, uint32_t steps, uint32_t *out_taken);
void worker_kill(worker_t *w);
uint64_t worker_cpu_us(worker_t *w);

/* --- inject.c: memory and registers of a worker that stands still ------------------------------ */

int inject_target_len(worker_t *w, target_t target, uint64_t *out_len);
int inject_read(worker_t *w, target_t target, uint64_t offset, uint8_t *out, size_t len);
int inject_write(worker_t *w, target_t target, uint64_t offset, const uint8_t *bytes, size_t len);
int inject_sefi(worker_t *w, sefi_t kind, uint8_t before[16], uint8_t after[16], uint8_t *out_len);
uint64_t inject_pc_offset(worker_t *w);

/* --- sensors.c: what the system tells about itself ---------------------------------------------- */

typedef struct {
  const char *root;
  uint8_t vcgencmd_failed; /* it is not tried again */
} probe_t;

/* |root| stands before every path ("" for the real system). */
void probe_init(probe_t *s, const char *root);
void probe_identify(const probe_t *s, hello_t *out);
void probe_health(probe_t *s, health_t *out);
void probe_all(const probe_t *s, sensors_t *out);

/* --- program.c: programs that the agent starts ------------------------------------------------------ */

/* In a new process: become the program at |path|, with |in_fd| (-1: nothing) and |out_fd| as standard
 * input and output and no other descriptor, to be killed when |agent| ends. Does not return. */
void program_become(const char *path, const char *const *arguments, int in_fd, int out_fd, pid_t agent)
    __attribute__((noreturn));
/* Run a program for |patience_ms| at most, and keep the first of what it says, zero-terminated. Returns 0
 * if it ended well, else -1 and errno (ETIMEDOUT: it was killed). */
int program_run(const char *path, const char *const *arguments, int patience_ms, char *said, size_t cap);

/* --- exec.c: a worker that is any program ------------------------------------------------------------ */

#define EXEC_PREFIX "exec:" /* of the names of such workloads */

enum {
  EXEC_PROGRAMS_MAX = 8,
  EXEC_ARGUMENTS_MAX = 15,
  EXEC_NAME_MAX = 10,       /* [byte] behind the prefix */
  EXEC_STATE_MAX = 1 << 20  /* [byte] */
};

typedef struct {
  char name[EXEC_NAME_MAX + 1];
  char text[512];
  const char *argument[EXEC_ARGUMENTS_MAX + 1]; /* into text; the first is the path */
} exec_program_t;

typedef struct {
  int count;
  exec_program_t program[EXEC_PROGRAMS_MAX];
} exec_list_t;

typedef struct {
  const exec_program_t *program;
  uint64_t seed;
  workload_t workload;
  port_memory_t memory;  /* the agent's; the port fills it in */
  uint8_t keeps_state;   /* the program has none to tell */
  pid_t pid;             /* 0: none */
  int in_fd, out_fd;
  uint8_t fresh;         /* it has answered INIT and nothing else */
  uint8_t begun;         /* a step is under way */
  uint8_t spoilt;        /* and something had been said before it */
  uint8_t standing;      /* for a limit */
  uint8_t frozen;        /* by an upset: for good */
  uint8_t ended;         /* |status| is its end */
  int status;
  uint64_t frame;
  size_t tx_len, tx_at, rx_at;
  uint64_t began_us, stands_since_us, stood_us, used_us;
  uint32_t last_errno;
} exec_t;

/* Add "NAME=/path[,argument...]" to the list. Returns 0, or -1: not of that form, or too many, or twice. */
int exec_allow(exec_list_t *list, const char *spec);
void exec_init(exec_t *x);
/* Start the program called |name| (without the prefix), for |seed|; |out| is the workload that it makes.
 * HIL_ERR_NOSYS if none of that name is allowed, HIL_ERR_IO if it does not come up. */
int exec_find(exec_t *x, const exec_list_t *list, const char *name, uint64_t seed,
              const workload_t **out);
/* The others are as the callbacks of port_t. */
int exec_start(exec_t *x);
int exec_step(exec_t *x, uint64_t frame);
port_event_t exec_poll(exec_t *x, agent_t *agent, uint8_t *out_signal);
void exec_kill(exec_t *x);
uint64_t exec_busy_us(const exec_t *x);
/* Descriptors that the step waits for, -1: none. Returns whether there is such a step. */
int exec_wants(const exec_t *x, int *out_read_fd, int *out_write_fd);
int exec_interrupt(exec_t *x);
int exec_resume(exec_t *x);
int exec_target_len(const exec_t *x, target_t which, uint64_t *out_len);
int exec_read(const exec_t *x, target_t which, uint64_t offset, uint8_t *out, size_t len);
int exec_write(exec_t *x, target_t which, uint64_t offset, const uint8_t *bytes, size_t len);
int exec_sefi(exec_t *x, sefi_t kind, uint8_t before[16], uint8_t after[16], uint8_t *out_len);

/* --- watchdog.c: the board starts anew if this program does not go on ------------------------------- */

enum { WATCHDOG_DEFAULT_S = 15 }; /* the most that a Raspberry Pi's can */

typedef struct {
  char path[256]; /* empty: none is wanted */
  int fd;        /* -1: none */
  int seconds;
  uint64_t period_us, next_us;
  uint8_t complained;
} watchdog_t;

/* Read "/dev/watchdog" or "/dev/watchdog:SECONDS". Returns 0, or -1 if it is neither. */
int watchdog_parse(watchdog_t *w, const char *spec);
/* Arm it. If that fails it says so on standard error, and the agent does without: a board with less is
 * better than none. */
void watchdog_open(watchdog_t *w);
/* Kick it if that is due. Returns the time in us after which it is again; UINT32_MAX: there is none. */
uint32_t watchdog_kick(watchdog_t *w, uint64_t now_us);
/* Disarm it: an orderly end. */
void watchdog_close(watchdog_t *w);

/* --- init.c: the agent as the first process ----------------------------------------------------- */

/* Set up the system if nobody else does, because this is process 1. Does nothing otherwise. */
void init_system(void);

/* --- knobs.c: what a limit turns ------------------------------------------------------------------ */

typedef enum {
  KNOBS_NONE = 0,   /* the worker's own time only: duty, suspension */
  KNOBS_WORKER = 1, /* and the cores that it may use */
  KNOBS_SYSTEM = 2  /* and the clock and the power mode of the whole machine */
} knobs_level_t;

enum { KNOBS_POLICIES_MAX = 64 };

typedef struct {
  const char *root;
  knobs_level_t level;
  uint8_t cores;        /* that the worker is kept to; 0: all */
  uint8_t clock_capped; /* found_khz is to be given back */
  uint8_t mode_changed; /* found_mode is to be given back */
  char found_mode[MESSAGE_TEXT_LEN];
  int policies;
  struct {
    uint16_t cpu;
    uint32_t found_khz;
  } policy[KNOBS_POLICIES_MAX];
} knobs_t;

/* |root| stands before every path ("" for the real system). */
void knobs_init(knobs_t *k, const char *root, knobs_level_t level);
/* As port->limit. |worker|: its process, or 0. */
void knobs_limit(knobs_t *k, pid_t worker, const limits_t *limits, limited_t *out);
/* The limits hold for a new worker, too. Returns 0, or -1 and errno. */
int knobs_worker(const knobs_t *k, pid_t worker);
/* Give back what was found. */
void knobs_lift(knobs_t *k);

enum { WORKER_STACK_LEN = 256 * 1024 };

#endif
