"""The command line: ``matlever check | study | predict | explain | sweep | change | next | report``."""

from matlever.cli.main import main

__all__ = ["main"]
