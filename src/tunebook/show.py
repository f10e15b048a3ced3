"""Records as HTML, text and Markdown: a record gives a `Card` of plain data, and one renderer makes each of the three.

    @dataclass(frozen=True)
    class Split(Shown):
        def _card(self) -> Card:
            return Card(Text(self.how), Table(("part", "examples"), rows, numeric=(1,)))

Everything a card holds is text from outside until it is escaped, here and nowhere else. What the HTML keeps to:

* Styles are inline and of those few that JupyterLab leaves in a notebook that is not trusted, as every fresh clone is:
  there are no theme variables, `inherit` or `currentColor` there, nor style sheets, classes of our own or SVG. So text
  takes the colour around it, lines are half-transparent grey, and a picture is an `<img>` that carries its data.
* `$` and `\\` stand in an element of their own, as front ends typeset what stands between two of them as mathematics.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeAlias

from markupsafe import Markup
from markupsafe import escape as _escape

from tunebook.palette import TONES, VERDICTS

_LINE = "1px solid rgba(128,128,128,0.35)"
_CELL = "vertical-align:top;padding:2px 12px 2px 0"
# Role -> style: the one style sheet of the records; a test holds it to what an untrusted notebook keeps, but for
# `overflow-wrap`, which is lost there and only breaks very long words.
STYLES: Mapping[str, str] = {
    "card": "max-width:960px;font-size:13px;line-height:1.45;margin:2px 0;overflow-wrap:anywhere",
    "head": "margin:0 0 4px",
    "title": "font-weight:600;font-size:15px",
    "badge": "border-width:1.5px;border-style:solid;border-radius:4px;padding:0 8px;margin:0 8px;font-weight:600;"
    "white-space:nowrap",
    "text": "margin:2px 0 4px;text-align:left",
    "list": "margin:2px 0 6px;padding:0 0 0 20px",
    "fold": f"border-top:{_LINE};padding:4px 0",
    "summary": "cursor:pointer",
    "inside": "margin:0 0 0 20px",
    "scroll": "overflow-x:auto",
    "table": "border-collapse:collapse;table-layout:auto;font-size:12px;margin:2px 0 6px;overflow-wrap:break-word",
    "caption": "text-align:left;caption-side:top;padding:2px 0;opacity:0.85",
    "row": f"background:none;border-bottom:{_LINE}",
    "cell": f"text-align:left;{_CELL}",
    "number": f"text-align:right;white-space:nowrap;{_CELL}",
    "label": f"text-align:left;white-space:nowrap;font-weight:400;opacity:0.8;{_CELL}",
    "pre": "margin:4px 0;padding:6px 10px;overflow:auto;max-height:320px;background:rgba(128,128,128,0.1)",
    "bars": f"display:flex;align-items:flex-end;gap:2px;height:44px;max-width:360px;border-bottom:{_LINE}",
    "bar": "flex:1;background:#808080;min-height:1px",
    "axis": "display:flex;justify-content:space-between;max-width:360px;font-size:11px;opacity:0.85",
    "picture": "max-width:100%",
    # of spans
    "strong": "font-weight:600",
    "muted": "opacity:0.75",
    "code": "font-family:monospace;font-size:12px;background:none",
    "short": "white-space:nowrap",
    "cut": "display:inline-block;max-width:120px;overflow:hidden;text-overflow:ellipsis;vertical-align:bottom",
    "excerpt": "white-space:pre-wrap;min-width:15em;max-width:44em;overflow-wrap:anywhere",
    "words": "min-width:13em;white-space:normal",
    "link": "text-decoration:underline",
    "whole": "display:inline-block;width:40px;margin:0 0 0 4px;text-align:left",
    "share": "display:inline-block;height:9px;background:#808080;opacity:0.5",
}
_SIGNS = {**TONES, **VERDICTS}  # what a `tone` may be
_TYPESET = re.compile(r"[$\\]")
_COLUMN, _ROW = {"scope": "col"}, {"scope": "row"}
_SMALL = 120  # pixels of a picture that stands in a cell
_SHORT_CAPTION = 48  # a caption up to this many characters stays on its line, however narrow the table is
_SHORT_CODE = 40  # a path, an id or a value up to this many characters is not broken in two


def escape(value: object) -> Markup:
    """`value` as text inside an element: markup is escaped, and nothing in it is typeset as mathematics."""
    if hasattr(value, "__html__"):
        return Markup(value)
    return Markup(_TYPESET.sub(r"<span>\g<0></span>", str(_escape(value))))


def _is_followed(href: str) -> bool:
    """https, and a quoted path beside the notebook; no other scheme, whoever wrote it."""
    return href.startswith("https://") or bool(href and not href.startswith("//") and not re.search(r"[:\\]", href))


@dataclass(frozen=True)
class Span:
    """A piece of text. role: strong, muted, code, cut (a long id: all of it is there, its start is seen), excerpt
    (keeps line breaks), words. tone: one of the palette's tones or verdicts.

    hint: more of it, seen when one points at it.
    """

    text: str
    role: str = ""
    tone: str = ""
    href: str = ""
    hint: str = ""

    def html(self) -> Markup:
        """An element that carries the span's style."""
        roles = self.role.split()
        if "code" in roles and len(self.text) <= _SHORT_CODE:
            roles.append("short")
        styles = [STYLES[role] for role in roles]
        styles += [f"color:{_SIGNS[self.tone].colour}"] if self.tone else []
        inner = escape(self.text)
        if _is_followed(self.href):
            link = Markup('<a style="{}" href="{}" target="_blank" rel="noopener">{}</a>')
            inner = link.format(STYLES["link"], _escape(self.href), inner)
        if not styles and not self.hint:
            return inner
        name = "code" if "code" in roles else "div" if {"excerpt", "words"} & set(roles) else "span"
        return element(name, inner, ";".join(styles), {"title": self.hint or None})

    def __str__(self) -> str:
        return self.text

    def markdown(self) -> str:
        """The span as Markdown; code in backticks that its text cannot close."""
        if "code" in self.role.split() and self.text:
            fence = "`" * (1 + max(map(len, re.findall("`+", self.text)), default=0))
            pad = " " if len(fence) > 1 else ""
            return f"{fence}{pad}{' '.join(self.text.split())}{pad}{fence}"
        text = _plain_markdown(self.text)
        text = f"[{text}]({self.href})" if _is_followed(self.href) else text
        return f"**{text}**" if "strong" in self.role.split() and text else text


