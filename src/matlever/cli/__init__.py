"""The command line: from ``matlever check`` over ``study`` to ``explain``, ``change``, ``next``."""

from matlever.cli.main import main

__all__ = ["main"]
