"""Results and runs for other programs, as files or while a run goes on.

campaign_tables, run_files    the tables of a campaign's result, and of a run
table, csv_file, parquet_file    a table, and a table as a file
fault_list_file     the faults of a sample as a list, which is carried out again

mcap_topics, mcap_file    a run as an MCAP file
mcap_ground, mcap_replicas    the link to the ground in it, and the replicas of the voter
run_metrics, prometheus_feed    the metrics of a run, and their endpoint
ccsds_packets, ccsds_stream    the space packets of a run, and how they are made
ccsds_definitions, ccsds_feed    their definitions for ground systems; packets over TCP
event_lines, run_time, row_columns    events as text, the time axis, columns by name
feed_files          dashboard, layout and definitions as files (`files/`)

It reads the record, and knows nothing of what wrote it."""
