"""The patch file as types; parsed from bytes and serialised to them."""
