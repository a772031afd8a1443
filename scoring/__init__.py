"""The scoring service: from a selfie to a severity score."""
