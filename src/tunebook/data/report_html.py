"""The room's records as HTML for notebooks: every foreign text escaped, readable without scripts or colour.

Each card carries its own small style sheet, as notebooks keep outputs apart; colours come from JupyterLab's theme, with
`currentColor` where there is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

import msgspec

from tunebook.data.records import answer_text, prompt_text
from tunebook.data.rules.problem import shown
from tunebook.data.rules.secrets import mask
from tunebook.data.tokens import TokenSummary

if TYPE_CHECKING:
    from tunebook.data.dataset import Dataset
    from tunebook.data.likeness.comparability import Comparability
    from tunebook.data.likeness.overlap import Overlap
    from tunebook.data.likeness.split import Split
    from tunebook.data.repair import Changes
    from tunebook.data.report import CheckReport, Group
    from tunebook.money import Cost

PAIRS_SHOWN = 20
EXAMPLES_SHOWN = 5
OPENED = 4  # kinds of errors whose lines are shown without a click: more would hide how many kinds there are
LINES_SHOWN = 8
SIGN = {"error": "✗", "warning": "▲", "note": "○"}

STYLE = """<style>
.tb-card{font-family:var(--jp-ui-font-family,system-ui,sans-serif);font-size:13px;line-height:1.45;max-width:960px;
 color:var(--jp-ui-font-color1,currentColor)}
