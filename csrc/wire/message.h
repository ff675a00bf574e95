/* Messages: what the payload of each frame type means. SPDX-License-Identifier: Apache-2.0
 *
 * The host asks, the agent answers; an answer has the request's seq and its type | 0x80. A host that
 * gets no answer sends the same bytes again: the agent answers a repeated seq from its cache without
 * doing it twice. All integers little-endian; layouts in SPEC.md. */
#ifndef HIL_MESSAGE_H
#define HIL_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

#include "frame.h"
#include "status.h"

/* cffi:begin */
enum {
  MESSAGE_NAME_LEN = 16,   /* [byte] names, zero-padded */
  MESSAGE_TEXT_LEN = 32,
  MESSAGE_DIGEST_LEN = 32, /* [byte] SHA-256 */
  MESSAGE_IO_MAX = 256,    /* [byte] largest input and output of a workload */
  MESSAGE_DATA_MAX = 1008, /* [byte] of a region in one message */
  MESSAGE_SPANS_MAX = 64,  /* digests in one message */
  MESSAGE_RAILS_MAX = 8,
  MESSAGE_READINGS_MAX = 24,
  MESSAGE_STDERR_MAX = 4096, /* [byte] kept of what a program wrote on standard error */
  MESSAGE_PART_MAX = 1000,   /* [byte] of that in one message */
  MESSAGE_PACKED_MAX = 1000, /* [byte] of a trace, of sites or of outcomes in one message */
  MESSAGE_REGIONS_MAX = 256, /* regions that a program can name */
  MESSAGE_REGION_INFO = 64,  /* [byte] in which it declares one (port/linux/EXEC.md) */
  CAMPAIGN_EXPERIMENTS_MAX = 720, /* of one RUN: their outcomes fit into one answer */
  CAMPAIGN_DRAWN_MAX = 2048,      /* of one DRAW: an answer may have fewer */
  CAMPAIGN_FOLLOW_MAX = 64,  /* [step] behind the one that is held */
  ARM_EXACT_SHIFT = 63     /* of hil_arm_t.bit: set if the position was named, not drawn */
};

typedef enum {
  HIL_MSG_HELLO = 0x01,      /* - -> hil_hello_t: identification of the board */
  HIL_MSG_LOAD = 0x02,       /* hil_load_t -> hil_loaded_t: workload to its initial state */
  HIL_MSG_BUDGET = 0x03,     /* hil_budget_t -> hil_done_t: time limit of a step, words to scrub after it */
  HIL_MSG_STEP = 0x04,       /* hil_step_t -> hil_reply_t: one frame */
  HIL_MSG_ARM = 0x05,        /* hil_arm_t -> hil_done_t: prepare an upset */
  HIL_MSG_REPORT = 0x06,     /* id u32 -> hil_report_t: result of an upset */
  HIL_MSG_SPANS = 0x07,      /* hil_spans_query_t -> hil_spans_t */
  HIL_MSG_READ = 0x08,       /* hil_range_t -> hil_data_t, several with one seq */
  HIL_MSG_WRITE = 0x09,      /* hil_data_t -> hil_done_t */
  HIL_MSG_SYNC = 0x0a,       /* hil_sync_t -> hil_done_t: adopt a frame number, state digest checked */
  /* hil_sync_t -> hil_sync_t: keep a copy of the state on the board, if it is this one */
  HIL_MSG_CHECKPOINT = 0x0b,
  HIL_MSG_RESTORE = 0x0c,    /* hil_sync_t -> hil_sync_t: go back to the copy of this frame and digest */
  HIL_MSG_RESTART = 0x0d,    /* - -> hil_done_t: new worker process, state kept */
  HIL_MSG_RESET = 0x0e,      /* - -> hil_done_t: the agent resets, as after power-on */
  HIL_MSG_HEALTH = 0x0f,     /* - -> hil_health_t */
  HIL_MSG_LIMIT = 0x10,      /* hil_limits_t -> hil_limited_t: limits of the board */
  HIL_MSG_BAUD = 0x11,       /* hil_baud_t -> hil_baud_t: run the line at another rate from now on */
  HIL_MSG_SENSORS = 0x12,    /* - -> hil_sensors_t: further measurements */
  HIL_MSG_PROGRAM = 0x13,    /* hil_program_query_t -> hil_program_t: how the last program ended */
  HIL_MSG_CAMPAIGN_OPEN = 0x14,  /* hil_step_t -> hil_campaign_opened_t: hold this step for experiments */
  HIL_MSG_CAMPAIGN_TRACE = 0x15, /* hil_campaign_position_t -> hil_campaign_trace_t: how it runs */
  HIL_MSG_CAMPAIGN_CODE = 0x16,  /* hil_campaign_code_query_t -> hil_campaign_code_t: its instructions */
  HIL_MSG_CAMPAIGN_RUN = 0x17,   /* hil_campaign_sites_t -> hil_campaign_outcomes_t: experiments on it */
  HIL_MSG_CAMPAIGN_CLOSE = 0x18, /* - -> hil_sync_t: a worker as before OPEN */
  HIL_MSG_CAMPAIGN_FOLLOW = 0x19, /* hil_campaign_follow_t -> hil_sync_t: the steps that follow */
  HIL_MSG_CAMPAIGN_STRIKE = 0x1a, /* hil_campaign_strike_t -> hil_campaign_struck_t: one, to inspect */
  HIL_MSG_CAMPAIGN_DRAW =
      0x1b,  /* hil_campaign_draws_t -> hil_campaign_outcomes_t: experiments that it draws */
  HIL_MSG_CAMPAIGN_CODED = 0x1c, /* hil_campaign_sites_t -> hil_campaign_outcomes_t: as RUN, coded */
  HIL_MSG_ACTIVATION = 0x20, /* id u32 -> hil_activation_t: what the worker did with an upset first */
  HIL_MSG_REGIONS = 0x21,    /* hil_regions_query_t -> hil_regions_t: what a program has named */
  HIL_MSG_IMAGE = 0x22,      /* - -> hil_image_t: what the agent runs from */
  HIL_MSG_ANSWER = 0x80,     /* flag: an answer to the type below it */
  HIL_MSG_ERROR = 0xfe,      /* hil_refusal_t: the request with this seq was refused */
  HIL_MSG_NAK = 0xff         /* hil_nak_t: bytes arrived that are not a frame (seq 0) */
} hil_message_type_t;

