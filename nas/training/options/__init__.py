"""The options of a recipe, each declared beside what it does, in a file for each point of a training where it acts."""
