"""A bar for a sweep, in a terminal or a notebook: jobs ended of jobs planned, and what the others do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from tqdm.auto import tqdm

from tunebook.experiments.sweeps.manifest import OPEN, Manifest
from tunebook.service.watching import JobSnapshot


class SweepBar:
    """Give it to `Sweep.run(show=…)`. It is drawn at the first call and closed by `close`."""

    def __init__(self) -> None:
        self._bar: Any = None

    def __call__(self, manifest: Manifest, pictures: Mapping[str, JobSnapshot]) -> None:
        if self._bar is None:
            self._bar = tqdm(total=len(manifest.entries), unit="job", desc="sweep")
        self._bar.n = len(manifest.entries) - manifest.count(*OPEN)
        doing = Counter(picture.status for picture in pictures.values() if not picture.ended)
        waiting = manifest.count("planned")
        states = [f"{count} {status}" for status, count in doing.items()] + ([f"{waiting} not sent"] if waiting else [])
        troubled = next((p.problem for p in pictures.values() if p.problem), None)
        self._bar.set_postfix_str(", ".join([*states, *([troubled] if troubled else [])]))

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
