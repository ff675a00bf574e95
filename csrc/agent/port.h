/* The whole hardware abstraction: one struct of callbacks and a context. SPDX-License-Identifier: Apache-2.0
 *
 * A port owns the link, the clock and one worker with its memory; the agent (agent.h) owns the protocol.
 * Every callback gets |context| first. All are called from one thread, never from an interrupt.
 *
 * Each callback lists what it returns. Two codes have one meaning everywhere: HIL_ERR_NOSYS: this port cannot
 * do it; HIL_ERR_IO: the system refused, and port->last_error says why. */
#ifndef HIL_PORT_H
#define HIL_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "message.h"
#include "sites.h"
#include "status.h"
#include "workload.h"

/* Memory of the loaded workload, as the agent sees it. In a shared mapping the worker changes it only
 * between port->step and the event that ends the step. */
typedef struct {
  uint8_t *region[3]; /* by hil_region_t, 64-byte aligned */
  hil_progress_t *progress;
} hil_port_memory_t;

typedef enum {
  PORT_RUNNING = 0, /* the step continues */
  PORT_DONE = 1,    /* it ended by itself */
  PORT_CRASHED = 2  /* the worker has exited; *out_signal is the signal that ended it, 0 if none did */
} hil_port_event_t;

/* What a campaign asks for (agent_campaign.c). HIL_ERR_NOSYS and HIL_ERR_IO as below. */
typedef struct {
  /* Hold the next step, with the input and budget given, and fill |out|; the worker at rest may be replaced.
   * HIL_OK; HIL_ERR_STATE: nothing is loaded; HIL_ERR_EXHAUSTED: not enough memory; HIL_ERR_NOSYS; HIL_ERR_IO. */
  int (*open)(void *context, const hil_step_t *step, const hil_budget_t *budget, hil_campaign_opened_t *out);
  /* Fill in the trace from |out->position| on. HIL_OK; HIL_ERR_ARG: it is neither 0 nor where the last ended;
   * HIL_ERR_IO. */
  int (*trace)(void *context, hil_campaign_trace_t *out);
  /* Read memory of the worker. HIL_OK; HIL_ERR_IO: not all of it is mapped. */
  int (*code)(void *context, uint64_t address, uint16_t len, uint8_t *out);
  /* Take the inputs of steps that follow, run these without a fault, and fill in the digest of the state after
   * the last. HIL_OK; HIL_ERR_ARG: they do not follow those given before, are not whole inputs, or are too many;
   * HIL_ERR_IO: such a step crashes or passes its budget, or the worker is lost. */
  int (*follow)(void *context, const hil_campaign_follow_t *follow, uint64_t *out_state_digest);
  /* Carry out a slice of the experiments, for some milliseconds: |run->site| is the next one, sites_put moves on
   * from it, |run->site.bit| is 0 after the last. A slice may also end before an experiment, on the way to its
   * instruction. After the last one |position| and |path| of |run->outcomes| are filled in.
   * HIL_OK; HIL_ERR_ARG: no such place, or the step ends before; HIL_ERR_IO: the worker is lost, the campaign
   * must be opened again. */
  int (*run)(void *context, hil_campaign_run_t *run);
  /* Carry out one experiment where the last one of the RUN before has struck, and leave the worker where it
   * stops: |trace| then goes on from there, counting from 0, and |code| reads what it has. The next |run| or
   * |strike| takes it back; with STOP_FOR_DEBUGGER the worker is lost then.
   * HIL_OK; HIL_ERR_ARG: no such place, or another position; HIL_ERR_NOSYS; HIL_ERR_IO: the worker is lost. */
  int (*strike)(void *context, const hil_campaign_strike_t *strike, hil_campaign_struck_t *out);
  /* Memory as before OPEN and a fresh worker, whatever came of OPEN. HIL_OK; HIL_ERR_IO: there is no worker. */
  int (*close)(void *context);
} hil_campaign_port_t;

