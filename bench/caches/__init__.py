"""Step caches: what they are, how one is switched on, why one cannot be."""
