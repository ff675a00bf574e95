"""Values to lines of text, a page in each file: nothing here reads a record."""
