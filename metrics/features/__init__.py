"""Distances of features, and scores of images against their prompts."""
