"""Merges of notebooks by cell: three notebooks in, one and a report out; pure data.

`cells` reads, `matching` finds the same cell in three notebooks, `ordering` puts cells in a
row, `merging` decides what becomes of each, `style` writes as the user's file was written.
"""

from sapwood.workspace.notebooks.merging import merge_notebook
from sapwood.workspace.notebooks.reports import CellReport, MergedNotebook, Reason

__all__ = ["CellReport", "MergedNotebook", "Reason", "merge_notebook"]
