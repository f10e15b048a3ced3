"""A progress bar for what takes longer than a blink, in terminal and notebook."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tunebook.data.examples import LARGE

Tell = Callable[[int, int], object]


@contextmanager
def shown_progress(wanted: bool | Tell | None, size: int, label: str) -> Iterator[Tell | None]:
    """What to call with (bytes done, bytes in all): the given function, a tqdm bar's, or None for silence."""
    if callable(wanted):
        yield wanted
    elif wanted is False or (wanted is None and size <= LARGE):
        yield None
    else:
        from tqdm.auto import tqdm

        with tqdm(total=size, unit="B", unit_scale=True, desc=label, leave=False) as bar:
            yield lambda done, _: bar.update(done - bar.n)
