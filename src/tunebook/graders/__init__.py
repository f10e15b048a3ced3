"""Graders of reinforcement fine-tuning: what is right about one, what its templates name, what an answer is worth.

Pure functions of JSON values. What asks another model or runs code is handed in (`Means`): the embedded service does.
"""

from tunebook.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(__name__, __file__)
