"""The window of the IteRand workbench: configure, launch, watch, look back. Never imports torch."""