typedef enum { REGION_STATE = 0, REGION_INPUT = 1, REGION_OUTPUT = 2 } hil_region_t;

/* Where an upset hits. The first four exist on every board ("portable"; link noise is made by the
 * host and never reaches ARM). */
typedef enum {
  TARGET_STATE = 0,
  TARGET_INPUT = 1,
  TARGET_OUTPUT = 2,
  TARGET_LINK = 3,
  TARGET_CHECKPOINT = 4, /* the SECDED-protected copy on the board */
  TARGET_CPU = 5,        /* SEFI: pattern.kind is a hil_sefi_t */
  TARGET_STACK = 6,      /* bit 0 = the stack pointer's byte, upwards to its base */
  TARGET_HEAP = 7,       /* the workload's scratch memory */
  TARGET_TEXT = 8,       /* the machine code of the step */
  TARGET_GPR = 9,        /* general registers, pointer_bits each, program counter last */
  TARGET_VECTOR = 10,    /* vector registers, as the machine saves them */
  TARGET_AGENT = 11,     /* the memory with which the agent itself works (agent_memory.c) */
  TARGET_CHECKS = 12     /* the SECDED check bits of that copy, one byte per 64-bit word */
} hil_target_t;

typedef enum {
  SEFI_HANG = 1, /* the processor executes nothing more */
  SEFI_CRASH = 2, /* it executes an illegal instruction */
  SEFI_RESET = 3  /* the whole board resets */
} hil_sefi_t;

/* What an experiment of a campaign flips a bit of. */
typedef enum {
  SPACE_MEMORY = 0, /* the worker's memory, counted from hil_campaign_opened_t.arena */
  SPACE_GPR = 1,    /* as TARGET_GPR */
  SPACE_VECTOR = 2, /* as TARGET_VECTOR */
  SPACE_CPU = 3     /* as TARGET_CPU, byte number SEFI_HANG or SEFI_CRASH: to show that they are seen */
} hil_space_t;

enum { SPACE_CPU_TEXT = 16 /* from this byte of SPACE_CPU on: the machine code, as TARGET_TEXT */ };

/* Where an experiment stops that is to be inspected. */
typedef enum {
  STOP_AT_UPSET = 0,    /* the bit is flipped, and nothing has been executed since */
  STOP_AT_END = 1,      /* the step has ended, a signal would end the worker, or its budget is used up */
  STOP_FOR_DEBUGGER = 2 /* as STOP_AT_UPSET, and the worker is a stopped process that nobody traces */
} hil_stop_t;

/* What became of it: the two bits of its outcome, and for a failure one byte more. */
typedef enum {
  OUTCOME_MASKED = 0, /* output, state and what else the next step depends on are as without it */
  OUTCOME_LATENT = 1, /* the output is, the rest is not */
  OUTCOME_SDC = 2,    /* the output is not */
  OUTCOME_FAILED = 3  /* a byte more: the signal that the worker would have died of, or hil_failure_t */
} hil_outcome_t;

