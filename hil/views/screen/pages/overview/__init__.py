"""The overview page. Pure.

page                puts the sections together
banner, nodes, scheme, texts, verdicts, orbit, power, ticker
                    its sections
timeline            the time axis that orbit and power share"""
