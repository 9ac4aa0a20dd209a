"""How well rows that were never seen are predicted, and how sure each prediction is."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
