"""From embeddings to a score: recipes, fitted regressors, and the one pipeline that applies them."""
