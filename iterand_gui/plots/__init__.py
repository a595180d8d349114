"""What plots are made of. Only `canvas` and `items` import pyqtgraph, when a plot is first shown."""
