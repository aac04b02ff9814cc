"""The rows of a run, and what is read off them: curves, fronts, tables, cautions."""
