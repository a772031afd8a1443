"""Faults and upgrades while readers grade: everything acknowledged must be stored, once."""