@dataclass(frozen=True)
class Share(Span):
    """A number with a bar behind it, as long as `share` (0 to 1) says."""

    share: float = 0.0

    def html(self) -> Markup:
        if not self.text:
            return Markup("")
        bar = element("span", Markup(""), f"{STYLES['share']};width:{40 * min(max(self.share, 0), 1):.0f}px")
        return element("span", super().html() + element("span", bar, STYLES["whole"]), STYLES["short"])


@dataclass(frozen=True)
class Picture:
    """A drawing that stands alone (SVG without script, or PNG), what it says in words, and its width in pixels.

    Shown as an `<img>`, which no front end strips and in which no script runs.
    """

    image: str | bytes = field(repr=False)
    words: str
    width: int = 640

    def html(self) -> Markup:
        data = self.image.encode() if isinstance(self.image, str) else self.image
        kind = "svg+xml" if isinstance(self.image, str) else "png"
        source = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
        image = Markup('<img style="{}" src="{}" alt="{}" width="{}">')
        style = STYLES["picture"] if self.width > _SMALL else ""  # in a cell, a small one would be pressed together
        return image.format(style, source, _escape(self.words), self.width)

    def text(self) -> str:
        return self.words

    __str__ = text

    def markdown(self) -> str:
        return _plain_markdown(self.words)


# What stands in a sentence or a cell: text, a span, a small picture, or several in a row.
Inline: TypeAlias = "str | Span | Picture | Sequence[str | Span | Picture]"


def _pieces(inline: Inline) -> Sequence[str | Span | Picture]:
    return (inline,) if isinstance(inline, str | Span | Picture) else inline


def inline_html(inline: Inline) -> Markup:
    """What stands in a sentence or a cell, as HTML."""
    parts = (escape(piece) if isinstance(piece, str) else piece.html() for piece in _pieces(inline))
    return Markup("").join(parts)


def _text(inline: Inline) -> str:
    return "".join(str(piece) for piece in _pieces(inline))


def _markdown(inline: Inline) -> str:
    return "".join(_plain_markdown(p) if isinstance(p, str) else p.markdown() for p in _pieces(inline))


def _plain_markdown(text: str) -> str:
    """Text that Markdown shows as it is: its own signs, HTML and mathematics escaped."""
    return re.sub(r"([\\`*_\[\]<>|$#~])", r"\\\1", re.sub(r"\s+", " ", text))


def element(name: str, inner: Markup, style: str, attributes: Mapping[str, Any] | None = None) -> Markup:
    """One HTML element with an inline style; attribute values are escaped, None leaves an attribute out."""
    told = [("style", style)] if style else []
    told += [(key, value) for key, value in (attributes or {}).items() if value is not None]
    attrs = "".join(f' {key}="{_escape(str(value))}"' for key, value in told)
    return Markup(f"<{name}{attrs}>{_escape(inner)}</{name}>")


