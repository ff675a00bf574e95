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
CREATE TABLE upsets (
  id INTEGER PRIMARY KEY, frame INTEGER NOT NULL, node TEXT NOT NULL, target TEXT NOT NULL,
  kind TEXT NOT NULL, source TEXT NOT NULL, state TEXT NOT NULL, detail TEXT NOT NULL,
  verified INTEGER NOT NULL, changed INTEGER NOT NULL, persisted INTEGER NOT NULL,
  planned_tick INTEGER NOT NULL, planned_steps INTEGER NOT NULL, planned_us INTEGER,
  tick INTEGER NOT NULL, steps INTEGER NOT NULL, at_us INTEGER NOT NULL, pc_offset INTEGER,
  bit INTEGER NOT NULL, space INTEGER NOT NULL, before BLOB NOT NULL, after BLOB NOT NULL,
  effect TEXT NOT NULL, signal INTEGER NOT NULL, outcome TEXT NOT NULL, shared INTEGER NOT NULL,
  dormant INTEGER NOT NULL, detected_frame INTEGER, resolved_frame INTEGER,
  activation TEXT NOT NULL
);
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
CREATE TABLE upsets_at_snapshot (
  id INTEGER PRIMARY KEY, frame INTEGER NOT NULL, node TEXT NOT NULL, target TEXT NOT NULL,
  kind TEXT NOT NULL, source TEXT NOT NULL, state TEXT NOT NULL, detail TEXT NOT NULL,
  verified INTEGER NOT NULL, changed INTEGER NOT NULL, persisted INTEGER NOT NULL,
  planned_tick INTEGER NOT NULL, planned_steps INTEGER NOT NULL, planned_us INTEGER,
  tick INTEGER NOT NULL, steps INTEGER NOT NULL, at_us INTEGER NOT NULL, pc_offset INTEGER,
  bit INTEGER NOT NULL, space INTEGER NOT NULL, before BLOB NOT NULL, after BLOB NOT NULL,
  effect TEXT NOT NULL, signal INTEGER NOT NULL, outcome TEXT NOT NULL, shared INTEGER NOT NULL,
  dormant INTEGER NOT NULL, detected_frame INTEGER, resolved_frame INTEGER,
  activation TEXT NOT NULL
);
CREATE VIEW throttling AS SELECT id, frame, node, wall_us,
  throttled & 1 AS under_voltage, throttled >> 1 & 1 AS clock_capped,
  throttled >> 2 & 1 AS slowed_down, throttled >> 3 & 1 AS soft_temperature_limit,
  throttled >> 16 & 1 AS under_voltage_since_boot, throttled >> 17 & 1 AS clock_capped_since_boot,
  throttled >> 18 & 1 AS slowed_down_since_boot,
  throttled >> 19 & 1 AS soft_temperature_limit_since_boot
  FROM health WHERE throttled IS NOT NULL;
CREATE VIEW verdict_counts AS SELECT verdict, count(*) AS frames FROM frames GROUP BY verdict;
