"""Models: found by name, folder, file or hub id, checked, loaded; and those that are formulas."""
