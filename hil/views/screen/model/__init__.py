"""The values that the screen shows, read from the record. Nothing here draws.

scene               reads the scene of one frame
facts               its values
node_facts, plant_facts, ground_facts, run_facts    read these values
recorded_values     rows and packed verdicts as these values
health              the health of the system, from its facts. Pure
pairs               self-checking pairs: who commands, who is silent. Pure
scheme_facts, scheme_picture    what the record has of the scheme, and its picture
executions          the executions of a step, with time redundancy
alarms              alarms of values that are out of limits: persistence, latching. Pure
alarm_feed, alarm_follower, limit_search    find the alarms of a record
decision            the vote of one frame
verdict_strip       the worst result in each stretch of frames
text_facts          the texts that the nodes are writing
curves, output_curves    the values of a node over time, and the numbers that it computes
events, event_counts    the events of a run, and how many of each kind
ground_track        the values of the map
playback            the frame that is on view: following, paused, played or sought. Pure
time_input          a frame or time as a user types it. Pure"""
