"""What is known of a type of board, and how an agent is put on one."""
