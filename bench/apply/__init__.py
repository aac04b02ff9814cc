"""A default of defaults.yaml, put on a pipeline."""
