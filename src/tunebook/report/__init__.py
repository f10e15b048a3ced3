"""What you hand to others: one self-contained page, and doors to the tools they use."""

from tunebook.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(__name__, __file__)
