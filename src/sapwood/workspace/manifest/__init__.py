"""What a template says of itself, parsed once into frozen types."""
