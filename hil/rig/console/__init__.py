"""What boards print: the bytes outside frames of their links, and their console ports."""
