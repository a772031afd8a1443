"""From labels to a regressor, and how it compares with yesterday's and with the dermatologists."""
