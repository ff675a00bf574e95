/* The version of this software, as HELLO and `hil-agent -v` report it. SPDX-License-Identifier: Apache-2.0
 *
 * The only place: the package and `hil.__version__` take it from here (pyproject.toml, agent_version). */
#ifndef HIL_VERSION_H
#define HIL_VERSION_H

#define HIL_VERSION "0.1.0"

#endif
