"""Pages and commands of a study with a million images, assignments or labels."""
