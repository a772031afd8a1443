"""Who signs in, with which role, and what each person may load."""
