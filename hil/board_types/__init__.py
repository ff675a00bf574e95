"""What is known of a type of board, and how an agent is built for one and installed on it."""
