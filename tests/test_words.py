"""Numbers as people read them."""

import math

import pandas as pd
import pytest

from tunebook import words

NUMBERS = (words.number, words.count, words.rough_count, words.percent, words.probability, words.p_value, words.money,
           words.size, words.duration, words.moment, words.clock, words.setting)  # fmt: skip


@pytest.mark.parametrize("nothing", [None, math.nan, pd.NA])
@pytest.mark.parametrize("say", NUMBERS)
def test_what_is_missing_is_an_empty_string(say, nothing):
    assert say(nothing) == ""


@pytest.mark.parametrize("there", [0, "", [], {}, [math.nan], (), False])
def test_what_is_empty_is_not_missing(there):
    assert not words.missing(there)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (words.number(0.41234), "0.4123"),
        (words.short_id("ftjob-9541ead58022463389b9381de2ed0862"), "ftjob-9541ead5…"),
        (words.short_id("support-v1"), "support-v1"),
        (words.number(12345.6), "12,346"),
        (words.number(math.inf), "infinite"),
        (words.aligned(0.4441, 0.43, 0.4603), ("0.444", "0.430", "0.460")),
        (words.aligned(0.0, 0.1), ("0.000", "0.100")),
        (words.count(12_345), "12,345"),
        (words.rough_count(12_345), "12,345"),
        (words.rough_count(5_920_000), "5.92 million"),
        (words.percent(0.713), "71 %"),
        (words.percent(0.043), "4.3 %"),
        (words.percent(0), "0 %"),
        (words.percent(-0.02), "-2.0 %"),
        (words.percent(12), "13-fold"),
        (words.percent(0.9678, 1), "96.8 %"),
        (words.probability(0.9999), "> 99 %"),
        (words.probability(0.001), "< 1 %"),
        (words.probability(0.5), "50 %"),
        (words.p_value(0.0123), "p = 0.012"),
        (words.p_value(0.0004), "p < 0.001"),
        (words.money(0), "$0.00"),
        (words.money(0.001), "under $0.01"),
        (words.money(11.831), "$11.83"),
        (words.money(1240.2), "$1,240"),
        (words.between("$1.00", "$2.00"), "$1.00 to $2.00"),
        (words.between("$1.00", "$1.00"), "$1.00"),
        (words.size(940), "940 B"),
        (words.size(1_240), "1.2 kB"),
        (words.size(999_900), "1.0 MB"),
        (words.size(512e6), "512 MB"),
        (words.duration(45), "45 s"),
        (words.duration(200), "3 min 20 s"),
        (words.duration(36_720), "10 h 12 min"),
        (words.duration(-3), "0 s"),
        (words.duration(200_000), "2 d 7 h"),
        (words.moment(0), "1970-01-01 00:00 UTC"),
        (words.moment("soon"), "soon"),
        (words.setting(0.05), "0.05"),
        (words.setting(3.0), "3"),
        (words.setting("auto"), "auto"),
        (words.plural(1, "job"), "1 job"),
        (words.plural(1_200, "entry", "entries"), "1,200 entries"),
        (words.listed(["a", "b"]), "a and b"),
        (words.listed(list("abcde")), "a, b, c and 2 more"),
    ],
)
def test_numbers_read_well(said, expected):
    assert said == expected
