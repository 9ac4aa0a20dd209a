"""Which knob matters, at one sample and overall, and what happens when it is turned."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
