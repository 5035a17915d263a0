"""What tests are written with: files and servers made by hand, references, strategies, kills."""
