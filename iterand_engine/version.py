"""The version of the program, alone, so that nothing low has to import the package's face."""

__version__ = "0.2.0"
