"""Training data: formats, checks, tokens, splits, overlap. Every name loads its module on first use."""

from tunebook.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(__name__, __file__)
