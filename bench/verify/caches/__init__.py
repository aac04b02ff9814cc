"""Step caches against the same network without one, in tiny pipelines with random weights."""
