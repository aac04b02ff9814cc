"""Trackers: a copy of a run in MLflow, TensorBoard or Weights & Biases; packs that MLflow keeps."""
