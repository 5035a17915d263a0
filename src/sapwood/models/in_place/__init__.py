"""A file that becomes the target itself, with a journal beside it until it has."""
