"""Makes patches between model files."""
