"""The page of `denoisebench verify`."""
