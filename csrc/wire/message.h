/* Messages: what the payload of each frame type means. SPDX-License-Identifier: Apache-2.0
 *
 * The host asks, the agent answers; an answer has the request's seq and its type | 0x80. A host that
 * hears nothing sends the same bytes again: the agent answers a repeated seq from its cache without
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
  MESSAGE_IO_MAX = 256,    /* [byte] largest input and output of a workload */
  MESSAGE_DATA_MAX = 1008, /* [byte] of a region in one message */
  MESSAGE_SPANS_MAX = 64,  /* digests in one message */
  MESSAGE_RAILS_MAX = 4,
  MESSAGE_READINGS_MAX = 24
};

typedef enum {
  MSG_HELLO = 0x01,      /* who are you? -> hello_t */
  MSG_LOAD = 0x02,       /* load_t -> loaded_t: workload to its initial state */
  MSG_BUDGET = 0x03,     /* budget_t -> done_t: what a step may take, what is done beside it */
  MSG_STEP = 0x04,       /* step_t -> reply_t: one frame */
  MSG_ARM = 0x05,        /* arm_t -> done_t: prepare an upset */
  MSG_REPORT = 0x06,     /* id u32 -> report_t: what became of it */
  MSG_SPANS = 0x07,      /* spans_query_t -> spans_t */
  MSG_READ = 0x08,       /* range_t -> data_t, several with one seq */
  MSG_WRITE = 0x09,      /* data_t -> done_t */
  MSG_SYNC = 0x0a,       /* sync_t -> done_t: adopt a frame number, state digest checked */
  MSG_CHECKPOINT = 0x0b, /* sync_t -> sync_t: keep a copy of the state on the board, if it is this one */
  MSG_RESTORE = 0x0c,    /* sync_t -> sync_t: go back to the copy of this frame and digest */
  MSG_RESTART = 0x0d,    /* - -> done_t: new worker process, state kept */
  MSG_RESET = 0x0e,      /* - -> done_t: the agent starts anew, as after power-on */
  MSG_HEALTH = 0x0f,     /* - -> health_t */
  MSG_LIMIT = 0x10,      /* limits_t -> limited_t: what the board is left with */
  MSG_BAUD = 0x11,       /* baud_t -> baud_t: run the line at another rate from now on */
  MSG_SENSORS = 0x12,    /* - -> sensors_t: what HEALTH has no room for */
  MSG_ANSWER = 0x80,     /* flag: an answer to the type below it */
  MSG_ERROR = 0xfe,      /* refusal_t: the request with this seq was refused */
  MSG_NAK = 0xff         /* nak_t: bytes arrived that are no frame (seq 0) */
} message_type_t;

typedef enum { REGION_STATE = 0, REGION_INPUT = 1, REGION_OUTPUT = 2 } region_t;

/* Where an upset hits. The first four exist on every board ("portable"; link noise is made by the
 * host and never reaches ARM). */
typedef enum {
  TARGET_STATE = 0,
  TARGET_INPUT = 1,
  TARGET_OUTPUT = 2,
  TARGET_LINK = 3,
  TARGET_CHECKPOINT = 4, /* the SECDED-protected copy on the board */
  TARGET_CPU = 5,        /* SEFI: pattern.kind is a sefi_t */
  TARGET_STACK = 6,      /* bit 0 = the stack pointer's byte, upwards to its base */
  TARGET_HEAP = 7,       /* the workload's scratch memory */
  TARGET_TEXT = 8,       /* the machine code of the step */
  TARGET_GPR = 9,        /* general registers, pointer_bits each, program counter last */
  TARGET_VECTOR = 10     /* vector registers, as the machine saves them */
} target_t;

typedef enum {
  SEFI_HANG = 1, /* the processor executes nothing more */
  SEFI_CRASH = 2, /* it executes an illegal instruction */
  SEFI_RESET = 3  /* the whole board starts anew */
} sefi_t;

typedef enum {
  TRIGGER_TICK = 0, /* when the step's tick count is |at| (0: before it starts), then |steps| more
                       machine instructions, where the port can count them */
  TRIGGER_US = 1    /* |at| microseconds after the step began */
} trigger_t;

typedef enum {
  WORKER_DONE = 0,    /* the step ended by itself */
  WORKER_CRASHED = 1, /* the worker died of |signal| */
  WORKER_HUNG = 2,    /* it used up its budget and was killed */
  WORKER_ABSENT = 3   /* there was no worker: it died in an earlier frame */
} worker_status_t;

