"""One page of several runs: their defaults side by side, their curves, their differences."""
