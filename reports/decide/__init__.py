"""Decisions of a run, their words, and defaults.yaml."""
