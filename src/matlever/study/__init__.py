"""The main job: from a table to a validated model, intervals, knob weights and results."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
