"""Images that another program made, as cells of a run."""
