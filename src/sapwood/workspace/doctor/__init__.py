"""Looks for what is wrong with a workspace, and says what to do about it. Writes nothing."""
