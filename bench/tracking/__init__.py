"""MLflow: a copy of a run, and packs that it keeps."""
