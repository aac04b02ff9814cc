"""Numbers of each image alone, or beside its input."""
