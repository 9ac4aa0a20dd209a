"""What to run next: experiments that a model or a Gaussian process expects the most of."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
