"""SFT Playground: see what is trained, train it, compare what changed."""

__version__ = "0.1.0"
