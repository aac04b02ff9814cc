"""From estimates to decisions: NumPy alone."""
