"""What a template holds, wherever it lies: a folder, an archive, a distribution, an OCI layout."""