/* Bytes of the worker of which the first access is wanted. */
typedef struct {
  hil_target_t target;
  uint64_t offset; /* [byte] in the target, */
  uint16_t changed; /* bit i set: byte i from there is one of them; at least one bit is */
  uint8_t first; /* hil_first_access_t and hil_unwatched_t: the port fills them in */
  uint8_t reason;
} hil_watch_t;

/* What the worker does with bytes that an upset has changed. */
typedef struct {
  /* With the worker standing still: watch these bytes from now on. The port keeps |w| until |end|. */
  void (*begin)(void *context, hil_watch_t *w);
  /* The step has ended, or the worker has: fill in all that were begun. */
  void (*end)(void *context);
} hil_watch_port_t;

typedef struct {
  void *context;

  /* Queue bytes towards the host. Returns how many were taken, which may be fewer than |len|; 0 also
   * when the link is down. Never blocks. */
  size_t (*tx)(void *context, const uint8_t *bytes, size_t len);

  /* [us] monotonic, any origin. */
  uint64_t (*now_us)(void *context);

  /* Provide zeroed memory for |workload| and forget the previous one; no worker runs after it.
   * HIL_OK; HIL_ERR_EXHAUSTED: the memory is too small for it; HIL_ERR_NOSYS; HIL_ERR_IO. */
  int (*load)(void *context, const hil_workload_t *workload, hil_port_memory_t *out);

  /* Start a fresh worker on the loaded memory (which keeps its contents), at rest before a step.
   * HIL_OK; HIL_ERR_STATE: nothing is loaded; HIL_ERR_NOSYS; HIL_ERR_IO: there is no worker then. */
  int (*start)(void *context);

  /* The worker is at rest before a step. Clear what earlier steps have left in it and no step reads, if it
   * |is_to_be_hit| in the next one, or if one has and its damage is still there: so that a step that an upset
   * makes read it anyway does the same in every run. Null: nothing is left. */
  void (*settle)(void *context, bool is_to_be_hit);

  /* Begin one step. Only with a worker at rest.
   * HIL_OK; HIL_ERR_STATE: there is no worker; HIL_ERR_NOSYS; HIL_ERR_IO. */
  int (*step)(void *context);

  /* Let the step proceed and return its state; PORT_CRASHED also if there is no worker. While it
   * runs, the port calls agent_on_tick(agent, tick) whenever progress->stop_tick is reached, with the
   * worker standing still. */
  hil_port_event_t (*poll)(void *context, uint8_t *out_signal);

  /* Make a running step stand still wherever it is, and let it continue. Null: this port cannot.
   * interrupt: HIL_OK; HIL_ERR_STATE: no step runs, it stands still already, or a tick or its end came
   * first (which the next poll reports); HIL_ERR_IO.
   * resume: HIL_OK, also if it has ended meanwhile; HIL_ERR_STATE: there is no worker; HIL_ERR_IO. */
  int (*interrupt)(void *context);
  int (*resume)(void *context);

  /* With the worker standing still: execute up to |steps| machine instructions; |out_taken| is how many
   * were executed. HIL_OK; HIL_ERR_STATE: no worker stands still, or the step ended or died on the way
   * (which the next poll reports); HIL_ERR_NOSYS; HIL_ERR_IO. */
  int (*advance)(void *context, uint32_t steps, uint32_t *out_taken);

  /* End the worker, whatever it does. Never fails: afterwards there is none. */
  void (*kill)(void *context);

  /* [us] CPU time that the current (or last) step has used. */
  uint64_t (*cpu_us)(void *context);

  /* The memory and registers of a worker that stands still or is at rest. target_len: the size in bytes
   * at this moment. HIL_OK; HIL_ERR_NOSYS: there is no such target here; HIL_ERR_STATE: there is no worker,
   * or its stack pointer lies outside of its stack; HIL_ERR_ARG: past the end of the target (nothing is
   * read or written); HIL_ERR_IO. */
  int (*target_len)(void *context, hil_target_t target, uint64_t *out_len);
  int (*target_read)(void *context, hil_target_t target, uint64_t offset, uint8_t *out, size_t len);
  int (*target_write)(void *context, hil_target_t target, uint64_t offset, const uint8_t *bytes, size_t len);

  /* A functional interrupt of the processor, with the worker standing still: HANG or CRASH. What was
   * changed for it, as in a report: |out_len| bytes before and after, read back. HIL_OK; HIL_ERR_ARG: another
   * |kind|; HIL_ERR_STATE: there is no worker; HIL_ERR_NOSYS; HIL_ERR_IO. */
  int (*sefi)(void *context, hil_sefi_t kind, uint8_t before[16], uint8_t after[16], uint8_t *out_len);

  /* Program counter relative to the workload's text, all ones if outside or unknown. */
  uint64_t (*pc_offset)(void *context);

  /* Keep the worker to |limits->cores|, and the board to clock_khz and mode; what is 0 or empty is lifted.
   * Fill cores, clock_khz, mode and detail of |out|, and set its bits of refused and means. The agent
   * keeps duty and suspend itself. Null: this port can limit nothing else. */
  void (*limit)(void *context, const hil_limits_t *limits, hil_limited_t *out);

  /* Reset: start the whole agent as after power-on, without limits. May not return. */
  void (*reset)(void *context);

  /* Fill what only the system knows; other fields are the agent's. Unknown values stay as they are. */
  void (*identify)(void *context, hil_hello_t *out);
  void (*health)(void *context, hil_health_t *out);

  /* errno-like number of the last HIL_ERR_IO. */
  uint32_t (*last_error)(void *context);

  /* Run the link at |baud|, 0: the rate that the agent was started with. Without |now| only check whether
   * that is possible. Null: this link has no rate.
   * HIL_OK; HIL_ERR_STATE: bytes still wait to leave at the old rate, it is called again; HIL_ERR_ARG: the line
   * cannot run at this rate; HIL_ERR_NOSYS: what is open is not a serial line; HIL_ERR_IO. */
  int (*set_baud)(void *context, uint32_t baud, bool now);

  /* A workload beside those of the registry, in the host's process. Null: there is none. */
  const hil_workload_t *own;

  /* A workload that the kernel does not have, such as a program on this board, with its initial state for
   * |seed|; what was loaded before is discarded. |out| is valid until the next call. Null: there are none.
   * HIL_OK; HIL_ERR_NOSYS: there is none of that name; HIL_ERR_IO: it does not start. */
  int (*find)(void *context, const char *name, uint64_t seed, const hil_workload_t **out);

  /* Fill in what can be read; |out| is empty. Null: nothing can. */
  void (*sensors)(void *context, hil_sensors_t *out);

  /* Fill in the digest of what the agent runs from, and how it is known; |out| is zeroed. Null: it cannot be known.
   * HIL_OK; HIL_ERR_IO: it cannot be read. */
  int (*image)(void *context, hil_image_t *out);

  /* Set the time that programs have to answer INIT, and fill in how the last one ended; |out| is zeroed.
   * Null: there are no programs. HIL_OK; HIL_ERR_ARG: the time is out of range, or the offset beyond the end. */
  int (*program)(void *context, const hil_program_query_t *query, hil_program_t *out);

  /* Fill in the regions that the program that is loaded has named, from number |out->first| on; the rest of |out|
   * is zeroed. Null: there are no programs. HIL_OK, also without any; HIL_ERR_ARG: beyond the last. */
  int (*regions)(void *context, hil_regions_t *out);
  /* Null: no experiments are possible on this board. */
  const hil_campaign_port_t *campaign;
  /* Null: this board cannot watch what its worker accesses. */
  const hil_watch_port_t *watch;
} hil_port_t;

#endif
