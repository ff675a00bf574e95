/* The Linux port: an agent process with a traced worker process. SPDX-License-Identifier: Apache-2.0 */
#ifndef HIL_PORT_LINUX_H
#define HIL_PORT_LINUX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent.h"
#include "debug_registers.h"
#include "link_tcp.h"
#include "port.h"

/* What ioctl's second parameter is. */
#if defined(__GLIBC__)
typedef unsigned long hil_ioctl_request_t;
#else
typedef int hil_ioctl_request_t;
#endif

/* --- link_tty.c: bytes to and from the host --------------------------------------------------- */

typedef struct {
  int rx_fd, tx_fd;  /* -1: the link is down */
  int hold_fd;       /* the pty's other end, held open so that its settings stay */
  int baud;          /* that the line was started with: it begins with this after every hang-up */
  const char *path;  /* of a device to open again after a hang-up; null for pty, stdio and sockets */
  bool is_socket;    /* of a client, and closed with it */
  char pty_path[64];
} hil_tty_t;

/* Open |spec|: "pty" (makes one; its path is in pty_path), "-" (standard input and output), or a
 * device. Returns 0, or -1 with errno. */
int tty_open(hil_tty_t *t, const char *spec, int baud);
/* Take over descriptors that a previous life of this process left open. */
void tty_inherit(hil_tty_t *t, const char *spec, int baud, int master_fd, int hold_fd);
/* A link of sockets, down until there is a client. */
void tty_wait_for_client(hil_tty_t *t, int baud);
/* The link is up with this client, */
void tty_adopt(hil_tty_t *t, int client_fd);
/* and down without it. */
void tty_hang_up(hil_tty_t *t);
/* Read what is there. Returns the count, 0 if nothing, -1 if the link went down (then closed). */
ssize_t tty_read(hil_tty_t *t, uint8_t *out, size_t cap);
size_t tty_write(hil_tty_t *t, const uint8_t *bytes, size_t len);
/* Whether a line can run at |baud|. */
bool tty_knows_baud(int baud);
/* Run the line at |baud|, 0: as it was started. HIL_OK. HIL_ERR_STATE while bytes wait to be sent: try
 * again.
 * HIL_ERR_NOSYS if this is not a serial line, HIL_ERR_ARG for a rate that it cannot run at, HIL_ERR_IO. */
int tty_set_baud(hil_tty_t *t, uint32_t baud);
/* Whether tty_set_baud could run the line at |baud|, as far as can be known before. HIL_OK, HIL_ERR_NOSYS or
 * HIL_ERR_ARG, as above. */
int tty_can_baud(const hil_tty_t *t, uint32_t baud);
/* Try to open a device again that went down. */
void tty_reopen(hil_tty_t *t);

/* --- life.c: what this agent ends with, and what ends with it ---------------------------------- */

/* End when the process that started this one ends. |starter|: its number, so that its end is noticed even if
 * it came first; 0: not known. */
void life_follow(pid_t starter);
/* That process; 0: none is followed. */
pid_t life_parent(void);
/* Whether it has ended, */
bool life_is_orphan(void);
/* or a signal waits that asks for the end. */
bool life_is_over(void);
/* From now on what children leave behind becomes a child of this process. */
void life_adopt(void);
/* Wait for what was adopted and has ended; never for these two. */
void life_reap(pid_t worker, pid_t program);
/* End all children, and all that they have started. */
void life_end_children(void);

/* --- worker.c: the process that computes, and is hit ------------------------------------------ */

enum {
  WORKER_SLOTS = 6,
  WORKER_TIMER_US = 4000 /* [us] CPU time between two looks at an experiment that does not end */
};

/* What is watched in a step (watch.c). */
typedef struct {
  hil_debug_place_t place[DEBUG_PLACES_MAX]; /* that the debug registers hold */
  hil_watch_t *of[DEBUG_PLACES_MAX];
  size_t count;
  hil_watch_t *open[AGENT_UPSETS_MAX]; /* begun in this step */
  size_t opened;
} hil_worker_watch_t;

