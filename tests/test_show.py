"""One renderer makes HTML, text and Markdown of a record's card."""

import re

import pytest

from tunebook.show import STYLES, Bars, Card, Code, Fold, Items, Picture, Share, Shown, Span, Table, Text, escape, facts

HOSTILE = "<script>alert(1)</script> & \"$x$\" '\\(y\\)' \x1b[31m"
EVERYWHERE = Card(
    Text(HOSTILE, tone="bad"),
    Text((HOSTILE, Span(HOSTILE, "strong"))),
    Items([HOSTILE, Span(HOSTILE, "code")], title=HOSTILE),
    Table(
        (HOSTILE, "n"),
        [(HOSTILE, Share(HOSTILE)), (Span(HOSTILE, "excerpt", hint=HOSTILE), "")],
        HOSTILE,
        numeric=(1,),
    ),
    facts([(HOSTILE, HOSTILE)]),
    Code(HOSTILE),
    Bars([(HOSTILE, 1.0)], HOSTILE, (HOSTILE,)),
    Picture("<svg xmlns='http://www.w3.org/2000/svg'/>", HOSTILE),
    Fold(HOSTILE, [Text(Span(HOSTILE, href="https://example.org/?" + HOSTILE))]),
    title=HOSTILE,
    badge=HOSTILE,
    tone="warning",
    aside=HOSTILE,
)


def test_foreign_text_is_text_wherever_it_stands():
    assert "<script" not in EVERYWHERE.html()


def test_no_dollar_and_no_backslash_stands_where_a_front_end_would_typeset_mathematics():
    text_nodes = re.sub(r"<[^>]*>", "\n", EVERYWHERE.html()).split("\n")

    assert all(node in ("$", "\\") or not set(node) & set("$\\") for node in text_nodes)


def test_only_https_and_paths_beside_the_notebook_are_followed():
    for href in ("javascript:alert(1)", "//example.org", "data:text/html,x", "\\\\host\\x"):
        assert "href" not in Span("here", href=href).html()


def test_a_long_id_is_cut_for_the_eye_and_whole_for_the_hand():
    html = Span("ftjob-0123456789", "code cut", hint="ftjob-0123456789").html()

    assert "text-overflow:ellipsis" in html
    assert html.count("ftjob-0123456789") == 2  # in the text and where the pointer rests


def test_an_excerpt_without_a_space_breaks_rather_than_widen_its_table():
    assert "overflow-wrap:anywhere" in Span('{"category":"billing"}', "excerpt").html()


def test_the_head_of_a_column_of_numbers_may_break_its_numbers_may_not():
    head, body = Table(("Step to use",), [("1,200",)], numeric=(0,)).html().split("<tbody>")

    assert head.rindex("white-space:normal") > head.rindex("white-space:nowrap")
    assert "white-space:normal" not in body


def test_a_short_caption_is_not_broken_however_narrow_its_table():
    assert "nowrap" in Table(("line",), [("12",)], "nothing-said: all shown").html()
    assert "nowrap" not in Table(("line",), [("12",)], "a sentence " * 9).html()


def test_a_verdict_without_a_title_begins_where_the_text_below_it_does():
    assert "margin-left:0" in Card(badge="healthy", tone="good").html()
    assert "margin-left:0" not in Card(title="sweep", badge="healthy", tone="good").html()


def test_a_share_has_a_bar_as_long_as_it_is_and_none_where_there_is_no_number():
    assert "width:20px" in Share("50 %", share=0.5).html()
    assert Table(("", "p"), [("a", Share(""))], numeric=(1,)).html().count("<span") == 0


def test_a_dollar_stands_in_an_element_of_its_own():
    assert escape("$1 & <b>") == "<span>$</span>1 &amp; &lt;b&gt;"


@pytest.mark.parametrize("property_lost", ["var(", "inherit", "currentColor", "rgb(", "font-variant", "clip:"])
def test_no_style_needs_what_an_untrusted_notebook_strips(property_lost):
    assert [role for role, style in STYLES.items() if property_lost in style] == []


def test_a_card_as_text():
    card = Card(
        Text("Two jobs."), Table(("job", "loss"), [("a", "0.5"), ("bc", "")], numeric=(1,)),
        Items(["again"], title="What to do"), title="sweep", badge="ready", tone="good",
    )  # fmt: skip

    assert card.text().splitlines() == [
        "sweep  ✓ ready",
        "Two jobs.",
        "job  loss",
        "a     0.5",
        "bc      –",
        "What to do",
        "- again",
    ]


def test_spaces_between_the_pieces_of_a_sentence_are_kept_in_markdown():
    assert Text(("model: ", Span("a", "code"), "\n is best")).markdown() == "model: `a` is best"


def test_a_card_as_markdown():
    card = Card(Text("a_b costs $5"), Table(("job", "loss"), [(Span("x|`y", "code"), "0.5")], numeric=(1,)), title="t")

    assert card.markdown().splitlines() == [
        "**t**",
        "",
        "a\\_b costs \\$5",
        "",
        "| job | loss |",
        "| --- | ---: |",
        "| `` x\\|`y `` | 0.5 |",
    ]


def test_parts_that_are_none_are_left_out():
    assert Card(None, Text("a"), None).parts == (Text("a"),)


def test_facts_without_a_value_are_left_out():
    assert facts([("seed", "3"), ("suffix", "")]).rows == [("seed", "3")]


def test_a_record_shows_its_card():
    class Split(Shown):
        def _card(self):
            return Card(Text("halves"))

    assert "halves" in Split()._repr_html_()