@dataclass(frozen=True)
class Text:
    """A paragraph. tone: of the palette's tones, its sign goes first."""

    words: Inline
    tone: str = ""

    def html(self) -> Markup:
        sign = Span(f"{_SIGNS[self.tone].sign} ", tone=self.tone).html() if self.tone else Markup("")
        return element("p", sign + inline_html(self.words), STYLES["text"])

    def text(self) -> str:
        return (f"{_SIGNS[self.tone].sign} " if self.tone else "") + _text(self.words)

    def markdown(self) -> str:
        return (f"{_SIGNS[self.tone].sign} " if self.tone else "") + _markdown(self.words)


@dataclass(frozen=True)
class Items:
    """A list of sentences, under a title where there is one."""

    items: Sequence[Inline]
    title: str = ""

    def html(self) -> Markup:
        lines = Markup("").join(element("li", inline_html(item), "") for item in self.items)
        title = Text(Span(self.title, "strong")).html() if self.title else Markup("")
        return title + element("ul", lines, STYLES["list"])

    def text(self) -> str:
        return "\n".join([*([self.title] if self.title else []), *(f"- {_text(item)}" for item in self.items)])

    def markdown(self) -> str:
        title = [f"**{_plain_markdown(self.title)}**\n"] if self.title else []
        return "\n".join([*title, *(f"- {_markdown(item)}" for item in self.items)])


@dataclass(frozen=True)
class Table:
    """Rows under a head; a head of empty names is not shown. `numeric` are the columns of numbers, counted from 0:
    set to the right, and `–` where a cell is empty. With `labelled`, the first column names the row."""

    head: Sequence[str]
    rows: Sequence[Sequence[Inline]]
    caption: str = ""
    numeric: Sequence[int] = ()
    labelled: bool = False

    def html(self) -> Markup:
        fits = f";{STYLES['short']}" if len(self.caption) <= _SHORT_CAPTION else ""
        caption = element("caption", escape(self.caption), STYLES["caption"] + fits) if self.caption else Markup("")
        names = [
            element("th", escape(name), self._style(at, ";font-weight:600;white-space:normal"), _COLUMN)
            for at, name in self._heads()
        ]
        head = element("thead", element("tr", Markup("").join(names), STYLES["row"]), "") if names else Markup("")
        body = element("tbody", Markup("").join(self._row(row) for row in self._cells()), "")
        return element("div", element("table", caption + head + body, STYLES["table"]), STYLES["scroll"])

    def _row(self, row: Sequence[Inline]) -> Markup:
        cells = [element("td", inline_html(cell), self._style(at)) for at, cell in enumerate(row)]
        if self.labelled:
            cells[0] = element("th", inline_html(row[0]), STYLES["label"], _ROW)
        return element("tr", Markup("").join(cells), STYLES["row"])

    def _style(self, at: int, more: str = "") -> str:
        return STYLES["number" if at in self.numeric else "cell"] + more

    def _heads(self) -> Sequence[tuple[int, str]]:
        return list(enumerate(self.head)) if any(self.head) else []

    def _cells(self) -> Iterable[Sequence[Inline]]:
        for row in self.rows:
            yield [cell if _text(cell) or at not in self.numeric else "–" for at, cell in enumerate(row)]

    def text(self) -> str:
        rows = [[" ".join(_text(cell).split()) for cell in row] for row in self._cells()]
        rows = [list(self.head), *rows] if any(self.head) else rows
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [self.caption] if self.caption else []
        for row in rows:
            cells = zip(row, widths, strict=True)
            fitted = (cell.rjust(w) if at in self.numeric else cell.ljust(w) for at, (cell, w) in enumerate(cells))
            lines.append("  ".join(fitted).rstrip())
        return "\n".join(lines)

    def markdown(self) -> str:
        rule = ["---:" if at in self.numeric else "---" for at in range(len(self.head))]
        head = [_plain_markdown(name) for name in self.head]
        body = [[re.sub(r"(?<!\\)\|", r"\|", _markdown(cell)) for cell in row] for row in self._cells()]
        lines = [f"| {' | '.join(row)} |" for row in (head, rule, *body)]
        return "\n".join([*([_plain_markdown(self.caption), ""] if self.caption else []), *lines])


def facts(rows: Iterable[tuple[str, Inline]], caption: str = "") -> Table:
    """Labels and values, one row each; rows without a value are left out."""
    told = [(label, value) for label, value in rows if _text(value)]
    return Table(("", ""), told, caption, labelled=True)


