"""The queue of a sweep that several processes work on."""
