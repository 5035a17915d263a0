"""What is on disk: files read, written, swapped, hashed by content, and looked at."""
