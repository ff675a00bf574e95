/* Status codes shared by every layer. SPDX-License-Identifier: Apache-2.0
 *
 * Negative = failure, zero or more = success (some functions return a count).
 * Three families are never merged: the caller's fault, the peer's bytes, capacity. */
#ifndef HIL_STATUS_H
#define HIL_STATUS_H

/* cffi:begin */
typedef enum {
  HIL_OK = 0,
  /* the caller's fault */
  HIL_ERR_ARG = -1,     /* an argument is outside its documented range */
  HIL_ERR_STATE = -2,   /* the call is not valid in the present state */
  /* the peer's bytes, or stored bytes */
  HIL_ERR_PAYLOAD = -3, /* bytes that no valid peer would send */
  HIL_ERR_CRC = -4,     /* the frame check failed */
  HIL_ERR_VERSION = -5, /* the peer speaks another wire version */
  HIL_ERR_DAMAGED = -6, /* stored data failed its own check */
  /* capacity and environment */
  HIL_ERR_EXHAUSTED = -7, /* a fixed capacity is used up */
  HIL_ERR_NOSYS = -8,     /* this port cannot do it */
  HIL_ERR_IO = -9         /* the operating system refused */
} hil_status_t;
/* cffi:end */

#endif
