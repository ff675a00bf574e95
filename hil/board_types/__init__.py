"""What is known of a type of board, and how an agent is built for one and installed on it.

profile, channels, cited     a board profile: its values, its cross-sections, the sources of both
catalogue, profile_schema    finding and reading profiles, and the schema that editors check with
profile_summary              a profile in short, and its facts with their origins
agent_build, agent_install   the agent: built for a board, and installed on one over ssh"""