/* What more a request asks for: bits, whose details stand in this order. */
typedef enum {
  DETAIL_BITS = 1,    /* SDC: how many bits of the output differ, 255 for more */
  DETAIL_DIFFERS = 2, /* the step has ended, and not as without it: hil_differs_t */
  DETAIL_OUTPUT = 4, /* SDC: a bit for each byte of the output, set where it differs, the first lowest; then
                         these bytes, exclusive-or with the right ones */
  DETAIL_FATE = 8 /* latent or SDC: hil_fate_t, and in which of the steps that follow */
} hil_detail_t;

/* How the end of a step differs from that without the fault: bits. */
typedef enum {
  DIFFERS_OUTPUT = 1, /* its digest */
  DIFFERS_STATE = 2, /* its digest */
  DIFFERS_REST = 4, /* what else the next step depends on: registers, stack, control block */
  DIFFERS_TICKS = 8, /* the number of ticks */
  DIFFERS_UNSEEN = 16 /* output or state differ, and their digest does not */
} hil_differs_t;

/* What comes of a step that has ended otherwise, in the steps that follow. */
typedef enum {
  FATE_LATENT = 0, /* all outputs are right, and the end still is not as without it */
  FATE_HEALED = 1, /* all is as without it */
  FATE_SDC = 2, /* a wrong output */
  FATE_CRASH = 3,
  FATE_HANG = 4,
  FATE_DETECTED = 5, /* another number of ticks */
  FATE_STATE = 6 /* a wrong state after a right output; only where the state was put right before */
} hil_fate_t;

typedef enum {
  FAILURE_HANG = 0, /* the step passed its budget of CPU time or of ticks */
  FAILURE_COUNT = 255 /* it ended with the right output and another number of ticks, which shows */
} hil_failure_t;

typedef enum {
  TRIGGER_TICK = 0, /* when the step's tick count is |at| (0: before it starts), then |steps| more
                       machine instructions, where the port can count them */
  TRIGGER_US = 1 /* |at| microseconds after the step began */
} hil_trigger_t;

typedef enum {
  WORKER_DONE = 0, /* the step ended by itself */
  WORKER_CRASHED = 1, /* the worker died of |signal| */
  WORKER_HUNG = 2, /* it used up its budget and was killed */
  WORKER_ABSENT = 3 /* there was no worker: it died in an earlier frame */
} hil_worker_status_t;

typedef enum {
  UPSET_ARMED = 0,
  UPSET_INJECTED = 1, /* done and read back */
  UPSET_MISSED = 2, /* the step ended, or died, before the position was reached */
  UPSET_FAILED = 3 /* the system refused (detail) */
} hil_upset_state_t;

/* What the worker did first, until the end of the step, with the bytes that an upset changed. */
typedef enum {
  FIRST_UNKNOWN = 0, /* hil_activation_t.reason says why */
  FIRST_ACTIVATED = 1, /* it read one of them; of machine code: it executed that instruction */
  FIRST_OVERWRITTEN = 2, /* it overwrote all of them, and had read none */
  FIRST_NONE = 3 /* neither: it read none, and left one or all of them as they were */
} hil_first_access_t;

/* How an agent knows the digest of what it runs from. */
typedef enum {
  IMAGE_MEASURED = 1, /* it has read its own executable */
  IMAGE_CLAIMED = 2   /* a number that was put into it when it was built */
} hil_image_known_t;

/* Why that is not known. */
typedef enum {
  UNWATCHED_NOT = 0, /* it is known, or the upset was not injected or changed nothing */
  UNWATCHED_TARGET = 1, /* not of this target: registers, the agent's memory, a whole program */
  UNWATCHED_STUCK = 2, /* a cell that is held has no first access */
  UNWATCHED_REFUSED = 3, /* there are no debug registers, or the system refuses them */
  UNWATCHED_FULL = 4, /* more bytes were changed in this step than they can watch */
  UNWATCHED_INSTRUCTION = 5 /* it was written by an instruction that may have read it first */
} hil_unwatched_t;

/* What a LIMIT asks for; the bits of hil_limited_t.refused. */
typedef enum {
  LIMIT_DUTY = 1,
  LIMIT_CORES = 2,
  LIMIT_SUSPEND = 4,
  LIMIT_CLOCK = 8,
  LIMIT_MODE = 16
} hil_limit_bit_t;

/* How a limit is kept; the bits of hil_limited_t.means. */
typedef enum {
  MEANS_HOLD = 1, /* the answer to a STEP is withheld */
  MEANS_SLICE = 2, /* a long step is made to stand still in between */
  MEANS_STOP = 4, /* the worker stands still, and begins no step */
  MEANS_AFFINITY = 8, /* the worker is kept to some cores */
  MEANS_CPUFREQ = 16, /* the system's frequency governor is capped */
  MEANS_NVPMODEL = 32 /* the power mode of a Jetson was changed */
} hil_means_bit_t;

