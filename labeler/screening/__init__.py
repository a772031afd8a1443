"""Which images are good enough: limits, near-duplicates, and the gallery."""
