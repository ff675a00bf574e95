"""Reports: pages and files for people who were not there. They know the record, and nothing of the
engine.

run_report          the page of a run, or of several beside each other
run_page            a package: its verdict, figures, dissents, tables and boards
evidence            a package: the evidence file of a run or a campaign, and its check
campaign_report     the page of a campaign: one HTML file that needs no network
campaign_figures    its numbers: by target, byte, bit, register, instruction, line and function
campaign_sections, campaign_listing    its tables and bars; its source and disassembly
sample_figures, sample_sections    numbers and sections of the page of a sampled campaign
fault_map, packed   the data of its fault-space map, and how they are packed into the page
page_file, printed_page    the file of a page; the same as PDF or PNG, by a browser
markup              HTML from values

page/ has the style and the scripts of pages, which are copied into them."""
