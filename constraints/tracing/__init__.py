"""Record one run of a model and derive its metrics: axes, values, the rule of each operation, costs, structure."""
