"""Which way up a photograph stands: as its face does, or as an admin says before it is dealt."""
