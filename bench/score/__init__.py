"""Stored images to stored features to stored estimates."""
