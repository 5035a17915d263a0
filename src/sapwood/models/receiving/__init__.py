"""Receives a patch: from a file, a pipe or a server, signed as demanded."""
