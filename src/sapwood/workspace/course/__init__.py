"""What an instructor makes of a template: chosen modules, their order, extra assignments."""
