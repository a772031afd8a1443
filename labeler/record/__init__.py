"""The audit log, and the ledger that seals labels and acts."""
