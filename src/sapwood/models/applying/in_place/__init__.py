"""The base becomes the target in its own file, with a journal."""
