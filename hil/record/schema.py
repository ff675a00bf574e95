"""Tables of `run.db`, and what stands in them.

`blocks` has every frame, packed (csrc/host/frame_verdict.h): 32 bytes, then 18 per node,
little-endian: frame u64, verdict u8, nodes u8, voters u8, flags u8, agree u8, dissent u8, latent
u8, primary u8 (1 + the index of the node that commands, or, with checkers, whose output was
delivered; 0 in other schemes), agreed output digest u64, agreed state digest u64; per node status
u8, signal u8, output digest u64, state digest u64. `snapshot` is where a run can be taken up again:
all nodes held `state` after the frame before `frame`, and `engine` is what the loop knew;
`snapshot_states` has what was in their checkpoints. `frames` and `replies` repeat the frames that
are not plain agreement, readable with any SQL tool and with the outputs themselves.
`upsets_at_snapshot` has the rows of `upsets` as they were at the snapshot, of
those that have changed since. Digests are hex text. Simulated times are integer microseconds;
`*_wall_us` are real ones, and no part of the run digest.

`replicas`: with a voter per node, what the replica at a node decided on its own view of the
replies, packed like a frame, in the frames in which the views differed; with a voter by value it is
followed by the outputs that the replica received and that are not what their nodes sent.

`pulse` is renewed with every commit: the next frame, and the real time, so that a viewer knows how
old what it sees is, and whether process `pid` of this computer still writes. `health` has a row a
second and node (round_trip_us: from the last step's request to its answer; power_mw: of the whole
board, by its rails), `links` the counters
of the newest moment, `link_counts` those of each such moment (node: its idx), `link_events` what
became of a link: absent, connecting, connected, lost. An
upset has its row as soon as it was made; its outcome comes later. `activation` is the first access
of the worker to what it changed, in the same step: activated (read, or executed), overwritten,
not_accessed, or empty: not known. It is no part of the run digest: not every board knows it. The
view `throttling` has the bits of `health.throttled` (Raspberry Pi), each in a column: those of the
reading's moment, and those of the time since the board booted.

`power` is what bench supplies measured; event is empty, `cut: ...` for a latch-up that was cut off,
or how the instrument failed.

`clocks`: a board's uptime u is the moment offset_wall_us + u * (1 + drift_ppm / 1e6) on the line
of all wall_us, within uncertainty_us at the time of the row (and drift_ppm_error of the distance
more, away from it); it begins again with every start of the board. `health.at_wall_us` is when the
board measured, placed so (null: its clock is virtual).

The plant: `orbit` is known ahead: an hour beyond the last frame at least, or to the end of the run
(contact: ground stations in sight, by name, comma between). `plant` is what came of it, before the
first frame that begins then or later: battery_w is positive when it charges, soc from 0 to 1, stage
how many rungs of the shedding ladder are applied (255: the bus broke down), temperatures_c a JSON
object of all thermal nodes. `plant_nodes`: level off, suspend, capped or full; duty the share of
its speed that the board is left with; throttle the step of its thermal throttle; steps_per_s as the
board measured its steps; upsets_per_day a JSON object by kind, with acceleration. `skips`: before
`frame`, this number of quiet ones were not computed, so that it began at t_us. `limits` is what
boards were ordered to do, and what they reported (JSON objects). `commands`: what operators asked
for, and what they were answered; `frame` is the one before which it was carried out, `who` the
user's name, arguments a JSON object. An upset with the source "operator N" was ordered by the
command with the id N.

The ground: `contacts` are known ahead, with the rates of the link in each. `offload` has what waits
for it: kind result, telemetry, checkpoint, work (the inputs of a frame that the ground computes) or
reseed (a state is asked for), the bytes themselves, and what the ground answers. `offload_events`:
delivered, answered, or dropped (`too old`, `no room`), at which time, over which station; `frame`
is the one after which it was noted."""

from __future__ import annotations

from typing import Final

