"""The version of matlever."""

__version__ = "0.1.0"
