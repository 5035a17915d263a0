"""The manifest of a package, parsed and checked."""
