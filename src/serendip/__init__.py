"""Model-independent searches for new physics."""

__version__ = "0.1.0"