typedef struct {
  pid_t pid;           /* 0: none */
  int mem_fd;          /* /proc/PID/mem */
  const hil_workload_t *workload;
  hil_port_memory_t memory;
  bool for_experiments; /* see worker_for_experiments */
  uint8_t *scratch, *stack;
  bool was_hit, code_was_hit; /* since its start, and may not be as it was; the same of its machine code */
  bool begun;          /* a step was begun and has not ended */
  bool standing;       /* stopped within a step */
  bool has_status;     /* |status| waits for poll */
  int status;          /* as from waitpid */
  hil_worker_watch_t watch;
  uint64_t cpu_base_us; /* CPU time of the worker when the step began */
  uint64_t used_us;     /* by the step since, as last seen */
  uint32_t last_errno;
} hil_worker_t;

/* These return what the callbacks of hil_port_t return (port.h): HIL_OK, HIL_ERR_STATE, HIL_ERR_IO (then
 * |last_errno| says why). */
int worker_load(hil_worker_t *w, const hil_workload_t *workload, hil_port_memory_t *out);
/* Make the workers that are started from now on ones for experiments, or plain ones again; there is none
 * afterwards. Memory is kept. One for experiments stops for SIGVTALRM after every WORKER_TIMER_US of its CPU time,
 * and does not start where it cannot be sealed. HIL_OK; HIL_ERR_STATE: nothing is loaded. */
int worker_for_experiments(hil_worker_t *w, bool yes);
int worker_start(hil_worker_t *w);
int worker_step(hil_worker_t *w);
hil_port_event_t worker_poll(hil_worker_t *w, hil_agent_t *agent, uint8_t *out_signal);
/* Wait until the worker stands still. Returns the signal that it stopped with, which it does not get; -1 if
 * it has ended: there is none then. */
int worker_wait_stop(hil_worker_t *w);
int worker_interrupt(hil_worker_t *w);
int worker_resume(hil_worker_t *w);
int worker_advance(hil_worker_t *w, uint32_t steps, uint32_t *out_taken);
void worker_kill(hil_worker_t *w);
/* Let the stopped worker continue at |entry|, on the stack that ends at |stack_top| and is all zero, with
 * every register, vector registers included, at a fixed value. HIL_OK; HIL_ERR_IO. */
int worker_enter(hil_worker_t *w, uintptr_t entry, uintptr_t stack_top);
/* The registers that a function may change are at a fixed value afterwards. HIL_OK; HIL_ERR_IO. */
int worker_clear_registers(hil_worker_t *w);
/* Close every descriptor from |first| on. */
void close_descriptors_from(unsigned first);
uint64_t worker_cpu_us(hil_worker_t *w);

/* --- arena.c: the memory of the worker ----------------------------------------------------------------- */

/* Whether the control block is as a worker begins with it, but for the ticks, */
bool worker_control_is_right(const hil_worker_t *w);
/* or as |copy| has it. */
bool worker_control_is(const uint8_t *copy);
/* The memory that it can write: control block, state, input, output, scratch, stack.
 * HIL_OK; HIL_ERR_STATE. */
int worker_slots(const hil_worker_t *w, uint8_t *slot[WORKER_SLOTS], size_t len[WORKER_SLOTS]);

/* --- worker_residue.c: what earlier steps have left in a worker ------------------------------------------- */

/* The worker is at rest, and upsets may strike its next step, or not: if they may, or if it has been hit before
 * and is not as it was, what earlier steps have left in it is cleared. */
void worker_settle(hil_worker_t *w, bool is_to_be_hit);

/* --- registers.c: registers of a traced process that stands still -------------------------------- */

/* HIL_OK; HIL_ERR_IO: the system refused (errno). */
int registers_get_set(pid_t pid, bool write, int set, void *regs, size_t len);
/* One set of the worker, in or out, in the form of the agent's mode, whatever mode a hit has brought the worker
 * into. |len| [byte]: of |regs|; when read, what the set has. HIL_OK; HIL_ERR_IO (its errno noted). */
