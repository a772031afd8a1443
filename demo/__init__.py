"""SIMULATED data: made selfies, simulated readers, and the demo study."""