typedef enum {
  UPSET_ARMED = 0,
  UPSET_INJECTED = 1, /* done and read back */
  UPSET_MISSED = 2,   /* the step ended, or died, before the position was reached */
  UPSET_FAILED = 3    /* the system refused (detail) */
} upset_state_t;

/* What a LIMIT asks for; the bits of limited_t.refused. */
typedef enum {
  LIMIT_DUTY = 1,
  LIMIT_CORES = 2,
  LIMIT_SUSPEND = 4,
  LIMIT_CLOCK = 8,
  LIMIT_MODE = 16
} limit_bit_t;

/* How a limit is kept; the bits of limited_t.means. */
typedef enum {
  MEANS_HOLD = 1,     /* the answer to a STEP is withheld */
  MEANS_SLICE = 2,    /* a long step is made to stand still in between */
  MEANS_STOP = 4,     /* the worker stands still, and begins no step */
  MEANS_AFFINITY = 8, /* the worker is kept to some cores */
  MEANS_CPUFREQ = 16, /* the system's frequency governor is capped */
  MEANS_NVPMODEL = 32 /* the power mode of a Jetson was changed */
} means_bit_t;

typedef struct {
  uint8_t wire_version;
  uint8_t pointer_bits;    /* 64 or 32 */
  uint16_t cores;
  uint32_t memory_mib;
  uint64_t boot_id;        /* differs after every start of the agent */
  uint64_t uptime_us;
  uint32_t targets;        /* bit t set: target t can be hit here */
  uint32_t gpr_count;      /* general registers that TARGET_GPR spans */
  uint32_t vector_bytes;   /* [byte] that TARGET_VECTOR spans */
  uint32_t heartbeat;      /* steps since start */
  char port[MESSAGE_NAME_LEN];    /* "linux", "inproc" */
  char arch[MESSAGE_NAME_LEN];    /* "x86_64", "aarch64" */
  char version[MESSAGE_NAME_LEN]; /* agent software */
  char board[MESSAGE_TEXT_LEN];   /* model as the system tells it */
  char serial[MESSAGE_TEXT_LEN];  /* board serial number, or empty */
} hello_t;

typedef struct {
  char workload[MESSAGE_NAME_LEN];
  uint64_t seed;
} load_t;

typedef struct {
  uint32_t state_len;
  uint32_t input_len;
  uint32_t output_len;
  uint32_t scratch_len;
  uint32_t ticks;
  uint32_t text_len;
  uint64_t state_digest;
} loaded_t;

typedef struct {
  uint64_t cpu_us;    /* CPU time that one step may use before it is called hung */
  uint32_t max_ticks; /* progress beyond this is a runaway, also called hung; 0: no limit */
  uint32_t checkpoint_every; /* not used: boards keep only what CHECKPOINT names; hosts send 0 */
  uint32_t scrub_words;      /* [64-bit word] of each copy, checked and corrected after each step */
} budget_t;

typedef struct {
  uint64_t frame; /* the next one, or the last one again */
  uint16_t len;
  uint8_t input[MESSAGE_IO_MAX];
} step_t;

typedef struct {
  uint64_t frame;
  uint8_t status; /* worker_status_t */
  uint8_t signal; /* of a crashed worker */
  uint8_t pending; /* upsets armed for this frame whose reports wait */
  uint32_t ticks;
  uint32_t cpu_us; /* CPU time of the step */
  uint32_t step_us; /* from its STEP to this answer by the board's clock, pauses included */
  uint64_t output_digest;
  uint64_t state_digest;
  uint16_t len;
  uint8_t output[MESSAGE_IO_MAX];
} reply_t;

typedef struct {
  uint32_t id;          /* chosen by the host, unique in a run */
  uint64_t frame;
  uint8_t trigger;      /* trigger_t */
  uint8_t target;       /* target_t */
  uint32_t at;          /* [tick] or [us] */
  uint32_t steps;       /* [instruction] after the tick */
  uint32_t hold_frames; /* STUCK: frames it lasts, 0 = until LOAD or a new start */
  uint8_t kind;         /* upset_kind_t, or sefi_t for TARGET_CPU */
  uint8_t width;
  uint64_t bit;         /* reduced modulo the target's size in bits at the moment of the hit */
  uint64_t value;
} arm_t;

typedef struct {
  uint32_t id;
  uint8_t state;      /* upset_state_t */
  uint8_t verified;   /* read back and equal to what the pattern makes of |before| */
  uint8_t changed;    /* |after| differs from |before| */
  uint8_t persisted;  /* the changed bits were still so when the step ended */
  int8_t detail;      /* hil_status_t when FAILED */
  uint64_t frame;
  uint32_t tick;      /* position really hit */
  uint32_t steps;     /* instructions after that tick, where counted */
  uint32_t at_us;     /* [us] CPU time into the step, 0 if not measured */
  uint64_t pc_offset; /* program counter relative to the workload's text; all ones if outside */
  uint64_t bit;       /* first bit of the window, after reduction */
  uint64_t space;     /* [bit] size of the target at that moment */
  uint8_t len;        /* [byte] of the window */
  uint8_t before[16];
  uint8_t after[16];
} report_t;