@dataclass(frozen=True)
class Code:
    """Text in which every space counts: a command, a request."""

    source: str

    def html(self) -> Markup:
        return element("pre", escape(self.source), STYLES["pre"])

    def text(self) -> str:
        return self.source

    def markdown(self) -> str:
        fence = "`" * max(3, 1 + max(map(len, re.findall("`+", self.source)), default=0))
        return f"{fence}\n{self.source}\n{fence}"


@dataclass(frozen=True)
class Bars:
    """A small histogram: (what a bar is, its height) from left to right, and what the axis says below it."""

    bars: Sequence[tuple[str, float]]
    label: str
    axis: Sequence[str]

    def html(self) -> Markup:
        highest = max((height for _, height in self.bars), default=1) or 1
        bars = Markup("").join(
            element("i", Markup(""), f"{STYLES['bar']};height:{100 * height / highest:.0f}%", {"title": title})
            for title, height in self.bars
        )
        marks = Markup("").join(element("span", escape(mark), "") for mark in self.axis)
        image = element("div", bars, STYLES["bars"], {"role": "img", "aria-label": self.label, "title": self.label})
        return image + element("div", marks, STYLES["axis"])

    def text(self) -> str:
        return self.label

    def markdown(self) -> str:
        return _plain_markdown(self.label)


@dataclass(frozen=True)
class Fold:
    """Parts under a summary that opens and closes."""

    summary: Inline
    parts: Sequence[Part]
    opened: bool = False

    def html(self) -> Markup:
        inside = element("div", Markup("").join(part.html() for part in self.parts), STYLES["inside"])
        head = element("summary", inline_html(self.summary), STYLES["summary"])
        return element("details", head + inside, STYLES["fold"], {"open": "open" if self.opened else None})

    def text(self) -> str:
        inside = "\n".join(part.text() for part in self.parts)
        return "\n".join([_text(self.summary), *(f"  {line}" for line in inside.splitlines())])

    def markdown(self) -> str:
        return "\n\n".join([_markdown(self.summary), *(part.markdown() for part in self.parts)])


Part: TypeAlias = "Text | Items | Table | Code | Bars | Picture | Fold | Card"


@dataclass(frozen=True, init=False)
class Card:
    """What a record shows: a title, a verdict in a frame (`badge`, after its `tone`'s sign), words beside it, parts."""

    parts: Sequence[Part]
    title: str
    badge: str
    tone: str
    aside: str

    def __init__(self, *parts: Part | None, title: str = "", badge: str = "", tone: str = "", aside: str = "") -> None:
        """Parts that are None are left out, so that a card can be written as one expression."""
        for name, value in (("title", title), ("badge", badge), ("tone", tone), ("aside", aside)):
            object.__setattr__(self, name, value)
        object.__setattr__(self, "parts", tuple(part for part in parts if part is not None))

    @property
    def _verdict(self) -> str:
        return f"{_SIGNS[self.tone].sign} {self.badge}" if self.tone and self.badge else self.badge

    def html(self) -> Markup:
        """The card as HTML that stands alone."""
        return element("div", self._head() + Markup("").join(part.html() for part in self.parts), STYLES["card"])

    def _head(self) -> Markup:
        if not (self.title or self.badge):
            return Markup("")
        colour = f";color:{_SIGNS[self.tone].colour};border-color:{_SIGNS[self.tone].colour}" if self.tone else ""
        colour += "" if self.title else ";margin-left:0"  # alone, it stands where the text below it begins
        badge = element("span", escape(self._verdict), STYLES["badge"] + colour) if self.badge else Markup("")
        aside = Span(f" {self.aside}", "muted").html() if self.aside else Markup("")
        return element("div", Span(self.title, "title").html() + badge + aside, STYLES["head"])

    def text(self) -> str:
        """The card for a terminal."""
        head = "  ".join(filter(None, [self.title, self._verdict, self.aside]))
        return "\n".join(filter(None, [head, *(part.text() for part in self.parts)]))

    def markdown(self) -> str:
        """The card as Markdown, headed by its title in bold."""
        title = f"**{_plain_markdown(self.title)}**" if self.title else ""
        head = " ".join(filter(None, [title, _plain_markdown(self._verdict), _plain_markdown(self.aside)]))
        return "\n\n".join(filter(None, [head, *(part.markdown() for part in self.parts)])) + "\n"


class Shown:
    """A record that shows itself in a notebook by its card: it defines `_card`."""

    __slots__: ClassVar[tuple[str, ...]] = ()

    def _card(self) -> Card:
        raise NotImplementedError

    def _repr_html_(self) -> str:
        return str(self._card().html())
