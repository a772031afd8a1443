"""Models in which the readers are drawn from readers like them, not the only ones there are."""
