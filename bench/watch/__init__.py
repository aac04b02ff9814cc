"""A look at a sweep that others do: it reads what they store and changes nothing."""
