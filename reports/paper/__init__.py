"""Figures and tables of a run for a paper: column widths, sizes of print, LaTeX."""
