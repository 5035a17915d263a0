"""A file elsewhere: ranges, retries, resumed downloads."""