int registers_of_worker(hil_worker_t *w, bool write, int set, void *regs, size_t *len);
int registers_stack_pointer(pid_t pid, uintptr_t *out);
/* [byte] that TARGET_GPR or TARGET_VECTOR spans. */
uint64_t registers_len(hil_target_t target);
/* Read |len| bytes of that target into |out|, or replace them by |in|; the other one is null. HIL_OK;
 * HIL_ERR_ARG: past its end; HIL_ERR_IO. */
int registers_access(pid_t pid, hil_target_t target, uint64_t offset, uint8_t *out, const uint8_t *in,
                     size_t len);
/* --- worker_seal.c: what a worker has beside its regions --------------------------------------------- */

/* When the agent begins, before it has read anything: keep what the program's data are then. */
void seal_begin(void);
/* In the agent: find what there is beside |arena|. False, and errno, if that cannot be known: no worker is sealed. */
bool seal_find(const uint8_t *arena, size_t arena_len);
/* In the worker, before its first step: take leave of that. Returns 0, or an errno: the system refuses. After
 * success the worker has no data but its regions and a copy of the program's that cannot be written. */
int seal_worker(void);

/* --- worker_access.c: memory and registers of a worker that stands still ------------------------- */

/* HIL_OK; HIL_ERR_NOSYS: no such target; HIL_ERR_STATE: no worker, or its stack pointer lies outside of its
 * stack; HIL_ERR_ARG: past the end of the target, or no such SEFI; HIL_ERR_IO: the system refused. */
int worker_target_len(hil_worker_t *w, hil_target_t target, uint64_t *out_len);
int worker_target_read(hil_worker_t *w, hil_target_t target, uint64_t offset, uint8_t *out, size_t len);
int worker_target_write(hil_worker_t *w, hil_target_t target, uint64_t offset, const uint8_t *bytes,
                        size_t len);
/* Where a memory target lies, and its size now. HIL_OK, and what the three above return. */
int worker_locate(hil_worker_t *w, hil_target_t target, uintptr_t *out_base, uint64_t *out_len);
/* Any memory of it, such as machine code. HIL_OK; HIL_ERR_STATE: no worker; HIL_ERR_IO. */
int worker_read_at(hil_worker_t *w, uint64_t address, uint8_t *out, size_t len);
int worker_write_at(hil_worker_t *w, uint64_t address, const uint8_t *bytes, size_t len);
int worker_sefi(hil_worker_t *w, hil_sefi_t kind, uint8_t before[16], uint8_t after[16], uint8_t *out_len);
/* Program counter relative to the workload's text, all ones if outside or unknown. */
uint64_t worker_pc_offset(hil_worker_t *w);

/* --- watch.c: the first access of what an upset has changed --------------------------------------- */

/* As hil_watch_port_t has it. */
void watch_begin(hil_worker_t *w, hil_watch_t *of);
void watch_end(hil_worker_t *w);
/* The worker stands at an instruction that it dies of, and that debug registers have not reported. */
void watch_died(hil_worker_t *w);
/* The worker has stopped with SIGTRAP. Whether because it accesses what is watched: then it continues as if it had
 * not stopped. |out_executed|: whether it has executed an instruction, if it was to execute one. */
bool watch_stopped(hil_worker_t *w, bool *out_executed);

/* --- watch_judge.c: what the instruction that was stopped for does ---------------------------------- */

typedef enum {
  WATCH_READ, /* it reads the place, or executes it */
  WATCH_OVERWRITTEN, /* it overwrites all of it, and does not read it */
  WATCH_PASSED_BY, /* it does not access it */
  WATCH_UNSURE
} hil_watch_verdict_t;

