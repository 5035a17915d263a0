"""Makes patches: surveys, plans, codes and checks."""
