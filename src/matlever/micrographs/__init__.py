"""Micrographs: lots of tiles, what is seen in them, and pictures of materials yet to be made."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