typedef struct {
  uint8_t wire_version;
  uint8_t pointer_bits; /* 64 or 32 */
  uint16_t cores;
  uint32_t memory_mib;
  uint64_t boot_id; /* differs after every start of the agent */
  uint64_t uptime_us;
  uint32_t targets; /* bit t set: target t can be hit here */
  uint32_t gpr_count; /* general registers that TARGET_GPR spans */
  uint32_t vector_bytes; /* [byte] that TARGET_VECTOR spans */
  uint32_t heartbeat; /* steps since start */
  char port[MESSAGE_NAME_LEN]; /* "linux", "inproc" */
  char arch[MESSAGE_NAME_LEN]; /* "x86_64", "aarch64" */
  char version[MESSAGE_NAME_LEN]; /* agent software */
  char board[MESSAGE_TEXT_LEN]; /* model as the system reports it */
  char serial[MESSAGE_TEXT_LEN]; /* board serial number, or empty */
} hil_hello_t;

typedef struct {
  char workload[MESSAGE_NAME_LEN];
  uint64_t seed;
} hil_load_t;

typedef struct {
  uint32_t state_len;
  uint32_t input_len;
  uint32_t output_len;
  uint32_t scratch_len;
  uint32_t ticks;
  uint32_t text_len;
  uint64_t state_digest;
} hil_loaded_t;

typedef struct {
  uint64_t cpu_us; /* CPU time that one step may use before it is called hung */
  uint32_t max_ticks; /* progress beyond this is a runaway, also called hung; 0: no limit */
  uint32_t scrub_words; /* [64-bit word] of each copy, checked and corrected after each step */
} hil_budget_t;

typedef struct {
  uint64_t frame; /* the next one, or the last one again */
  uint16_t len;
  uint8_t input[MESSAGE_IO_MAX];
} hil_step_t;

typedef struct {
  uint64_t frame;
  uint8_t status; /* hil_worker_status_t */
  uint8_t signal; /* of a crashed worker */
  uint8_t pending; /* upsets armed for this frame whose reports wait */
  uint32_t ticks;
  uint32_t cpu_us; /* CPU time of the step */
  uint32_t step_us; /* from its STEP to this answer by the board's clock, pauses included */
  uint64_t output_digest;
  uint64_t state_digest;
  uint16_t len;
  uint8_t output[MESSAGE_IO_MAX];
} hil_reply_t;

typedef struct {
  uint32_t id; /* chosen by the host, unique in a run */
  uint64_t frame;
  uint8_t trigger; /* hil_trigger_t */
  uint8_t target; /* hil_target_t */
  uint32_t at; /* [tick] or [us] */
  uint32_t steps; /* [instruction] after the tick */
  uint32_t hold_frames; /* STUCK: frames it lasts, 0 = until LOAD or a new start */
  uint8_t kind; /* hil_upset_kind_t, or hil_sefi_t for TARGET_CPU */
  uint8_t width;
  uint64_t bit; /* reduced modulo the target's size in bits at the moment of the hit; with
                           bit ARM_EXACT_SHIFT set, a pattern that does not fit there FAILs instead */
  uint64_t value;
} hil_arm_t;

typedef struct {
  uint32_t id;
  uint8_t state; /* hil_upset_state_t */
  uint8_t verified; /* read back and equal to what the pattern makes of |before| */
  uint8_t changed; /* |after| differs from |before| */
  uint8_t persisted; /* the changed bits were still so when the step ended */
  int8_t detail; /* hil_status_t when FAILED */
  uint64_t frame;
  uint32_t tick; /* position really hit */
  uint32_t steps; /* instructions after that tick, where counted */
  uint32_t at_us; /* [us] CPU time into the step, 0 if not measured */
  uint64_t pc_offset; /* program counter relative to the workload's text; all ones if outside */
  uint64_t bit; /* first bit of the window, after reduction */
  uint64_t space; /* [bit] size of the target at that moment */
  uint8_t len; /* [byte] of the window */
  uint8_t before[16];
  uint8_t after[16];
} hil_report_t;

typedef struct {
  uint32_t id;
  uint8_t first; /* hil_first_access_t */
  uint8_t reason; /* hil_unwatched_t */
} hil_activation_t;

typedef struct {
  uint8_t region; /* hil_region_t */
  uint32_t span; /* [byte] */
  uint32_t first; /* span number */
  uint16_t count; /* <= MESSAGE_SPANS_MAX */
} hil_spans_query_t;

typedef struct {
  uint8_t region;
  uint32_t span;
  uint32_t first;
  uint16_t count;
  uint64_t digests[MESSAGE_SPANS_MAX];
} hil_spans_t;

typedef struct {
  uint8_t region;
  uint32_t offset;
  uint32_t len;
} hil_range_t;

typedef struct {
  uint8_t region;
  uint32_t offset;
  uint16_t len; /* <= MESSAGE_DATA_MAX */
  uint8_t bytes[MESSAGE_DATA_MAX];
} hil_data_t;

