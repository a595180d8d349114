"""Plots and their parts. Only `canvas` and `items` import pyqtgraph, when a plot is first shown."""
