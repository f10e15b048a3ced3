"""Pauses between two looks: short after a change, longer while nothing happens, never beyond the longest."""

from itertools import islice

from tunebook.service.pacing import intervals, next_interval


def test_pauses_grow_to_the_longest_and_stay_there():
    assert list(islice(intervals(1.0, 4.0), 5)) == [1.0, 1.6, 2.5600000000000005, 4.0, 4.0]


def test_a_change_brings_the_shortest_pause_back():
    assert next_interval(30.0, changed=True, shortest_s=5.0, longest_s=60.0) == 5.0