typedef struct {
  uint64_t frame; /* last completed frame; all ones: none yet */
  uint64_t state_digest;
} hil_sync_t;

typedef struct {
  uint8_t request; /* hil_message_type_t that was carried out */
  uint64_t value; /* its result where it has one, else 0 */
} hil_done_t;

typedef struct {
  uint8_t request;
  int8_t status; /* hil_status_t */
  uint32_t detail; /* an errno where the system refused, else 0 */
} hil_refusal_t;

typedef struct {
  int8_t reason; /* hil_status_t of the decoder */
} hil_nak_t;

typedef struct {
  char name[8];
  int32_t mv; /* [mV] INT32_MIN unknown */
  int32_t ma; /* [mA] */
} hil_rail_t;

/* Unknown values: INT32_MIN, or all ones. */
typedef struct {
  uint64_t uptime_us;
  int32_t cpu_temp_mc; /* [1e-3 degC] */
  uint32_t clock_khz;
  uint32_t throttled; /* Raspberry Pi get_throttled bits, all ones unknown */
  uint32_t rss_kib;
  uint32_t free_mib;
  uint32_t steps;
  uint32_t crashes;
  uint32_t hangs;
  uint32_t restarts;
  uint64_t corrected; /* SECDED words put right */
  uint64_t uncorrected; /* SECDED words beyond repair */
  uint64_t rx_bytes;
  uint64_t rx_frames;
  uint64_t rx_errors; /* CRC + format + overrun + version */
  uint64_t tx_bytes;
  uint64_t tx_frames;
  uint64_t duplicates; /* requests answered from the cache */
  uint8_t rails;
  hil_rail_t rail[MESSAGE_RAILS_MAX];
} hil_health_t;

/* All of it absolute: what was limited before and is not named here is free again. */
typedef struct {
  uint16_t duty_permille; /* 1..1000: share of its speed that the board is left with */
  uint8_t cores; /* that the worker may use; 0: all */
  uint8_t suspend; /* 1: the worker stands still, and begins no step */
  uint32_t clock_khz; /* cap; 0: none */
  char mode[MESSAGE_TEXT_LEN]; /* power mode, as the system names it; empty: as found at the start */
} hil_limits_t;

/* What holds now, read back where the system can be asked. */
typedef struct {
  uint16_t duty_permille;
  uint8_t cores; /* that the worker can run on; 0: not known */
  uint8_t suspend;
  uint32_t clock_khz; /* the highest that any core may run at; 0: not known */
  char mode[MESSAGE_TEXT_LEN]; /* empty: not known */
  uint8_t refused; /* hil_limit_bit_t: what was asked and does not hold */
  uint8_t means; /* hil_means_bit_t: how limits are kept now */
  uint32_t detail; /* errno of the first refusal; 0: none, or this board has no such thing */
} hil_limited_t;

typedef struct {
  uint32_t baud; /* 0: the rate that the agent was started with */
} hil_baud_t;

/* What a reading is of; its unit. */
typedef enum {
  READING_TEMPERATURE = 1, /* [1e-3 degC] */
  READING_FAN_SPEED = 2, /* [1/min] */
  READING_FAN_DRIVE = 3 /* [1e-3] of its full drive */
} hil_reading_kind_t;

typedef struct {
  uint8_t kind; /* hil_reading_kind_t */
  char name[MESSAGE_NAME_LEN]; /* as the system calls it */
  int32_t value;
} hil_reading_t;

/* Only what can be read at this moment is there. */
typedef struct {
  char mode[MESSAGE_TEXT_LEN]; /* power mode, as the system names it; empty: not known, or no such thing */
  uint8_t readings;
  hil_reading_t reading[MESSAGE_READINGS_MAX];
} hil_sensors_t;

typedef struct {
  uint8_t known; /* hil_image_known_t */
  uint8_t sha256[MESSAGE_DIGEST_LEN];
} hil_image_t;

/* How a program, the worker of a workload exec:NAME, ended. */
typedef enum {
  PROGRAM_NONE = 0, /* none has ended since the agent started, but by order */
  PROGRAM_EXITED = 1, /* by itself, with this exit code */
  PROGRAM_SIGNALED = 2, /* of this signal */
  PROGRAM_VIOLATED = 3, /* it broke the protocol, and was killed */
  PROGRAM_SILENT = 4 /* it did not answer in time, and was killed */
} hil_program_end_t;

typedef struct {
  uint32_t init_ms; /* [ms] in which programs must answer INIT from now on; 0: as it is */
  uint16_t offset; /* [byte] in what is kept of its standard error */
} hil_program_query_t;