hil_watch_verdict_t watch_judge(hil_worker_t *w, const hil_debug_place_t *place);
/* The same of the instruction that the worker dies of. */
hil_watch_verdict_t watch_judge_fault(hil_worker_t *w, const hil_debug_place_t *place);
/* The address of the workload's instruction that |address| is part of; 0: not known. */
uintptr_t watch_instruction_at(const hil_workload_t *workload, uintptr_t address);

/* --- sensors.c: what the system reports about itself -------------------------------------------- */

typedef struct {
  const char *root;
  bool vcgencmd_failed; /* it is not tried again */
} hil_probe_t;

/* |root| stands before every path ("" for the real system). */
void probe_init(hil_probe_t *s, const char *root);
void probe_identify(const hil_probe_t *s, hil_hello_t *out);
void probe_health(hil_probe_t *s, hil_health_t *out);
void probe_all(const hil_probe_t *s, hil_sensors_t *out);

/* --- program.c: programs that the agent starts ------------------------------------------------------ */

/* In a new process: become the program at |path|, with |fds| as standard input, output and error (-1: nothing)
 * and no other descriptor, to be killed when |agent| ends. Does not return; what fails it says on that
 * standard error. */
void program_become(const char *path, const char *const *arguments, const int fds[3], pid_t agent)
    __attribute__((noreturn));
/* Run a program for |patience_ms| at most, and keep the first of what it says, zero-terminated. Returns 0
 * if it ended well, else -1 and errno (ETIMEDOUT: it was killed). */
int program_run(const char *path, const char *const *arguments, int patience_ms, char *said, size_t cap);

/* --- watchdog.c: the board resets if this program hangs ------------------------------------------ */

enum { WATCHDOG_DEFAULT_S = 15 }; /* the most that a Raspberry Pi's can */

typedef struct {
  char path[256]; /* empty: none is wanted */
  int fd; /* -1: none */
  int seconds;
  uint64_t period_us, next_us;
  bool complained; /* that it cannot be kicked: once is enough */
} hil_watchdog_t;

/* Read "/dev/watchdog" or "/dev/watchdog:SECONDS". Returns 0, or -1 if it is neither. */
int watchdog_parse(hil_watchdog_t *w, const char *spec);
/* Arm it. If that fails it says so on standard error, and the agent does without: a board with less is
 * better than none. */
void watchdog_open(hil_watchdog_t *w);
/* Kick it if that is due. Returns the time in us after which it is again; UINT32_MAX: there is none. */
uint32_t watchdog_kick(hil_watchdog_t *w, uint64_t now_us);
/* Disarm it: an orderly end. */
void watchdog_close(hil_watchdog_t *w);

/* --- tail.c: the last of what a program writes on standard error ------------------------------------ */

enum { TAIL_MAX = MESSAGE_STDERR_MAX };

typedef struct {
  int fd; /* -1: nobody writes */
  uint64_t total; /* [byte] that were written */
  uint8_t ring[TAIL_MAX];
} hil_tail_t;

/* Take over the reading end of a pipe. */
void tail_begin(hil_tail_t *t, int fd);
/* Read what is there, without waiting. */
void tail_drain(hil_tail_t *t);
void tail_close(hil_tail_t *t);
/* The last bytes, in their order. Returns how many. */
size_t tail_copy(const hil_tail_t *t, uint8_t out[TAIL_MAX]);

/* --- exec.c: a worker that is any program ------------------------------------------------------------ */

#define EXEC_PREFIX "exec:" /* of the names of such workloads */

enum {
  EXEC_PROGRAMS_MAX = 8,
  EXEC_ARGUMENTS_MAX = 15,
  EXEC_NAME_MAX = 10, /* [byte] behind the prefix */
  EXEC_INIT_MS = 10000, /* for a program to start: engines are loaded, GPUs set up */
  EXEC_INIT_MS_MIN = 100,
  EXEC_INIT_MS_MAX = 600000,
  EXEC_STATE_MAX = 1 << 20, /* [byte] */
  EXEC_OUTPUT_MAX = 1 << 16, /* [byte] more than MESSAGE_IO_MAX is not in the reply: READ fetches it */
  EXEC_REGIONS_MAX = MESSAGE_REGIONS_MAX,
  EXEC_REGIONS_BYTES = 64 << 20, /* [byte] of all of them */
  EXEC_PIECE = 1 << 16, /* [byte] of a region in one message */
  EXEC_REGION_MS = 2000 /* for a program to answer a request for one */
};

