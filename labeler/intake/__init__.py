"""How photographs, and what is known of them, come into a study."""
