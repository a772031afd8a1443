"""The golden set: drawn once, promised by a hash, frozen."""
