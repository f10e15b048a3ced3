"""How long to wait between two looks: short while something happens, longer while nothing does."""

from __future__ import annotations

from collections.abc import Iterator

_GROWTH = 1.6


def next_interval(previous_s: float, *, changed: bool, shortest_s: float, longest_s: float) -> float:
    """The next pause in seconds: the shortest after a change, else the last one grown, up to the longest."""
    return shortest_s if changed else min(longest_s, previous_s * _GROWTH)


def intervals(shortest_s: float, longest_s: float) -> Iterator[float]:
    """Pauses in seconds for waiting on one thing: they grow from the shortest to the longest, and stay there."""
    pause = shortest_s
    while True:
        yield pause
        pause = next_interval(pause, changed=False, shortest_s=shortest_s, longest_s=longest_s)
