"""Train, record and analyse randomly weighted networks: no Qt, and no torch until something trains."""

__version__ = "0.1.0"