.tb-card .tb-head{display:flex;flex-wrap:wrap;gap:4px 12px;align-items:baseline;margin:0 0 4px}
.tb-card .tb-name{font-weight:600;font-size:15px;overflow-wrap:anywhere}
.tb-card .tb-verdict{border:1.5px solid;border-radius:4px;padding:0 8px;font-weight:600}
.tb-card .tb-error{color:var(--jp-error-color1,#c62828)}
.tb-card .tb-warning{color:var(--jp-warn-color0,#b26a00)}
.tb-card .tb-good{color:var(--jp-success-color0,#2e7d32)}
.tb-card .tb-fact{opacity:.85;margin:1px 0}
.tb-card details{border-top:1px solid var(--jp-border-color2,rgba(128,128,128,.35));padding:4px 0}
.tb-card a{color:inherit;text-decoration:underline}
.tb-card summary{cursor:pointer;overflow-wrap:anywhere}
.tb-card .tb-kind{font-weight:600;white-space:nowrap}
.tb-card .tb-rule{font-family:var(--jp-code-font-family,monospace);font-size:12px;opacity:.8}
.tb-card .tb-fix{margin:4px 0 4px 20px}
.tb-card .tb-scroll{overflow-x:auto;margin-left:20px}
.tb-card table{border-collapse:collapse;margin:2px 0 6px;font-size:12px}
.tb-card caption{text-align:left;opacity:.85;padding:2px 0;caption-side:top}
.tb-card .tb-scroll table th,.tb-card .tb-scroll table td{text-align:left;vertical-align:top;padding:2px 10px 2px 0;
 border:0;background:none;white-space:normal;max-width:none}
.tb-card .tb-scroll table tr{background:none}
.tb-card td{overflow-wrap:break-word;min-width:3em}
.tb-card .tb-scroll table td.tb-num,.tb-card .tb-scroll table th.tb-num{text-align:right;white-space:nowrap;
 font-variant-numeric:tabular-nums}
.tb-card code,.tb-card .tb-code{font-family:var(--jp-code-font-family,monospace);font-size:12px;background:none}
.tb-card .tb-text{white-space:pre-wrap;min-width:15em;max-width:44em;overflow-wrap:anywhere}
.tb-card .tb-words{min-width:13em}
.tb-card td code{overflow-wrap:anywhere}
.tb-card td code.tb-whole,.tb-card caption{white-space:nowrap}
.tb-card .tb-bars{display:flex;align-items:flex-end;gap:2px;height:44px;max-width:360px;margin:4px 0 0;
 border-bottom:1px solid currentColor}
.tb-card .tb-bars i{flex:1;background:currentColor;opacity:.45;min-height:1px}
.tb-card .tb-axis{display:flex;justify-content:space-between;max-width:360px;font-size:11px;opacity:.85}
</style>"""


def report_card(report: CheckReport) -> str:
    """The card of a check: verdict, file, tokens, cost, then the findings by rule, errors opened."""
    good = report.ok
    state = "tb-error" if not good else "tb-warning" if report.totals.get("warning") else "tb-good"
    verdict = ("✓ " if good else "✗ ") + escape(report.sentence)
    facts = [f"{report.examples:,} examples, method {report.method}", report.file]
    if report.model:
        facts[0] += f", for {report.model}"
    summary = report.summary
    facts += [str(summary)] if summary else []
    return _card(
        f'<div class="tb-head"><span class="tb-name">{escape(report.name)}</span>'
        f'<span class="tb-verdict {state}">{verdict}</span></div>',
        *(f'<p class="tb-fact">{escape(fact)}</p>' for fact in facts if fact),
        _bill(report.cost) if report.cost else "",
        _histogram(summary) if summary and len(summary.histogram) > 1 else "",
        *(_group(group, group.severity == "error" and at < OPENED) for at, group in enumerate(report.groups)),
    )


def _bill(cost: Cost) -> str:
    known = cost.source.startswith("https://")
    link = f' (<a href="{escape(cost.source)}" target="_blank" rel="noopener">source</a>)' if known else ""
    return f'<p class="tb-fact">{escape(str(cost))}{link}</p>'


def _group(group: Group, opened: bool) -> str:
    first = group.kept[0]
    same_fix = all(problem.fix == first.fix for problem in group.kept)
    fixes = f'<p class="tb-fix">→ {escape(first.fix)}</p>' if same_fix else ""
    colour = f" tb-{group.severity}" if group.severity != "note" else ""
    times = f" × {group.count:,}" if group.count > 1 else ""
    placed = [problem for problem in group.kept if problem.line or problem.path]
    value = f" <code>{escape(first.value)}</code>" if first.value and not placed else ""
    head = (
        f'<summary><span class="tb-kind{colour}">{SIGN[group.severity]} {group.severity}{times}</span> '
        f'{escape(first.message)}{value} <span class="tb-rule">{escape(group.rule)}</span></summary>'
    )
    alike: dict[tuple[str, ...], list[int]] = {}  # what is the same but for the line takes one row
    for problem in group.kept:
        lines = alike.setdefault((problem.path, problem.value, problem.message, problem.fix), [])
        lines.extend([problem.line] if problem.line else [])
    columns = {
        "lines" if any(len(lines) > 1 for lines in alike.values()) else "line": [*map(_lines, alike.values())],
        "place": [_code(path) for path, *_ in alike],
        "value": [_code(value) for _, value, *_ in alike],
        "what": [] if _same_message(group) else [_words(message) for *_, message, _ in alike],
        "fix": [] if same_fix else [_words(fix) for *_, fix in alike],
    }
    told = {name: cells for name, cells in columns.items() if any(cells)}
    shown_of = f"{len(group.kept):,} of {group.count:,} shown" if group.count > len(group.kept) else "all shown"
    rows = zip(*told.values(), strict=True)
    numeric = {0} if "line" in told else set()
    table = _table(f"{group.rule}: {shown_of}", list(told), rows, numeric=numeric) if placed else ""
    return f"<details{' open' if opened else ''}>{head}{fixes}{table}</details>"


def _code(text: str) -> str:
    whole = ' class="tb-whole"' if len(text) <= 40 else ""  # a short path or value is not broken in two
    return f"<code{whole}>{escape(text)}</code>" if text else ""


def _words(text: str) -> str:
    return f'<div class="tb-words">{escape(text)}</div>'


def _lines(lines: Sequence[int]) -> str:
    more = f" and {len(lines) - LINES_SHOWN:,} more" if len(lines) > LINES_SHOWN else ""
    return ", ".join(f"{line:,}" for line in lines[:LINES_SHOWN]) + more


def _same_message(group: Group) -> bool:
    return all(problem.message == group.kept[0].message for problem in group.kept)


def _histogram(summary: TokenSummary) -> str:
    highest = max(share for _, _, share in summary.histogram)
    bars = "".join(
        f'<i style="height:{100 * share / highest:.0f}%" title="{low:,} to {high - 1:,} tokens: {share:.1%}"></i>'
        for low, high, share in summary.histogram
    )
    low, high = summary.histogram[0][0], summary.histogram[-1][1]
    label = f"Examples by tokens, from {summary.fewest:,} to {summary.most:,}, half of them below {summary.median:,}"
    return (
        f'<div class="tb-bars" role="img" aria-label="{escape(label)}">{bars}</div>'
        f'<div class="tb-axis" aria-hidden="true"><span>{low:,}</span><span>tokens an example</span>'
        f"<span>{high:,}</span></div>"
    )


def dataset_card(dataset: Dataset) -> str:
    """A dataset's first examples: what is asked, what is answered."""
    rows = [
        [
            str(number),
            f'<div class="tb-text">{_excerpt(prompt_text(e))}</div>',
            f'<div class="tb-text">{_said(e)}</div>',
        ]
        for number, e in zip(dataset.numbers, dataset[:EXAMPLES_SHOWN], strict=False)
    ]
    caption = f"first {len(rows)} of {len(dataset):,} examples; check() says whether they are fit to train on"
    return _card(
        f'<div class="tb-head"><span class="tb-name">{escape(dataset.name)}</span>'
        f"<span>{len(dataset):,} {escape(dataset.method)} examples</span></div>",
        f'<p class="tb-fact">{escape(dataset.file_sentence)}</p>' if dataset.file_sentence else "",
        _table(caption, ["line", "asked", "answered"], rows, numeric={0}),
    )


def _said(example: dict[str, object]) -> str:
    try:
        return _excerpt(answer_text(example))
    except (msgspec.MsgspecError, RecursionError):
        return ""


def _excerpt(text: str, most: int = 240) -> str:
    text = mask(text[: 2 * most])
    return escape(text if len(text) <= most else text[: most - 1] + "…")


def overlap_card(overlap: Overlap) -> str:
    """The pairs side by side."""
    rows = [
        [
            f"{pair.similarity:.0%}",
            pair.kind,
            f"{pair.line:,}",
            f'<div class="tb-text">{_excerpt(pair.text, 400)}</div>',
            f"{pair.other_line:,}",
            f'<div class="tb-text">{_excerpt(pair.other_text, 400)}</div>',
        ]
        for pair in overlap.pairs[:PAIRS_SHOWN]
    ]
    other = overlap.other or overlap.name
    names = ["alike", "", "line", overlap.name, "line", other]
    caption = f"{len(rows):,} of {len(overlap):,} pairs, most alike first"
    return _card(
        f'<div class="tb-head"><span class="tb-name">{"▲" if len(overlap) else "✓"} overlap</span></div>',
        f'<p class="tb-fact">{escape(overlap.sentence)}</p>',
        _table(caption, [escape(name) for name in names], rows, numeric={0, 2, 4}) if rows else "",
    )


def comparability_card(compared: Comparability) -> str:
    """Two files held against each other."""
    rows = [
        ["examples", *(f"{size:,}" for size in compared.sizes)],
        ["median characters", *(f"{length:,}" for length in compared.lengths)],
    ]
    for answer, shares in list((compared.label_shares or {}).items())[:12]:
        rows.append([f"answer <code>{escape(shown(answer, 60))}</code>", *(f"{share:.1%}" for share in shares)])
    asked = [
        f"lengths: Kolmogorov-Smirnov p = {compared.length_p:.2g}" if compared.length_p is not None else "",
        f"answers: chi squared p = {compared.label_p:.2g}" if compared.label_p is not None else "",
        f"words: classifier AUC {compared.auc:.2f}" if compared.auc is not None else "words: too few examples to ask",
    ]
    return _card(
        f'<p class="tb-fact">{"✓" if compared.comparable else "▲"} {escape(compared.sentence)}</p>',
        _table("; ".join(filter(None, asked)), ["", *map(escape, compared.names)], rows, numeric={1, 2}),
    )


def split_card(split: Split) -> str:
    return _card(f'<p class="tb-fact">{escape(split.how)}</p>') + comparability_card(split.comparability)


def changes_card(changes: Changes) -> str:
    """What `fix()` did, by kind."""
    if not len(changes):
        return _card('<p class="tb-fact">✓ Nothing to mend.</p>')
    rows = []
    for what, count in changes.counts.items():
        lines = [f"{change.line:,}" for change in changes.changes if change.what == what][:12]
        rows.append([f"{count:,}", escape(what), ", ".join(lines) + (", …" if count > 12 else "")])
    return _card(
        f'<p class="tb-fact">{escape(changes.whole)}</p>' if changes.whole else "",
        _table("what was changed", ["times", "change", "lines"], rows, numeric={0}) if rows else "",
    )


def _card(*parts: str) -> str:
    return f'{STYLE}<div class="tb-card">{"".join(parts)}</div>'


def _table(caption: str, names: Sequence[str], rows: Iterable[Sequence[str]], numeric: set[int]) -> str:
    """A table of cells that are HTML already; the caption is text, the names are HTML."""

    def css(at: int) -> str:
        return ' class="tb-num"' if at in numeric else ""

    head = "".join(f'<th scope="col"{css(at)}>{name}</th>' for at, name in enumerate(names))
    body = "".join(
        "<tr>" + "".join(f"<td{css(at)}>{cell}</td>" for at, cell in enumerate(row)) + "</tr>" for row in rows
    )
    return (
        f'<div class="tb-scroll"><table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )
