"""Discovery: finds the attached boards and writes the bench file."""
