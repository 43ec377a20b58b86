"""One file a family of models, each with a recipe that trains it."""