typedef struct {
  uint8_t region; /* region_t */
  uint32_t span;  /* [byte] */
  uint32_t first; /* span number */
  uint16_t count; /* <= MESSAGE_SPANS_MAX */
} spans_query_t;

typedef struct {
  uint8_t region;
  uint32_t span;
  uint32_t first;
  uint16_t count;
  uint64_t digests[MESSAGE_SPANS_MAX];
} spans_t;

typedef struct {
  uint8_t region;
  uint32_t offset;
  uint32_t len;
} range_t;

typedef struct {
  uint8_t region;
  uint32_t offset;
  uint16_t len; /* <= MESSAGE_DATA_MAX */
  uint8_t bytes[MESSAGE_DATA_MAX];
} data_t;

typedef struct {
  uint64_t frame; /* last completed frame; all ones: none yet */
  uint64_t state_digest;
} sync_t;

typedef struct {
  uint8_t request; /* message_type_t that was carried out */
  uint64_t value;  /* its result where it has one, else 0 */
} done_t;

typedef struct {
  uint8_t request;
  int8_t status;   /* hil_status_t */
  uint32_t detail; /* an errno where the system refused, else 0 */
} refusal_t;

typedef struct {
  int8_t reason; /* hil_status_t of the decoder */
} nak_t;

typedef struct {
  char name[8];
  int32_t mv; /* [mV] INT32_MIN unknown */
  int32_t ma; /* [mA] */
} rail_t;

/* Unknown values: INT32_MIN, or all ones. */
typedef struct {
  uint64_t uptime_us;
  int32_t cpu_temp_mc;  /* [1e-3 degC] */
  uint32_t clock_khz;
  uint32_t throttled;   /* Raspberry Pi get_throttled bits, all ones unknown */
  uint32_t rss_kib;
  uint32_t free_mib;
  uint32_t steps;
  uint32_t crashes;
  uint32_t hangs;
  uint32_t restarts;
  uint64_t corrected;   /* SECDED words put right */
  uint64_t uncorrected; /* SECDED words beyond repair */
  uint64_t rx_bytes;
  uint64_t rx_frames;
  uint64_t rx_errors;   /* CRC + format + overrun + version */
  uint64_t tx_bytes;
  uint64_t tx_frames;
  uint64_t duplicates;  /* requests answered from the cache */
  uint8_t rails;
  rail_t rail[MESSAGE_RAILS_MAX];
} health_t;

/* All of it absolute: what was limited before and is not named here is free again. */
typedef struct {
  uint16_t duty_permille; /* 1..1000: share of its speed that the board is left with */
  uint8_t cores;          /* that the worker may use; 0: all */
  uint8_t suspend;        /* 1: the worker stands still, and begins no step */
  uint32_t clock_khz;     /* cap; 0: none */
  char mode[MESSAGE_TEXT_LEN]; /* power mode, as the system names it; empty: as found at the start */
} limits_t;

/* What holds now, read back where the system can be asked. */
typedef struct {
  uint16_t duty_permille;
  uint8_t cores;       /* that the worker can run on; 0: not known */
  uint8_t suspend;
  uint32_t clock_khz;  /* the highest that any core may run at; 0: not known */
  char mode[MESSAGE_TEXT_LEN]; /* empty: not known */
  uint8_t refused;     /* limit_bit_t: what was asked and does not hold */
  uint8_t means;       /* means_bit_t: how limits are kept now */
  uint32_t detail;     /* errno of the first refusal; 0: none, or this board has no such thing */
} limited_t;

typedef struct {
  uint32_t baud; /* 0: the rate that the agent was started with */
} baud_t;

/* What a reading is of; its unit. */
typedef enum {
  READING_TEMPERATURE = 1, /* [1e-3 degC] */
  READING_FAN_SPEED = 2,   /* [1/min] */
  READING_FAN_DRIVE = 3    /* [1e-3] of its full drive */
} reading_kind_t;

typedef struct {
  uint8_t kind; /* reading_kind_t */
  char name[MESSAGE_NAME_LEN]; /* as the system calls it */
  int32_t value;
} reading_t;

