"""What a real API answered, kept without its keys, and said again with its timing."""
