"""The verdict card a notebook shows: word and symbol first, the sentence, numbers, what to do."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING, Any

from tunebook.analysis.curves import wording

if TYPE_CHECKING:
    from tunebook.analysis.curves.diagnosis import Diagnosis

# Okabe-Ito colours, readable on light and dark; the word and the symbol say the same without them.
_COLOURS = {
    "overfitting": "#d55e00",
    "healthy": "#009e73",
    "not_converged": "#0072b2",
    "diverged": "#cc3377",
    "inconclusive": "#888888",
}
_HIDDEN = "position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)"
_CELL = "text-align:left;vertical-align:top;padding:.15em 1em .15em 0;background:none;border:none;font-size:inherit"


def html(d: Diagnosis) -> str:
    """The card as HTML that stands alone; everything from outside is escaped."""
    colour = _COLOURS.get(d.verdict, "#888888")
    name = escape(d.name)
    parts = [
        f"<div style='border-left:6px solid {colour};padding:.5em 1em;max-width:46em;overflow-wrap:anywhere;"
        "color:var(--jp-ui-font-color1, currentColor);background:var(--jp-layout-color1, transparent)'>",
        f"<div style='font-size:1.25em;font-weight:600'><span aria-hidden='true' style='color:{colour}'>"
        f"{wording.SYMBOLS.get(d.verdict, '?')}</span> {escape(wording.title(d.verdict))} "
        f"<span style='font-weight:400;font-size:.75em;opacity:.75'>{name}</span></div>",
        f"<p style='margin:.4em 0'>{escape(d.reason).replace(' %', '&nbsp;%')}</p>",
    ]
    rows = "".join(
        f"<tr style='background:none'><th scope='row' style='{_CELL};font-weight:400;opacity:.75;white-space:nowrap'>"
        f"{escape(label)}</th><td style='{_CELL}'>{value.replace(' %', '&nbsp;%')}</td></tr>"
        for label, value in _facts(d)
    )
    if rows:
        parts.append(
            "<table style='margin:.3em 0;border-collapse:collapse;font-size:inherit'>"
            f"<caption style='{_HIDDEN}'>Diagnosis of {name}</caption><tbody>{rows}</tbody></table>"
        )
    if d.advice:
        lines = "".join(f"<li>{escape(line)}</li>" for line in d.advice)
        parts.append(f"<div style='font-weight:600'>What to do</div><ul style='margin:.2em 0'>{lines}</ul>")
    if d.notes:
        lines = "".join(f"<li>{escape(line)}</li>" for line in d.notes)
        parts.append(f"<details><summary>Notes</summary><ul style='margin:.2em 0'>{lines}</ul></details>")
    return "".join(parts) + "</div>"


def _facts(d: Diagnosis) -> list[tuple[str, str]]:
    """Labels and values; the values are HTML already."""
    facts = []
    if d.p_overfitting is not None:
        facts.append(("Probability of overfitting", escape(wording.probability(d.p_overfitting))))
    if d.rise is not None and d.rise_interval is not None:
        low, high = (wording.percent(bound) for bound in d.rise_interval)
        facts.append(("Worse than at best by", f"{wording.percent(d.rise)} (90 % interval {low} to {high})"))
    if d.onset_step is not None and d.onset_interval is not None:
        epoch = "" if d.onset_epoch is None else f", epoch {d.onset_epoch:.1f}"
        low_step, high_step = d.onset_interval
        sure = f"{low_step:,} to {high_step:,} with about {d.onset_coverage:.0%} certainty"
        facts.append(("Began", f"step {d.onset_step:,}{epoch} ({sure})"))
    if d.checkpoint is not None:
        facts.append(("Checkpoint to use" if d.checkpoint["name"] else "Best step", _checkpoint(d.checkpoint)))
    return facts


def _checkpoint(checkpoint: Mapping[str, Any]) -> str:
    epoch = "" if checkpoint["epoch"] is None else f", epoch {checkpoint['epoch']:g}"
    excess = checkpoint["excess_of_last"]
    cost = f"; the last one is expected to be {wording.percent(excess)} worse" if excess > 0.0005 else ""
    name = f"<br><code>{escape(checkpoint['name'])}</code>" if checkpoint["name"] else ""
    return f"step {checkpoint['step']:,}{epoch}{cost}{name}"
