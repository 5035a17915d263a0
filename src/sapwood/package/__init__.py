"""A named, versioned set of files with a manifest."""