typedef struct {
  uint32_t init_ms; /* [ms] in force */
  uint32_t ends; /* programs that have ended so since the agent started */
  uint8_t how; /* hil_program_end_t of the last of them */
  uint8_t code; /* exit code or signal; else 0 */
  uint64_t written; /* [byte] on standard error, in all */
  uint16_t kept; /* [byte] the last of them: <= MESSAGE_STDERR_MAX */
  uint16_t offset; /* [byte] of the first byte in those */
  uint16_t len; /* <= MESSAGE_PART_MAX */
  uint8_t bytes[MESSAGE_PART_MAX];
} hil_program_t;

typedef struct {
  uint16_t first; /* number of the first region wanted */
} hil_regions_query_t;

/* Memory that a program has named, as it has declared it: MESSAGE_REGION_INFO bytes for each region. */
typedef struct {
  uint16_t total; /* regions that there are */
  uint16_t first; /* number of the first one in it */
  uint16_t len; /* <= MESSAGE_PACKED_MAX */
  uint8_t bytes[MESSAGE_PACKED_MAX];
} hil_regions_t;

/* Where things lie in the memory of the worker whose step is held. */
typedef struct {
  uint64_t arena; /* address of its first byte */
  uint32_t state_at, input_at, output_at, heap_at, stack_at; /* [byte] from there */
  uint32_t stack_len; /* [byte] all of it; the others are as in hil_loaded_t */
  uint64_t rest; /* address of the instruction at which a step ends, which is not executed */
  uint64_t text; /* address of the step's machine code */
  uint32_t text_len;
  uint16_t gpr_count; /* registers of SPACE_GPR, program counter last */
  uint8_t gpr_bytes; /* [byte] of each */
  uint16_t vector_bytes;
  uint32_t ticks; /* of the fault-free step */
  uint64_t output_digest, state_digest; /* after it */
} hil_campaign_opened_t;

typedef struct {
  uint64_t position; /* [instruction] of the step, from 0 */
} hil_campaign_position_t;

/* Before each instruction: how many registers have changed since the one before (the program counter not
 * counted), the change of the program counter, and for each of these its number and change. Numbers are one
 * byte, changes varints: zigzag of the difference. Before the first all registers were zero. After the last,
 * |ended|. */
typedef struct {
  uint64_t position; /* of the first instruction in it */
  uint8_t ended;
  uint16_t len; /* <= MESSAGE_PACKED_MAX */
  uint8_t bytes[MESSAGE_PACKED_MAX];
} hil_campaign_trace_t;

typedef struct {
  uint64_t address;
  uint16_t len; /* <= MESSAGE_PACKED_MAX */
} hil_campaign_code_query_t;

typedef struct {
  uint64_t address;
  uint16_t len;
  uint8_t bytes[MESSAGE_PACKED_MAX];
} hil_campaign_code_t;

/* Experiments in the order of their instructions: for each site how many instructions after the one before
 * (varint), 4 * byte number + hil_space_t (varint), a mask of the bits to flip one after the other, and in
 * how many bytes from there on (one byte each). sites.h reads them. */
typedef struct {
  uint8_t details; /* hil_detail_t that are wanted */
  uint16_t len; /* <= MESSAGE_PACKED_MAX */
  uint8_t bytes[MESSAGE_PACKED_MAX];
} hil_campaign_sites_t;

/* Targets from which the board draws experiments by itself, or what is to be drawn next from the same ones. draws.h
 * reads them. */
typedef struct {
  uint8_t continued; /* 1: |bytes| are a continuation */
  uint16_t len; /* <= MESSAGE_PACKED_MAX */
  uint8_t bytes[MESSAGE_PACKED_MAX];
} hil_campaign_draws_t;

/* Their outcomes, as sites.h packs them, then the details, from the last to the first. They are of fewer
 * experiments than were asked for if the details of no more fit. Those of DRAW and CODED are coded (outcome_coder.h). */
typedef struct {
  uint64_t position; /* [instruction] where the last one struck */
  uint64_t path; /* digest of the program counters up to there: d = (d ^ pc) * 0x100000001b3, from 0 */
  uint16_t count; /* of experiments, <= CAMPAIGN_DRAWN_MAX */
  uint16_t len; /* <= MESSAGE_PACKED_MAX */
  uint8_t bytes[MESSAGE_PACKED_MAX];
} hil_campaign_outcomes_t;

/* Inputs of the steps that follow the one that is held, one after the other: |first| is 0, or the number of those
 * that were given before, which these are added to. */
typedef struct {
  uint8_t first;
  uint8_t restored; /* 1: before the first of them the state is put right, as a resync does */
  uint16_t len; /* <= MESSAGE_PACKED_MAX: of one or several whole inputs */
  uint8_t bytes[MESSAGE_PACKED_MAX];
} hil_campaign_follow_t;

/* One experiment that is left where it stops, until the next STRIKE, RUN or CLOSE. */
typedef struct {
  uint64_t position; /* [instruction] where the last experiment of the RUN before has struck */
  uint64_t byte;
  uint8_t space; /* hil_space_t */
  uint8_t bit; /* number of the bit, 0..7 */
  uint8_t stop; /* hil_stop_t */
} hil_campaign_strike_t;

