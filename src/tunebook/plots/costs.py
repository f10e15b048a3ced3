"""Loss against cost: what each configuration costs, and what a lower loss is worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tunebook import palette
from tunebook.analysis.sweeps.pareto import Cost, cost_known, pareto
from tunebook.plots import axes
from tunebook.plots.axes import plain
from tunebook.plots.marks import measured, settings_of
from tunebook.words import plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from tunebook.analysis.sweeps.comparison import Comparison


@dataclass(frozen=True)
class Priced:
    """One job: its cost, and its loss with its interval. standing: front, undecided, dominated."""

    cost: float
    loss: float
    low: float
    high: float
    standing: str


@dataclass(frozen=True)
class Front:
    """Jobs by rising cost; the knee by its place (None: nothing priced is as good as the best) and its settings."""

    points: tuple[Priced, ...]
    knee: int | None
    settings: str
    cost: str
    measure: str

    @property
    def log(self) -> bool:
        """Whether costs are shown by factors."""
        costs = [point.cost for point in self.points]
        return min(costs) > 0 and max(costs) > 8 * min(costs)


def pareto_chart(comparison: Comparison, *, cost: Cost | None = None) -> Front | None:
    """What `plot_pareto` says, None where no ranked job has a known cost."""
    cost = cost or cost_known(comparison)
    rows = pareto(comparison, cost=cost)
    if rows.empty:
        return None
    columns = ("cost", "loss", "loss_low", "loss_high", "standing")
    points = tuple(Priced(*row) for row in rows[list(columns)].to_numpy().tolist())
    knee = int(rows["knee"].to_numpy().argmax()) if rows["knee"].any() else None
    by_id = comparison.frame.set_index("id")
    settings = "" if knee is None else settings_of(comparison, by_id.loc[rows["id"].iloc[knee]])
    label = "trained tokens" if cost == "trained_tokens" else "training cost (US dollars)"
    return Front(points, knee, settings, label, measured(comparison))


_STANDINGS = {
    "front": ("s", palette.VALID, "worth its price"),
    "undecided": ("o", palette.TRAIN, "looks worse, not surely"),
    "dominated": ("x", palette.NEUTRAL, "dearer and worse"),
}


def plot_pareto(comparison: Comparison, *, cost: Cost | None = None, ax: Axes | None = None) -> Axes:
    """Loss against cost, one point a job with its interval.

    `cost` is "cost_usd" or "trained_tokens"; by default dollars where the price of every ranked job is known.
    Filled squares joined by a line are the front, open circles are dearer and look worse but not surely, crosses
    are surely dominated (90 %). The ring marks the knee: the cheapest that cannot be told from the best.

    >>> comparison = tb.compare(tb.read_runs("runs"))
    >>> tb.plots.plot_pareto(comparison, cost="trained_tokens").get_xlabel()
    'trained tokens'
    """
    ax = axes.own_axes(ax)
    chart = pareto_chart(comparison, cost=cost)
    if chart is None:
        return axes.say_instead(ax, "no ranked job with a known cost")
    for standing, (marker, colour, label) in _STANDINGS.items():
        places = [(p.cost, p.loss, p.loss - p.low, p.high - p.loss) for p in chart.points if p.standing == standing]
        if not places:
            continue
        at, loss, below, above = zip(*places, strict=True)
        if standing == "front":
            ax.step(at, loss, where="post", color=colour, linewidth=1.2, zorder=2)
        face = "none" if standing == "undecided" else colour
        look: dict[str, Any] = {"fmt": marker, "color": colour, "mfc": face, "markersize": 6.5, "elinewidth": 1}
        ax.errorbar(at, loss, yerr=[below, above], label=label, alpha=0.9, zorder=3, **look)
    _knee(ax, chart)
    axes.label(ax, chart.cost, chart.measure, f"{plural(len(chart.points), 'job')}: what a lower loss costs")
    ax.legend(fontsize="small", framealpha=0.6)
    return axes.inked(ax)


def _knee(ax: Axes, chart: Front) -> None:
    """The ring around the knee, its words on the side that has room, and the axis of costs."""
    from matplotlib.ticker import StrMethodFormatter

    costs = [point.cost for point in chart.points]
    if chart.knee is not None:
        knee = chart.points[chart.knee]
        ring: dict[str, Any] = {"color": palette.FULL, "mfc": "none", "markersize": 15, "mew": 2}
        ax.plot(knee.cost, knee.loss, "o", label="knee", zorder=4, **ring)
        to_the_right = knee.cost > (min(costs) + max(costs)) / 2
        ax.annotate(
            plain(f"knee: {chart.settings}"),
            (knee.cost, knee.loss),
            textcoords="offset points",
            xytext=(-12 if to_the_right else 12, 10),
            ha="right" if to_the_right else "left",
            fontsize="small",
            color=palette.FULL,
        )
    if chart.log:
        ax.set_xscale("log")
    dollars = "{x:,.2f}" if max(costs) >= 1 else "{x:.3g}"  # jobs of some cents need more places
    ax.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}" if chart.cost == "trained tokens" else dollars))
