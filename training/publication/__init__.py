"""What decides that a regressor is published, and how one is put in service."""
