"""Language models: each answers a `Question` with text."""
