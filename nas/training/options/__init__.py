"""The options of a recipe, each declared beside the code that applies it: one file per part of a training."""
