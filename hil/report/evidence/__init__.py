"""The evidence file: what a run or a campaign proves, as JSON for programs, with a JSON Schema.

document           its parts that runs and campaigns share
run_evidence       the evidence of a run
output_evidence    the fields of the outputs, and the values of nodes that differed
board_evidence     the boards in it: images, consoles, kernel logs
campaign_evidence  the evidence of a campaign
evidence_file      written, read, and its schema
kept_evidence      written at the end of every run and campaign
evidence_check     compared with its record
older_formats      what older files said otherwise

Everything in it is computed from the record alone, so that it can be computed again and compared:
a record or a file that was changed afterwards is found."""
