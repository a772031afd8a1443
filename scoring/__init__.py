"""What do these pixels say? From a selfie to a severity score."""
