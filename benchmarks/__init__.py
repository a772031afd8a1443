"""What we measure: each benchmark sets up its own servers, runs its variants in turn and prints a table."""
