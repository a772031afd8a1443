"""What an operator does by command. Each command parses, calls one noun and prints one answer."""