/* Only what can be read at this moment is there. */
typedef struct {
  char mode[MESSAGE_TEXT_LEN]; /* power mode, as the system names it; empty: not known, or no such thing */
  uint8_t readings;
  reading_t reading[MESSAGE_READINGS_MAX];
} sensors_t;

/* pack: write |m| into |out| (capacity WIRE_PAYLOAD_MAX always suffices). Returns HIL_OK and the
 * length, HIL_ERR_ARG if a length or count field exceeds its maximum, HIL_ERR_EXHAUSTED if cap is
 * too small.
 * unpack: read |len| bytes. HIL_ERR_PAYLOAD if len is not exactly what the layout needs, or a length,
 * count, enumeration or flag in it is out of range; *m is then indeterminate. Names and texts come out
 * zero-terminated (their last byte is forced to zero), and zero behind the terminator; so are entries
 * beyond a length or count.
 * Both: HIL_ERR_ARG for null pointers. */
int hello_pack(const hello_t *m, uint8_t *out, size_t cap, size_t *out_len);
int hello_unpack(hello_t *m, const uint8_t *data, size_t len);
int load_pack(const load_t *m, uint8_t *out, size_t cap, size_t *out_len);
int load_unpack(load_t *m, const uint8_t *data, size_t len);
int loaded_pack(const loaded_t *m, uint8_t *out, size_t cap, size_t *out_len);
int loaded_unpack(loaded_t *m, const uint8_t *data, size_t len);
int budget_pack(const budget_t *m, uint8_t *out, size_t cap, size_t *out_len);
int budget_unpack(budget_t *m, const uint8_t *data, size_t len);
int step_pack(const step_t *m, uint8_t *out, size_t cap, size_t *out_len);
int step_unpack(step_t *m, const uint8_t *data, size_t len);
int reply_pack(const reply_t *m, uint8_t *out, size_t cap, size_t *out_len);
int reply_unpack(reply_t *m, const uint8_t *data, size_t len);
int arm_pack(const arm_t *m, uint8_t *out, size_t cap, size_t *out_len);
int arm_unpack(arm_t *m, const uint8_t *data, size_t len);
int id_pack(uint32_t id, uint8_t *out, size_t cap, size_t *out_len);
int id_unpack(uint32_t *id, const uint8_t *data, size_t len);
int report_pack(const report_t *m, uint8_t *out, size_t cap, size_t *out_len);
int report_unpack(report_t *m, const uint8_t *data, size_t len);
int spans_query_pack(const spans_query_t *m, uint8_t *out, size_t cap, size_t *out_len);
int spans_query_unpack(spans_query_t *m, const uint8_t *data, size_t len);
int spans_pack(const spans_t *m, uint8_t *out, size_t cap, size_t *out_len);
int spans_unpack(spans_t *m, const uint8_t *data, size_t len);
int range_pack(const range_t *m, uint8_t *out, size_t cap, size_t *out_len);
int range_unpack(range_t *m, const uint8_t *data, size_t len);
int data_pack(const data_t *m, uint8_t *out, size_t cap, size_t *out_len);
int data_unpack(data_t *m, const uint8_t *data, size_t len);
int sync_pack(const sync_t *m, uint8_t *out, size_t cap, size_t *out_len);
int sync_unpack(sync_t *m, const uint8_t *data, size_t len);
int done_pack(const done_t *m, uint8_t *out, size_t cap, size_t *out_len);
int done_unpack(done_t *m, const uint8_t *data, size_t len);
int refusal_pack(const refusal_t *m, uint8_t *out, size_t cap, size_t *out_len);
int refusal_unpack(refusal_t *m, const uint8_t *data, size_t len);
int nak_pack(const nak_t *m, uint8_t *out, size_t cap, size_t *out_len);
int nak_unpack(nak_t *m, const uint8_t *data, size_t len);
int health_pack(const health_t *m, uint8_t *out, size_t cap, size_t *out_len);
int health_unpack(health_t *m, const uint8_t *data, size_t len);
int limits_pack(const limits_t *m, uint8_t *out, size_t cap, size_t *out_len);
int limits_unpack(limits_t *m, const uint8_t *data, size_t len);
int limited_pack(const limited_t *m, uint8_t *out, size_t cap, size_t *out_len);
int limited_unpack(limited_t *m, const uint8_t *data, size_t len);
int baud_pack(const baud_t *m, uint8_t *out, size_t cap, size_t *out_len);
int baud_unpack(baud_t *m, const uint8_t *data, size_t len);
int sensors_pack(const sensors_t *m, uint8_t *out, size_t cap, size_t *out_len);
int sensors_unpack(sensors_t *m, const uint8_t *data, size_t len);
/* cffi:end */

#endif
