"""Folders: looked through for bases, patched as their files end to end, written whole."""
