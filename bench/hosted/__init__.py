"""Images of models that a service runs: asked for within a budget, kept, scored as any others."""
