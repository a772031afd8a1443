"""What a browser can ask for: each view gates, validates, does and answers."""
