"""Prompts and noise to images through a diffusers pipeline, watched by hooks."""
