"""What tests and measures of the Python side share: lives made in memory, and a real broker."""
