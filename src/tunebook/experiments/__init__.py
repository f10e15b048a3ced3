"""What runs over time and survives restarts: sweeps, evaluations, the archive of runs."""

from tunebook.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(__name__, __file__)