typedef struct {
  char name[EXEC_NAME_MAX + 1];
  char text[512];
  const char *argument[EXEC_ARGUMENTS_MAX + 1]; /* into text; the first is the path */
} hil_exec_program_t;

typedef struct {
  int count;
  hil_exec_program_t program[EXEC_PROGRAMS_MAX];
} hil_exec_list_t;

/* How long a program has been busy in a step: the time that passed, less that in which it was ready to run
 * and had no processor (busy_time.c). */
typedef struct {
  int schedstat_fd; /* -1: the system has none */
  pid_t pid;
  uint64_t waited_us, cpu_us; /* when the step began */
} hil_busy_time_t;

void busy_time_open(hil_busy_time_t *b, pid_t pid);
void busy_time_close(hil_busy_time_t *b);
void busy_time_begin(hil_busy_time_t *b);
/* |passed_us|: the time since the step began, pauses left out. */
uint64_t busy_time_us(const hil_busy_time_t *b, uint64_t passed_us);
/* The letter that the system gives a process's state; 0 if there is no such process. */
char busy_time_state(pid_t pid);

/* The regions that a program has declared (exec_regions.c), which stand behind its own state in the agent's. */
typedef struct {
  uint32_t count;
  uint32_t own_len; /* [byte] of the state before them */
  uint32_t len; /* [byte] of all regions */
  uint8_t declared[EXEC_REGIONS_MAX][MESSAGE_REGION_INFO];
  uint32_t offset_of[EXEC_REGIONS_MAX]; /* [byte] among the regions */
  uint32_t len_of[EXEC_REGIONS_MAX]; /* [byte] */
  uint64_t digest[EXEC_REGIONS_MAX]; /* of what the program is known to have, as it computes them itself */
  bool adopted; /* the state has the program's first contents */
  uint8_t *memory; /* the state, and behind it |copy|; null: the regions of a worker are used */
  size_t memory_len;
  uint8_t *copy; /* what the program is known to have in its regions */
} hil_exec_regions_t;

typedef struct {
  const hil_exec_program_t *program;
  uint64_t seed;
  uint8_t version; /* of the protocol that it speaks */
  hil_exec_regions_t regions;
  bool answered; /* a step is under way, and its answer is there: it can be asked for its regions */
  bool lost; /* it ended between two steps, which the next poll reports, with */
  uint8_t lost_signal;
  hil_workload_t workload;
  hil_workload_t shell; /* the same without its regions, whose memory is |regions.memory| */
  hil_port_memory_t memory; /* the agent's; the port fills it in */
  bool keeps_state; /* the program reports none: the state is the number of the next frame */
  pid_t pid; /* 0: none */
  int in_fd, out_fd;
  bool fresh; /* it has answered INIT and nothing else */
  bool begun; /* a step is under way */
  bool corrupted; /* the program wrote something before that step */
  bool standing; /* for a limit */
  bool frozen; /* by an upset: for good */
  bool ended; /* |status| is its end */
  int status;
  uint64_t frame;
  size_t tx_len, tx_at, rx_at;
  uint64_t began_us, looked_us, stands_since_us, stood_us, used_us;
  hil_busy_time_t busy;
  bool attached; /* traced, and made to stand still */
  bool stops_late; /* it did not stand still in time for an access, and may do so at any time */
  int held_signal; /* that came then, to be delivered when it continues; 0: none */
  int mem_fd; /* /proc/PID/mem while attached */
  uint32_t last_errno;
  uint32_t init_ms; /* to answer INIT */
  hil_watchdog_t *watchdog; /* kicked while a program starts; null: there is none */
  hil_tail_t err; /* its standard error */
  hil_program_t last; /* how the last program ended, without the bytes: */
  uint8_t last_stderr[TAIL_MAX];
} hil_exec_t;