/* How the worker stands there. */
typedef struct {
  uint64_t pc;
  uint64_t fault; /* address whose access has raised |signal|, where the system says so; else 0 */
  uint32_t pid; /* number of the worker's process, 0 if it is none */
  uint8_t signal; /* that would end it now, 0 if none would */
} hil_campaign_struck_t;

/* Flags in these structs are uint8_t, 0 or 1, as they are on the wire: a layout is copied before it is checked, and
 * a bool that is neither 0 nor 1 would be undefined behaviour. */

/* pack: write |m| into |out| (capacity WIRE_PAYLOAD_MAX always suffices). Returns HIL_OK and the
 * length, HIL_ERR_ARG if a length or count field exceeds its maximum, HIL_ERR_EXHAUSTED if cap is
 * too small.
 * unpack: read |len| bytes. HIL_OK; HIL_ERR_PAYLOAD if len is not exactly what the layout needs, or a length,
 * count, enumeration or flag in it is out of range; *m is then indeterminate. Names and texts come out
 * zero-terminated (their last byte is forced to zero), and zero behind the terminator; so are entries
 * beyond a length or count.
 * Both: HIL_ERR_ARG for null pointers. */
int hil_hello_pack(const hil_hello_t *m, uint8_t *out, size_t cap, size_t *out_len);
int hil_hello_unpack(hil_hello_t *m, const uint8_t *data, size_t len);
int hil_load_pack(const hil_load_t *m, uint8_t *out, size_t cap, size_t *out_len);
int hil_load_unpack(hil_load_t *m, const uint8_t *data, size_t len);
int hil_loaded_pack(const hil_loaded_t *m, uint8_t *out, size_t cap, size_t *out_len);
int hil_loaded_unpack(hil_loaded_t *m, const uint8_t *data, size_t len);
int hil_budget_pack(const hil_budget_t *m, uint8_t *out, size_t cap, size_t *out_len);
int hil_budget_unpack(hil_budget_t *m, const uint8_t *data, size_t len);
int hil_step_pack(const hil_step_t *m, uint8_t *out, size_t cap, size_t *out_len);
int hil_step_unpack(hil_step_t *m, const uint8_t *data, size_t len);
int hil_reply_pack(const hil_reply_t *m, uint8_t *out, size_t cap, size_t *out_len);
int hil_reply_unpack(hil_reply_t *m, const uint8_t *data, size_t len);
int hil_arm_pack(const hil_arm_t *m, uint8_t *out, size_t cap, size_t *out_len);
int hil_arm_unpack(hil_arm_t *m, const uint8_t *data, size_t len);
int hil_campaign_opened_pack(const hil_campaign_opened_t *m, uint8_t *out, size_t cap, size_t *out_len);
int hil_campaign_opened_unpack(hil_campaign_opened_t *m, const uint8_t *data, size_t len);
int hil_campaign_position_pack(const hil_campaign_position_t *m, uint8_t *out, size_t cap, size_t *out_len);
int hil_campaign_position_unpack(hil_campaign_position_t *m, const uint8_t *data, size_t len);
int hil_campaign_trace_pack(const hil_campaign_trace_t *m, uint8_t *out, size_t cap, size_t *out_len);
int hil_campaign_trace_unpack(hil_campaign_trace_t *m, const uint8_t *data, size_t len);
int hil_campaign_code_query_pack(const hil_campaign_code_query_t *m, uint8_t *out, size_t cap,
                                 size_t *out_len);
