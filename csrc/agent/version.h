/* The version of this software, as HELLO and `hil-agent -v` report it. SPDX-License-Identifier: Apache-2.0
 *
 * The only place in C. pyproject.toml and hil/__init__.py name the same one (tests/test_layers.py). */
#ifndef HIL_VERSION_H
#define HIL_VERSION_H

#define HIL_VERSION "0.1.0"

#endif
