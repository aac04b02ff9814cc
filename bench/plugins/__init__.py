"""What packages and files of the user's own add: found by name, imported, known by its source."""
