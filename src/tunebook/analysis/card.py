"""The verdict card a notebook shows: word and symbol first, numbers, the sentence, what to do."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from tunebook.analysis import wording

if TYPE_CHECKING:
    from tunebook.analysis.diagnosis import Diagnosis

# Okabe-Ito colours, readable on light and dark; the word and the symbol say the same without them.
_COLOURS = {
    "overfitting": "#d55e00",
    "healthy": "#009e73",
    "not_converged": "#0072b2",
    "diverged": "#cc3377",
    "inconclusive": "#888888",
}


def html(d: Diagnosis) -> str:
    """The card as HTML that stands alone; everything from outside is escaped."""
    colour = _COLOURS.get(d.verdict, "#888888")
    rows = "".join(f"<tr><th scope='row'>{escape(k)}</th><td>{escape(v)}</td></tr>" for k, v in _facts(d))
    advice = "".join(f"<li>{escape(line)}</li>" for line in d.advice)
    notes = "".join(f"<li>{escape(line)}</li>" for line in d.notes)
    return (
        f"<div style='border-left:6px solid {colour};padding:.5em 1em;max-width:46em;"
        "color:var(--jp-ui-font-color1, currentColor);background:var(--jp-layout-color1, transparent)'>"
        f"<div style='font-size:1.25em;font-weight:600'><span aria-hidden='true' style='color:{colour}'>"
        f"{wording.SYMBOLS.get(d.verdict, '?')}</span> {escape(wording.title(d.verdict))} "
        f"<span style='font-weight:400;font-size:.75em'>{escape(d.name)}</span></div>"
        f"<p style='margin:.4em 0'>{escape(d.reason)}</p>"
        + (
            f"<table><caption style='display:none'>Diagnosis of {escape(d.name)}</caption><tbody>{rows}</tbody></table>"
            if rows
            else ""
        )
        + (
            f"<p style='margin:.5em 0 0;font-weight:600'>What to do</p><ul style='margin:.2em 0'>{advice}</ul>"
            if advice
            else ""
        )
        + (f"<details><summary>Notes</summary><ul>{notes}</ul></details>" if notes else "")
        + "</div>"
    )


def _facts(d: Diagnosis) -> list[tuple[str, str]]:
    facts = []
    if d.p_overfitting is not None:
        facts.append(("Probability of overfitting", f"{d.p_overfitting:.2f}"))
    if d.rise is not None and d.rise_interval is not None:
        facts.append(
            ("Rise from the best point", f"{d.rise:.1%} ({d.rise_interval[0]:.1%} to {d.rise_interval[1]:.1%})")
        )
    if d.onset_step is not None and d.onset_interval is not None:
        epoch = "" if d.onset_epoch is None else f", epoch {d.onset_epoch:.1f}"
        low, high = d.onset_interval
        facts.append(
            ("Began at", f"step {d.onset_step:,}{epoch} (about {d.onset_coverage:.0%} sure: {low:,} to {high:,})")
        )
    if d.checkpoint is not None:
        epoch = "" if d.checkpoint["epoch"] is None else f", epoch {d.checkpoint['epoch']:g}"
        excess = d.checkpoint["excess_of_last"]
        cost = f"; the last one is expected to be {excess:.1%} worse" if excess > 0.0005 else ""
        name = f" {d.checkpoint['name']}" if d.checkpoint["name"] else ""
        facts.append(("Checkpoint to use", f"step {d.checkpoint['step']:,}{epoch}{name}{cost}"))
    elif d.recommended_step is not None:
        facts.append(("Best step", f"{d.recommended_step:,}"))
    return facts