int hil_campaign_code_query_unpack(hil_campaign_code_query_t *m, const uint8_t *data, size_t len);
int hil_campaign_code_pack(const hil_campaign_code_t *m, uint8_t *out, size_t cap, size_t *out_len);
int hil_campaign_code_unpack(hil_campaign_code_t *m, const uint8_t *data, size_t len);
int hil_campaign_sites_pack(const hil_campaign_sites_t *m, uint8_t *out, size_t cap, size_t *out_len);
int hil_campaign_sites_unpack(hil_campaign_sites_t *m, const uint8_t *data, size_t len);
int hil_campaign_draws_pack(const hil_campaign_draws_t *m, uint8_t *out, size_t cap, size_t *out_len);
int hil_campaign_draws_unpack(hil_campaign_draws_t *m, const uint8_t *data, size_t len);
int hil_campaign_outcomes_pack(const hil_campaign_outcomes_t *m, uint8_t *out, size_t cap, size_t *out_len);
int hil_campaign_outcomes_unpack(hil_campaign_outcomes_t *m, const uint8_t *data, size_t len);
int hil_campaign_follow_pack(const hil_campaign_follow_t *m, uint8_t *out, size_t cap, size_t *out_len);
int hil_campaign_follow_unpack(hil_campaign_follow_t *m, const uint8_t *data, size_t len);
int hil_campaign_strike_pack(const hil_campaign_strike_t *m, uint8_t *out, size_t cap, size_t *out_len);
int hil_campaign_strike_unpack(hil_campaign_strike_t *m, const uint8_t *data, size_t len);
int hil_campaign_struck_pack(const hil_campaign_struck_t *m, uint8_t *out, size_t cap, size_t *out_len);
int hil_campaign_struck_unpack(hil_campaign_struck_t *m, const uint8_t *data, size_t len);
int hil_id_pack(uint32_t id, uint8_t *out, size_t cap, size_t *out_len);
int hil_id_unpack(uint32_t *id, const uint8_t *data, size_t len);
int hil_report_pack(const hil_report_t *m, uint8_t *out, size_t cap, size_t *out_len);
int hil_report_unpack(hil_report_t *m, const uint8_t *data, size_t len);
int hil_activation_pack(const hil_activation_t *m, uint8_t *out, size_t cap, size_t *out_len);
int hil_activation_unpack(hil_activation_t *m, const uint8_t *data, size_t len);
int hil_spans_query_pack(const hil_spans_query_t *m, uint8_t *out, size_t cap, size_t *out_len);
int hil_spans_query_unpack(hil_spans_query_t *m, const uint8_t *data, size_t len);
int hil_spans_pack(const hil_spans_t *m, uint8_t *out, size_t cap, size_t *out_len);
int hil_spans_unpack(hil_spans_t *m, const uint8_t *data, size_t len);
int hil_range_pack(const hil_range_t *m, uint8_t *out, size_t cap, size_t *out_len);
int hil_range_unpack(hil_range_t *m, const uint8_t *data, size_t len);
int hil_data_pack(const hil_data_t *m, uint8_t *out, size_t cap, size_t *out_len);
int hil_data_unpack(hil_data_t *m, const uint8_t *data, size_t len);
int hil_sync_pack(const hil_sync_t *m, uint8_t *out, size_t cap, size_t *out_len);
int hil_sync_unpack(hil_sync_t *m, const uint8_t *data, size_t len);
int hil_done_pack(const hil_done_t *m, uint8_t *out, size_t cap, size_t *out_len);
int hil_done_unpack(hil_done_t *m, const uint8_t *data, size_t len);
int hil_refusal_pack(const hil_refusal_t *m, uint8_t *out, size_t cap, size_t *out_len);
int hil_refusal_unpack(hil_refusal_t *m, const uint8_t *data, size_t len);
int hil_nak_pack(const hil_nak_t *m, uint8_t *out, size_t cap, size_t *out_len);
int hil_nak_unpack(hil_nak_t *m, const uint8_t *data, size_t len);
int hil_health_pack(const hil_health_t *m, uint8_t *out, size_t cap, size_t *out_len);
int hil_health_unpack(hil_health_t *m, const uint8_t *data, size_t len);
int hil_limits_pack(const hil_limits_t *m, uint8_t *out, size_t cap, size_t *out_len);
int hil_limits_unpack(hil_limits_t *m, const uint8_t *data, size_t len);
int hil_limited_pack(const hil_limited_t *m, uint8_t *out, size_t cap, size_t *out_len);
int hil_limited_unpack(hil_limited_t *m, const uint8_t *data, size_t len);
int hil_baud_pack(const hil_baud_t *m, uint8_t *out, size_t cap, size_t *out_len);
int hil_baud_unpack(hil_baud_t *m, const uint8_t *data, size_t len);
int hil_image_pack(const hil_image_t *m, uint8_t *out, size_t cap, size_t *out_len);
int hil_image_unpack(hil_image_t *m, const uint8_t *data, size_t len);
int hil_sensors_pack(const hil_sensors_t *m, uint8_t *out, size_t cap, size_t *out_len);
int hil_sensors_unpack(hil_sensors_t *m, const uint8_t *data, size_t len);
int hil_program_query_pack(const hil_program_query_t *m, uint8_t *out, size_t cap, size_t *out_len);
int hil_program_query_unpack(hil_program_query_t *m, const uint8_t *data, size_t len);
int hil_program_pack(const hil_program_t *m, uint8_t *out, size_t cap, size_t *out_len);
int hil_program_unpack(hil_program_t *m, const uint8_t *data, size_t len);
int hil_regions_query_pack(const hil_regions_query_t *m, uint8_t *out, size_t cap, size_t *out_len);
int hil_regions_query_unpack(hil_regions_query_t *m, const uint8_t *data, size_t len);
int hil_regions_pack(const hil_regions_t *m, uint8_t *out, size_t cap, size_t *out_len);
int hil_regions_unpack(hil_regions_t *m, const uint8_t *data, size_t len);
/* cffi:end */

#endif
