"""What the numbers say: result files read, runs diagnosed, runs compared. Frames in, frozen records out."""

from tunebook.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(__name__, __file__)
