"""What a traced run is made of: axes, values, the rule of each operation, costs and structure."""