SCHEMA_VERSION: Final = 6
"""Whoever changes `TABLES` raises it, and adds a step to hil.record.migrations."""

_UPSET_COLUMNS: Final = """
  id INTEGER PRIMARY KEY, frame INTEGER NOT NULL, node TEXT NOT NULL, target TEXT NOT NULL,
  kind TEXT NOT NULL, source TEXT NOT NULL, state TEXT NOT NULL, detail TEXT NOT NULL,
  verified INTEGER NOT NULL, changed INTEGER NOT NULL, persisted INTEGER NOT NULL,
  planned_tick INTEGER NOT NULL, planned_steps INTEGER NOT NULL, planned_us INTEGER,
  tick INTEGER NOT NULL, steps INTEGER NOT NULL, at_us INTEGER NOT NULL, pc_offset INTEGER,
  bit INTEGER NOT NULL, space INTEGER NOT NULL, before BLOB NOT NULL, after BLOB NOT NULL,
  effect TEXT NOT NULL, signal INTEGER NOT NULL, outcome TEXT NOT NULL, shared INTEGER NOT NULL,
  dormant INTEGER NOT NULL, detected_frame INTEGER, resolved_frame INTEGER,
  activation TEXT NOT NULL
"""

UPSET_COLUMN_NAMES: Final = tuple(
    column.split()[0] for column in _UPSET_COLUMNS.replace("\n", " ").split(",")
)
"""The columns of `upsets`, in the order of the table."""

