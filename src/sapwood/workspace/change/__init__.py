"""What an update does: planned as pure data, staged, applied as one transaction."""
