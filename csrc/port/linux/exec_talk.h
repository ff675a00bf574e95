/* The conversation with a program, for exec.c and exec_regions.c. SPDX-License-Identifier: Apache-2.0 */
#ifndef HIL_EXEC_TALK_H
#define HIL_EXEC_TALK_H

#include "port_linux.h"

enum {
  TALK_VERSION = 1, /* of the first request, which every program understands */
  TALK_VERSION_REGIONS = 2,
  TALK_INIT = 1,
  TALK_STEP = 2,
  TALK_READ = 3,
  TALK_WRITE = 4,
  TALK_HEADER = 12, /* [byte] before the body of a message */
  TALK_CRC = 4,     /* [byte] behind it */
  TALK_DIGEST = 8,  /* [byte] of a region's digest */
  TALK_FRAME = 8    /* [byte] of the frame number */
};

/* A wait for a program: since when, and for how long. */
typedef struct {
  uint64_t since_us, patience_us;
  hil_busy_time_t
      busy; /* the time in which it had no processor does not count; without a descriptor it does */
} hil_wait_t;

uint64_t talk_now_us(void);
/* Start the program. Returns 0, or -1 and errno. */
int talk_spawn(hil_exec_t *x);
/* Kill the program with all that it has started; */
void talk_stop(hil_exec_t *x);
/* keep how it ended, and the last of its standard error (|how| EXITED: by its status); */
void talk_note_end(hil_exec_t *x, hil_program_end_t how);
/* and then there is none. */
void talk_forget(hil_exec_t *x);
/* Wait shortly for a program to exit whose output has ended. Whether it has. */
bool talk_await_exit(hil_exec_t *x);
/* End a program that has broken the protocol between two steps, for this errno: the next poll reports it. */
void talk_lose(hil_exec_t *x, int error);

/* Where the body of a request is put, and that of the answer stands. */
uint8_t *talk_request(void);
const uint8_t *talk_answer(void);
/* Frame |len| body bytes that stand in place. */
void talk_seal(hil_exec_t *x, uint8_t type, size_t len);
/* Move what can be moved, without waiting; |want| bytes of an answer are to come. Returns 0, or -1 if the pipe
 * ended. */
int talk_move(hil_exec_t *x, size_t want);
/* Whether what has arrived so far begins like the expected answer. A program says in its first one which version it
 * speaks. */
bool talk_is_plausible(const hil_exec_t *x, uint8_t type);
/* Whether the CRC of an answer of |len| bytes is right. */
bool talk_crc_is_right(size_t len);
/* [byte] of the body, as the answer's header has it; |version| as well. */
uint32_t talk_answer_len(void);
uint8_t talk_answer_version(void);
/* Whether the program has written something without a request. */
bool talk_chatters(const hil_exec_t *x);
/* Move until |want| bytes of an answer are there. Returns 0, or an errno. */
int talk_exchange(hil_exec_t *x, uint8_t type, size_t want, const hil_wait_t *wait);
/* Send a request between two steps, with |body_len| bytes that stand in place, and wait for its answer. Returns the
 * |want_len| bytes of its body; NULL if it is wrong in any part, or does not come in time: then the program is lost. */
const uint8_t *talk_ask(hil_exec_t *x, uint8_t type, size_t body_len, size_t want_len);
/* CRC-32 as in zlib, PNG and Ethernet. */
uint32_t talk_crc32(const uint8_t *bytes, size_t len);

#endif
