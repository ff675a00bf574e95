"""The consoles of boards: the bytes outside frames of their links, and their console ports.

recording           the consoles of a run: reads console ports and logs all text
node_console        everything that one board prints
port, port_reader   a console port, and the thread that reads it
text_rate           how much of its text is taken in a second
signs               what its lines say of the board
lines, escape, log  lines with times, readable text, the file
kernel_lines        the lines in it that the board's kernel has printed
log_follower        a log that is read while a run writes it
terminal            a console port that a person has before them"""
