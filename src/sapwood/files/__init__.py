"""The operating system: files and folders in and out, locks, syncing, exchanging names."""
