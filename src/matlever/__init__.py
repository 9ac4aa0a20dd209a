"""From expensive materials data to a prediction with honest uncertainty, and to advice."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
