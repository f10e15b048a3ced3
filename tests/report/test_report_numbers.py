"""Numbers as people read them."""

import math

import pandas as pd
import pytest

from tunebook.report import numbers


@pytest.mark.parametrize("nothing", [None, math.nan, pd.NA])
def test_what_is_missing_is_an_empty_string(nothing):
    said = (numbers.number, numbers.whole, numbers.percent, numbers.chance, numbers.count, numbers.money, numbers.span)

    assert {say(nothing) for say in said} == {""}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (numbers.number(0.41234), "0.412"),
        (numbers.number(12345.6), "12,346"),
        (numbers.alike(0.4441, 0.43, 0.4603), ("0.444", "0.430", "0.460")),
        (numbers.alike(0.0, 0.1), ("0.000", "0.100")),
        (numbers.chance(0.9999), "over 99 %"),
        (numbers.chance(0.001), "under 1 %"),
        (numbers.chance(0.5), "50 %"),
        (numbers.count(12_345), "12,345"),
        (numbers.count(5_920_000), "5.92 million"),
        (numbers.money(0.001), "under $0.01"),
        (numbers.money(11.831), "$11.83"),
        (numbers.span(45), "45 s"),
        (numbers.span(36_720), "10 h 12 min"),
        (numbers.moment(0), "1970-01-01 00:00 UTC"),
        (numbers.moment("soon"), "soon"),
        (numbers.plural(1, "job"), "1 job"),
        (numbers.listed(["a", "b"]), "a and b"),
        (numbers.listed(list("abcde")), "a, b, c and 2 more"),
        (numbers.setting(None), "not told"),
        (numbers.setting(0.05), "0.05"),
    ],
)
def test_numbers_read_well(said, expected):
    assert said == expected
