"""Knobs: what can be turned, within which limits, and how a turned sample is made and predicted."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
