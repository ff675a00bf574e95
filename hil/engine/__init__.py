"""The engine of a run, in modules of one purpose each; `hil.engine.loop` puts them together.

parts        what a run is made of, and what all others work on
rounds       a frame: prepare upsets, ask all nodes, take what they say of the upsets
verdict      from the results of a frame to its verdict, outcomes and orders
healing      carrying out repairs, and taking boards up that are back
fast_forward frames in which nothing can happen: in batches, or skipped
health_poll  how boards, links and supplies are, once in a while
recorder     what has become of the parts, written into the record
snapshots    the parts as plain data, and back, so that a run can be taken up again
ending       what a run came to
"""
