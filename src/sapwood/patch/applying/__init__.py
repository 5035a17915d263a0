"""Opens patches and decodes them. Imports nothing of making."""
