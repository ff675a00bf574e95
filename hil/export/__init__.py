"""Results as tables for other programs.

campaign_tables     the tables of a campaign's result
csv_file, parquet_file    a table as a file
fault_list_file     the faults of a sample as a list, which is carried out again

It reads the record, and knows nothing of what wrote it."""
