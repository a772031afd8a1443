"""What is made of a photograph, and what is known of the person in it."""
