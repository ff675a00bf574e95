"""Discovery: finds the attached boards and writes the bench file.

bench_file          discovers boards, and updates the bench file
probe               whether a port leads to a board
line_test           which bytes a line changes
adapters            serial adapters by an identity that lasts
"""
