"""Everything made and simulated: selfies of nobody, readers that are programs, and the demo study of both."""
