"""What you click: the job form, the live cell, the board of jobs, the connect form.

Everything here reads values and writes values; what a widget does can be done in a cell without it.
"""

from tunebook.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(__name__, __file__)
