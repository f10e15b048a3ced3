"""Frames to Axes: each function draws into the Axes it is given, or a new one, and returns it.

Nothing global is changed, and nothing is computed that another function has not computed before.
"""

from tunebook.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(__name__, __file__)