/* Add "NAME=/path[,argument...]" to the list. Returns 0, or -1: not of that form, or too many, or twice. */
int exec_allow(hil_exec_list_t *list, const char *spec);
/* The program of that name in the list; NULL if there is none. */
const hil_exec_program_t *exec_named(const hil_exec_list_t *list, const char *name);
void exec_init(hil_exec_t *x);
/* Start the program called |name| (without the prefix), for |seed|; |out| is the workload that it makes.
 * HIL_OK; HIL_ERR_NOSYS if none of that name is allowed, HIL_ERR_IO if it does not come up. */
int exec_find(hil_exec_t *x, const hil_exec_list_t *list, const char *name, uint64_t seed,
              const hil_workload_t **out);
/* The agent's memory for it is this, but for a state with regions: that is put in place. */
void exec_place(hil_exec_t *x, hil_port_memory_t *memory);
/* The others return what the callbacks of hil_port_t return (port.h). */
int exec_start(hil_exec_t *x);
int exec_step(hil_exec_t *x, uint64_t frame);
hil_port_event_t exec_poll(hil_exec_t *x, hil_agent_t *agent, uint8_t *out_signal);
void exec_kill(hil_exec_t *x);
int exec_report(hil_exec_t *x, const hil_program_query_t *query, hil_program_t *out);
/* How long the step has been under way when exec_poll last looked: an answer that came later, because the
 * agent itself had no processor, is in time. */
uint64_t exec_busy_us(const hil_exec_t *x);
/* Descriptors that the step waits for, -1: none. Returns whether there is such a step. */
bool exec_wants(const hil_exec_t *x, int *out_read_fd, int *out_write_fd);
int exec_interrupt(hil_exec_t *x);
int exec_resume(hil_exec_t *x);
/* Returns what exec_put does, which it is for all but a region: that is written to the program, and read back. */
int exec_write(hil_exec_t *x, hil_target_t which, uint64_t offset, const uint8_t *bytes, size_t len);
/* --- exec_regions.c: memory that a program has named ------------------------------------------------- */

enum { EXEC_TYPE_READ = 3, EXEC_TYPE_WRITE = 4 };

/* Take over |count| declarations that stand in an answer to INIT. False: they are not right. */
bool regions_declare(hil_exec_regions_t *r, const uint8_t *bytes, uint32_t count);
/* Whether two programs have declared the same. */
bool regions_are_alike(const hil_exec_regions_t *a, const hil_exec_regions_t *b);
/* Map the memory for them, behind |own_len| bytes of state. Returns 0, or an errno. */
int regions_map(hil_exec_regions_t *r, uint32_t own_len);
void regions_unmap(hil_exec_regions_t *r);
/* These talk to a program that waits for a request. False: it is lost.
 * begin: it has just started; what it has is the state if that has no content yet;
 * push: what was changed of the state (a repair, an upset) is written to it, and read back;
 * write: the same of these bytes of the state only;
 * pull: it has computed a step, whose answer has these digests: what has changed is read. */
bool regions_begin(hil_exec_t *x);
bool regions_push(hil_exec_t *x);
bool regions_write(hil_exec_t *x, uint64_t offset, size_t len);
bool regions_pull(hil_exec_t *x, const uint8_t *digests);
/* As port->regions: HIL_OK, HIL_ERR_ARG. */
int regions_report(const hil_exec_regions_t *r, hil_regions_t *out);

/* --- exec_access.c: the memory and registers of a program ------------------------------------------ */

