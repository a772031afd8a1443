"""From graded images to a fitted regressor: dataset, embeddings, estimators, and the choice of a recipe."""
