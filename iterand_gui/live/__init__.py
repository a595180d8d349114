"""What keeps the window in step with the store and with child processes, off the GUI thread."""