TABLES: Final = f"""
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE nodes (
  idx INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, board TEXT NOT NULL, port TEXT, arch TEXT,
  model TEXT, serial TEXT, agent_version TEXT, cores INTEGER, memory_mib INTEGER
);
CREATE TABLE blocks (first_frame INTEGER PRIMARY KEY, count INTEGER NOT NULL, data BLOB NOT NULL);
CREATE TABLE frames (
  frame INTEGER PRIMARY KEY, t_us INTEGER NOT NULL, verdict TEXT NOT NULL,
  voters INTEGER NOT NULL, agree INTEGER NOT NULL, dissent INTEGER NOT NULL,
  latent INTEGER NOT NULL, flags INTEGER NOT NULL,
  output TEXT NOT NULL, state TEXT NOT NULL,
  golden_output TEXT NOT NULL, golden_state TEXT NOT NULL, value BLOB
);
CREATE TABLE replies (
  frame INTEGER NOT NULL, node INTEGER NOT NULL, execution INTEGER NOT NULL, status TEXT NOT NULL,
  signal INTEGER NOT NULL, reason TEXT NOT NULL, output_digest TEXT NOT NULL,
  state_digest TEXT NOT NULL, output BLOB NOT NULL, ticks INTEGER NOT NULL, cpu_us INTEGER NOT NULL,
  PRIMARY KEY (frame, execution, node)
) WITHOUT ROWID;
CREATE TABLE replicas (
  frame INTEGER NOT NULL, node INTEGER NOT NULL, verdict BLOB NOT NULL, PRIMARY KEY (frame, node)
) WITHOUT ROWID;
CREATE TABLE upsets ({_UPSET_COLUMNS});
CREATE INDEX upsets_by_frame ON upsets (frame);
CREATE TABLE transitions (
  id INTEGER PRIMARY KEY, frame INTEGER NOT NULL, node TEXT NOT NULL, before TEXT NOT NULL,
  after TEXT NOT NULL, cause TEXT NOT NULL, wall_us INTEGER NOT NULL
);
CREATE TABLE repairs (
  id INTEGER PRIMARY KEY, frame INTEGER NOT NULL, node TEXT NOT NULL, action TEXT NOT NULL,
  cause TEXT NOT NULL, ok INTEGER NOT NULL, detail TEXT NOT NULL, chunks INTEGER NOT NULL,
  bytes_moved INTEGER NOT NULL, duration_wall_us INTEGER NOT NULL
);
CREATE TABLE damage (
  repair INTEGER NOT NULL, offset INTEGER NOT NULL, found BLOB NOT NULL, voted BLOB NOT NULL,
  diff_bits INTEGER NOT NULL, PRIMARY KEY (repair, offset)
) WITHOUT ROWID;
CREATE TABLE anomalies (
  id INTEGER PRIMARY KEY, frame INTEGER NOT NULL, node TEXT NOT NULL, effect TEXT NOT NULL,
  reason TEXT NOT NULL
);
CREATE TABLE slips (
  id INTEGER PRIMARY KEY, frame INTEGER NOT NULL, node TEXT, late_wall_us INTEGER NOT NULL,
  detail TEXT NOT NULL
);
CREATE TABLE health (
  id INTEGER PRIMARY KEY, frame INTEGER NOT NULL, node INTEGER NOT NULL, wall_us INTEGER NOT NULL,
  cpu_temp_mc INTEGER, clock_khz INTEGER, throttled INTEGER, rss_kib INTEGER, free_mib INTEGER,
  uptime_us INTEGER NOT NULL, steps INTEGER NOT NULL, crashes INTEGER NOT NULL,
  hangs INTEGER NOT NULL, restarts INTEGER NOT NULL, corrected INTEGER NOT NULL,
  uncorrected INTEGER NOT NULL, rx_errors INTEGER NOT NULL, duplicates INTEGER NOT NULL,
  rails TEXT NOT NULL, round_trip_us INTEGER, at_wall_us INTEGER, power_mw INTEGER
);
CREATE TABLE links (
  node INTEGER PRIMARY KEY, tx_frames INTEGER NOT NULL, tx_bytes INTEGER NOT NULL,
  rx_frames INTEGER NOT NULL, rx_bytes INTEGER NOT NULL, rx_errors INTEGER NOT NULL,
  naks INTEGER NOT NULL, retries INTEGER NOT NULL, stale INTEGER NOT NULL,
  reconnects INTEGER NOT NULL, chatter_bytes INTEGER NOT NULL
);
CREATE TABLE power (
  id INTEGER PRIMARY KEY, frame INTEGER NOT NULL, node TEXT NOT NULL, wall_us INTEGER NOT NULL,
  volts REAL, amps REAL, event TEXT NOT NULL
);
CREATE TABLE clocks (
  id INTEGER PRIMARY KEY, frame INTEGER NOT NULL, node TEXT NOT NULL, wall_us INTEGER NOT NULL,
  offset_wall_us REAL NOT NULL, drift_ppm REAL NOT NULL, drift_ppm_error REAL NOT NULL,
  uncertainty_us REAL NOT NULL, samples INTEGER NOT NULL
);
CREATE TABLE link_counts (
  id INTEGER PRIMARY KEY, frame INTEGER NOT NULL, node INTEGER NOT NULL,
  tx_frames INTEGER NOT NULL, tx_bytes INTEGER NOT NULL, rx_frames INTEGER NOT NULL,
  rx_bytes INTEGER NOT NULL, rx_errors INTEGER NOT NULL, naks INTEGER NOT NULL,
  retries INTEGER NOT NULL, stale INTEGER NOT NULL, reconnects INTEGER NOT NULL,
  chatter_bytes INTEGER NOT NULL
);
CREATE TABLE link_events (
  id INTEGER PRIMARY KEY, frame INTEGER NOT NULL, node TEXT NOT NULL, wall_us INTEGER NOT NULL,
  state TEXT NOT NULL, reason TEXT NOT NULL
);
CREATE TABLE orbit (
  t_us INTEGER PRIMARY KEY, latitude_deg REAL, longitude_deg REAL, altitude_km REAL,
  illumination REAL, beta_deg REAL, flux_per_cm2_s REAL, saa INTEGER, contact TEXT NOT NULL
);
CREATE TABLE plant (
  t_us INTEGER PRIMARY KEY, frame INTEGER NOT NULL, illumination REAL, flux_per_cm2_s REAL,
  bus_v REAL, array_w REAL, load_w REAL, battery_w REAL, soc REAL, stage INTEGER,
  temperatures_c TEXT NOT NULL
);
CREATE TABLE plant_nodes (
  t_us INTEGER NOT NULL, node TEXT NOT NULL, level TEXT NOT NULL, duty REAL NOT NULL, power_w REAL,
  die_c REAL, throttle INTEGER NOT NULL, steps_per_s REAL, upsets_per_day TEXT NOT NULL,
  PRIMARY KEY (t_us, node)
) WITHOUT ROWID;
CREATE TABLE skips (
  frame INTEGER PRIMARY KEY, frames INTEGER NOT NULL, t_us INTEGER NOT NULL
);
CREATE TABLE limits (
  id INTEGER PRIMARY KEY, frame INTEGER NOT NULL, node TEXT NOT NULL, cause TEXT NOT NULL,
  asked TEXT NOT NULL, applied TEXT NOT NULL
);
CREATE TABLE commands (
  id INTEGER PRIMARY KEY, frame INTEGER NOT NULL, wall_us INTEGER NOT NULL, who TEXT NOT NULL,
  uid INTEGER NOT NULL, pid INTEGER NOT NULL, command TEXT NOT NULL, arguments TEXT NOT NULL,
  ok INTEGER NOT NULL, answer TEXT NOT NULL
);
CREATE TABLE contacts (
  start_us INTEGER PRIMARY KEY, end_us INTEGER NOT NULL, station TEXT NOT NULL,
  down_bit_s INTEGER NOT NULL, up_bit_s INTEGER NOT NULL
);
CREATE TABLE offload (
  id INTEGER PRIMARY KEY, frame INTEGER NOT NULL, kind TEXT NOT NULL, at_us INTEGER NOT NULL,
  priority INTEGER NOT NULL, expires_us INTEGER, correct INTEGER NOT NULL, data BLOB NOT NULL,
  answer_size INTEGER, ground_us INTEGER NOT NULL, answer BLOB NOT NULL
);
CREATE TABLE offload_events (
  id INTEGER PRIMARY KEY, frame INTEGER NOT NULL, item INTEGER NOT NULL, at_us INTEGER NOT NULL,
  fate TEXT NOT NULL, station TEXT NOT NULL
);
CREATE TABLE pulse (
  one INTEGER PRIMARY KEY CHECK (one = 1), frame INTEGER NOT NULL, wall_us INTEGER NOT NULL,
  unix_us INTEGER NOT NULL, pid INTEGER NOT NULL
);
CREATE TABLE notes (
  id INTEGER PRIMARY KEY, frame INTEGER, wall_us INTEGER NOT NULL, text TEXT NOT NULL
);
CREATE TABLE snapshot (
  one INTEGER PRIMARY KEY CHECK (one = 1), frame INTEGER NOT NULL, state BLOB NOT NULL,
  engine TEXT NOT NULL
);
CREATE TABLE snapshot_states (frame INTEGER PRIMARY KEY, state BLOB NOT NULL);
CREATE TABLE upsets_at_snapshot ({_UPSET_COLUMNS});
CREATE VIEW throttling AS SELECT id, frame, node, wall_us,
  throttled & 1 AS under_voltage, throttled >> 1 & 1 AS clock_capped,
  throttled >> 2 & 1 AS slowed_down, throttled >> 3 & 1 AS soft_temperature_limit,
  throttled >> 16 & 1 AS under_voltage_since_boot, throttled >> 17 & 1 AS clock_capped_since_boot,
  throttled >> 18 & 1 AS slowed_down_since_boot,
  throttled >> 19 & 1 AS soft_temperature_limit_since_boot
  FROM health WHERE throttled IS NOT NULL;
CREATE VIEW verdict_counts AS SELECT verdict, count(*) AS frames FROM frames GROUP BY verdict;
"""
