"""One warm process that does what a plan lacks."""
