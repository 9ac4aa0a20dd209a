"""The command line: ``matlever check | study | predict | report | reproduce | simulate``."""

from matlever.cli.main import main

__all__ = ["main"]