/* Keep an errno for whoever asks. Returns HIL_ERR_IO. */
int exec_refused(hil_exec_t *x, int error);
/* Whether the program has exited. Its status is kept then. */
bool exec_has_exited(hil_exec_t *x);
/* Let a program continue that was made to stand still for an access. */
void exec_detach(hil_exec_t *x);
/* HIL_OK; HIL_ERR_NOSYS: no such target; HIL_ERR_STATE: no program, or its stack pointer lies in no mapping;
 * HIL_ERR_ARG: past the end of the target; HIL_ERR_IO: the system refused, or it does not stand still in time. */
int exec_target_len(hil_exec_t *x, hil_target_t which, uint64_t *out_len);
int exec_read(hil_exec_t *x, hil_target_t which, uint64_t offset, uint8_t *out, size_t len);
int exec_put(hil_exec_t *x, hil_target_t which, uint64_t offset, const uint8_t *bytes, size_t len);
int exec_sefi(hil_exec_t *x, hil_sefi_t kind, uint8_t before[16], uint8_t after[16], uint8_t *out_len);

/* --- init.c: the agent as the first process ----------------------------------------------------- */

/* Set up the system if this is process 1, which no other program does then. Does nothing otherwise. */
void init_system(void);

/* --- knobs.c: what a limit turns ------------------------------------------------------------------ */

typedef enum {
  KNOBS_NONE = 0, /* the worker's own time only: duty, suspension */
  KNOBS_WORKER = 1, /* and the cores that it may use */
  KNOBS_SYSTEM = 2 /* and the clock and the power mode of the whole machine */
} hil_knobs_level_t;

enum { KNOBS_POLICIES_MAX = 64 };

typedef struct {
  const char *root;
  hil_knobs_level_t level;
  uint8_t cores; /* that the worker is kept to; 0: all */
  bool clock_capped; /* found_khz is to be restored */
  bool mode_changed; /* found_mode is to be restored */
  char found_mode[MESSAGE_TEXT_LEN];
  int policies;
  struct {
    uint16_t cpu;
    uint32_t found_khz;
  } policy[KNOBS_POLICIES_MAX];
} hil_knobs_t;

/* |root| stands before every path ("" for the real system). */
void knobs_init(hil_knobs_t *k, const char *root, hil_knobs_level_t level);
/* As port->limit. |worker|: its process, or 0. */
void knobs_limit(hil_knobs_t *k, pid_t worker, const hil_limits_t *limits, hil_limited_t *out);
/* Apply the limits to a new worker. Returns 0, or -1 and errno. */
int knobs_worker(const hil_knobs_t *k, pid_t worker);
/* Restore the original settings. */
void knobs_lift(hil_knobs_t *k);

/* --- board.c: the port itself ----------------------------------------------------------------------- */

enum { BOARD_EXIT_ENVIRONMENT = 3 }; /* exit code: the system refuses what the agent needs */

/* One agent per process, and all that it works with: the context of its callbacks. */
typedef struct {
  hil_agent_t agent;
  hil_tty_t tty;
  hil_tcp_t tcp;
  hil_worker_t worker;
  hil_exec_list_t programs; /* those of --exec */
  hil_exec_t exec;
  bool is_exec; /* the loaded workload is a program */
  hil_knobs_t knobs;
  hil_probe_t sensors;
  hil_watchdog_t watchdog;
  const char *port_spec; /* of the link; null: none was given */
  const char *token_file; /* of a TCP port; null: none was given */
  const char *sys_root; /* stands before every path of the system; "" for the real one */
  char **argv; /* to start this program again */
} hil_board_t;

/* A board with nothing open, in zeroed memory. |argv| is kept. */
void board_init(hil_board_t *b, char **argv);
/* Take over the link that this process left open when it reset. Whether there was one. */
bool board_inherit_link(hil_board_t *b, int baud);
/* Start the agent. Link, knobs and sensors are set up before. HIL_OK; HIL_ERR_ARG as agent_init. */
int board_boot(hil_board_t *b);
/* End the worker or program, and all that programs have started. */
void board_kill_worker(hil_board_t *b);
/* [us] monotonic. */
uint64_t board_now_us(void);

enum { WORKER_STACK_LEN = 256 * 1024 };

#endif
