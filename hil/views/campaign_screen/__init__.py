"""The screen of a campaign that is going on: what `hil campaign` shows on a terminal.

live_campaign       what the campaign's threads report, for the screen to read
rates               experiments per second: now, and on average
campaign_page       the lines of the page. Pure
fault_map           the map of faults, time across and bytes down. Pure
campaign_app        Textual: the screen of a terminal, and the campaign beside it

The screen only reads counts that the campaign keeps anyway, once a second."""
