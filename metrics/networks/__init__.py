"""Frozen networks that read images, and where their weights lie."""
