"""The wire: the values that cross between the host and a board, and their bytes.

messages            the values
encoding, decoding  their bytes
campaign            the messages of a campaign, but for
outcomes            what became of its experiments
draws               experiments that a board draws by itself, and what became of them
ground              contacts with the ground, what waits for them, and its fate
rails, throttling   what two of the values that boards measure mean
"""
