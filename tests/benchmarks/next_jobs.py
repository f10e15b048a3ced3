"""Simulated spaces of settings with known truth: how soon the best is found, and what a dollar buys.

Three families of surfaces over n_epochs and the learning rate; related earlier sweeps are the same surface moved,
stretched and at another level, foreign ones such a surface turned upside down. Nothing in `tunebook` knows them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm

from tunebook.analysis import Comparison, Diagnosis, Run, compare, diagnose
from tunebook.analysis.sweeps.landscape import Landscape, landscape, places
from tunebook.analysis.sweeps.next_steps import next_steps
from tunebook.analysis.sweeps.ranking import Measure
from tunebook.analysis.sweeps.scales import scale_for
from tunebook.analysis.sweeps.suggestions import suggest_from
from tunebook.analysis.sweeps.surface import fit_surface

NAMES = ("n_epochs", "learning_rate_multiplier")
SPACE: Mapping[str, tuple[float, ...]] = {
    "n_epochs": (1, 2, 3, 4, 6, 8),
    "learning_rate_multiplier": (0.02, 0.05, 0.1, 0.3, 1.0, 2.0),
}
GRID = [dict(zip(NAMES, (e, r), strict=True)) for e in SPACE["n_epochs"] for r in SPACE["learning_rate_multiplier"]]
NOISE = 0.02


@dataclass(frozen=True)
class Hidden:
    """A true surface: log loss by cell of `GRID`, `at` any point of the unit box, and of a related earlier sweep."""

    levels: np.ndarray
    at: Callable[[np.ndarray, np.ndarray], np.ndarray]
    related: Callable[[np.random.Generator], np.ndarray]

    @property
    def good(self) -> np.ndarray:
        """Cells within 0.5 % of the best."""
        return self.levels <= self.levels.min() + np.log(1.005)


def _units() -> tuple[np.ndarray, np.ndarray]:
    epochs = np.array([(cell["n_epochs"] - 1) / 7 for cell in GRID])
    rate = np.array([np.log(cell["learning_rate_multiplier"] / 0.02) / np.log(100) for cell in GRID])
    return epochs, rate


def _smooth(e: np.ndarray, r: np.ndarray, p: np.ndarray) -> np.ndarray:
    """A bowl in the rate whose lowest point moves with the epochs."""
    bowl = (0.8 + 0.8 * p[0]) * (r - 0.275 - 0.3 * p[1] + 0.2 * (e - 0.5)) ** 2
    return bowl + (0.1 + 0.3 * p[2]) * (e - 0.3 - 0.4 * p[3]) ** 2


def _cliff(e: np.ndarray, r: np.ndarray, p: np.ndarray) -> np.ndarray:
    """A slow fall that ends at a cliff where the rate is too high."""
    edge = 0.575 + 0.2 * p[0]
    cliff = (0.3 + 0.3 * p[1]) / (1 + np.exp(-(r - edge) / 0.03))
    return cliff + (0.1 + 0.2 * p[2]) * np.exp(-4 * r) + 0.4 * (e - 0.3 - 0.2 * p[3]) ** 2


def _dose(e: np.ndarray, r: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Epochs times rate is a dose: too little has not learned, too much overfits; the best may lie at an edge."""
    dose = np.log2(1 + 7 * np.clip(e, 0, None)) / 3 + 1.5 * r - 0.4 - 1.4 * p[0]
    return (
        (0.1 + 0.2 * p[1]) * np.logaddexp(0, -3 * dose)
        + 0.15 * p[2] * np.clip(dose, 0, None) ** 2
        + 0.08 * p[3] * np.clip(r - 0.6, 0, None)
    )


FAMILIES: Mapping[str, Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]] = {
    "smooth": _smooth,
    "cliff": _cliff,
    "dose": _dose,
}


def hidden(family: str, seed: int) -> Hidden:
    rng = np.random.default_rng([seed, list(FAMILIES).index(family), 21])
    p, (e, r) = rng.random(4), _units()

    def related(other: np.random.Generator) -> np.ndarray:
        shift = other.normal(0, 0.05, 2)
        return other.uniform(0.6, 1.6) * FAMILIES[family](e + shift[0], r + shift[1], p) + other.normal(0, 0.5)

    return Hidden(FAMILIES[family](e, r, p), lambda e, r: FAMILIES[family](e, r, p), related)


def earlier_sweep(levels: np.ndarray, rng: np.random.Generator, jobs: int = 12) -> pd.DataFrame:
    """`jobs` different cells of a surface as they came out."""
    cells = rng.permutation(len(GRID))[:jobs]
    frame = pd.DataFrame([GRID[cell] for cell in cells])
    return frame.assign(observed=np.exp(levels[cells] + rng.normal(0, NOISE, jobs)))


def learned(frame: pd.DataFrame) -> Landscape:
    scales = [scale_for(name, frame[name].tolist()) for name in NAMES]
    points = places(frame.to_dict("records"), scales)
    return landscape(frame, points, scales, Measure.of("loss", frame["observed"].to_numpy(float)))


# From the jobs so far, and the landscapes of earlier sweeps, the place in `GRID` to run next.
Chooser = Callable[[pd.DataFrame, Sequence[Landscape], np.random.Generator], int]


def at_random(frame: pd.DataFrame, archive: Sequence[Landscape], rng: np.random.Generator) -> int:
    del archive
    left = [place for place, cell in enumerate(GRID) if cell not in records(frame)]
    return int(rng.choice(left))


def from_flat(frame: pd.DataFrame, archive: Sequence[Landscape], rng: np.random.Generator) -> int:
    """As the kit chose before it expected anything of a space: the middle, then the surface alone."""
    del archive, rng
    if frame.empty:
        return 14
    scales = [scale_for(name, SPACE[name]) for name in NAMES]
    points, tried = (
        [scale.unit([row[scale.name] for row in rows]) for scale in scales] for rows in (GRID, records(frame))
    )
    surface = fit_surface(scales, np.column_stack(tried), np.log(frame["observed"].to_numpy(float)), seed=len(frame))
    mean, variance = surface.predict(np.column_stack(points))
    spread = np.sqrt(variance + surface.settings.misfit[:, None] ** 2)
    ahead = (surface.theta_mean.min(axis=1) + surface.center)[:, None] - mean
    gain = (ahead * norm.cdf(ahead / spread) + spread * norm.pdf(ahead / spread)).mean(0)
    gain[[GRID.index(cell) for cell in records(frame)]] = -1
    return int(gain.argmax())


def suggested(frame: pd.DataFrame, archive: Sequence[Landscape], rng: np.random.Generator) -> int:
    del rng
    return GRID.index(suggest_from(frame, SPACE, 1, archive=archive, seed=len(frame))[0])


def records(frame: pd.DataFrame) -> list[dict[str, float]]:
    return frame[[*NAMES]].to_dict("records")


# Who chooses, and what the archive holds: sweeps of related surfaces, of others, or nothing.
CHOOSERS: Mapping[str, tuple[Chooser, str]] = {
    "random": (at_random, ""),
    "surface alone": (from_flat, ""),
    "suggest": (suggested, ""),
    "with 3 related sweeps": (suggested, "related"),
    "with 3 foreign sweeps": (suggested, "foreign"),
}


def archive_for(true: Hidden, kind: str, rng: np.random.Generator) -> list[Landscape]:
    """Three earlier sweeps; foreign ones are such surfaces upside down: their best was where it is worst here."""
    if not kind:
        return []
    levels = [true.related(rng) for _ in range(3)]
    if kind == "foreign":
        levels = [-each for each in levels]
    return [learned(earlier_sweep(each, rng)) for each in levels]


def jobs_needed(family: str, chooser: str, seed: int) -> tuple[int, int]:
    """Jobs until one was run whose settings are truly within 0.5 % of the best of the grid, and until the best was."""
    choose, kind = CHOOSERS[chooser]
    true, rng = hidden(family, seed), np.random.default_rng([seed, 9])
    archive = archive_for(true, kind, rng)
    rows: list[dict[str, float]] = []
    near = 0
    while True:
        at = choose(pd.DataFrame(rows, columns=[*NAMES, "observed"]), archive, rng)
        rows.append({**GRID[at], "observed": float(np.exp(true.levels[at] + rng.normal(0, NOISE)))})
        near = near or len(rows) * bool(true.good[at])
        if at == true.levels.argmin():
            return near, len(rows)


# Projects: a hidden surface, the luck of a seed, an error of measuring, a price by the epoch; money for about ten jobs.
PER_EPOCH, BUDGET = 0.10, 4.0
START = (1, 14, 28)  # three jobs everybody begins with: cells of low, middle and high rate


@dataclass
class Project:
    """What has been spent and run; what a buyer sees are the runs, what is judged is the truth."""

    true: Hidden
    seed: int
    runs: list[Run] = field(default_factory=list)
    truths: list[float] = field(default_factory=list)
    diagnoses: dict[str, Diagnosis] = field(default_factory=dict)
    spent: float = 0.0
    luck: np.random.Generator = field(default_factory=np.random.default_rng)

    def buy(self, settings: Mapping[str, float]) -> bool:
        """Run one job where the money lasts."""
        price = PER_EPOCH * settings["n_epochs"]
        if self.spent + price > BUDGET + 1e-9:
            return False
        level = self.level(settings) + self.luck.normal(0, NOISE)
        number = len(self.runs)
        from sweeps import simulated_run  # which imports this file

        run = simulated_run(
            f"j{number}", settings, final=float(np.exp(level)), steps=48, seed=1000 * self.seed + number, noise=0.03
        )
        self.runs.append(run)
        self.truths.append(level)
        self.diagnoses[run.id] = diagnose(run)
        self.spent += price
        return True

    def level(self, settings: Mapping[str, float]) -> float:
        e = (settings["n_epochs"] - 1) / 7
        r = np.log(settings["learning_rate_multiplier"] / 0.02) / np.log(100)
        return float(self.true.at(np.array([e]), np.array([r]))[0])

    def compared(self) -> Comparison:
        """As a buyer sees it, with the prices of this market."""
        comparison = compare(self.runs, diagnoses=self.diagnoses, workers=1)
        epochs = comparison.frame["n_epochs"].astype(float)
        return replace(comparison, frame=comparison.frame.assign(cost_usd=PER_EPOCH * epochs))

    def deployed(self) -> tuple[str, float]:
        """The job that would be deployed now, and its true log loss."""
        winner = str(self.compared().winner)
        return winner, self.truths[int(winner[1:])]

    def regret(self) -> float:
        """True loss of the job that would be deployed, above the best that any settings give on average."""
        return float(np.expm1(self.deployed()[1] - self.true.levels.min()))


Buyer = Callable[[Project, np.random.Generator], None]


def buys_grid(project: Project, rng: np.random.Generator) -> None:
    """A coarse grid in its order, as far as the money goes."""
    del rng
    for cell in (7, 9, 25, 27, 19, 21, 13, 15, 31, 33, 1, 3):
        project.buy(GRID[cell])


def buys_random(project: Project, rng: np.random.Generator) -> None:
    for cell in rng.permutation(len(GRID)):
        project.buy(GRID[cell])


def buys_best_twice(project: Project, rng: np.random.Generator) -> None:
    """Random settings with half of the money, then the best so far with other seeds."""
    for cell in rng.permutation(len(GRID)):
        if project.spent < BUDGET / 2:
            project.buy(GRID[cell])
    best = int(np.argmin([run.results.frame["full_valid_loss"].dropna().iloc[-1] for run in project.runs]))
    for _ in range(2):
        project.buy(told(project.runs[best].job))


def buys_next_steps(project: Project, rng: np.random.Generator) -> None:
    """What `next_steps` says, round after round, until it says to stop."""
    del rng
    for turn in range(10):
        found = next_steps(project.compared(), budget_usd=max(BUDGET - project.spent, 0.0), seed=turn)
        if not [project.buy(told(request)) for request in found.requests]:
            return


def told(job: Mapping[str, Any]) -> dict[str, float]:
    return job["method"]["supervised"]["hyperparameters"]


BUYERS: Mapping[str, Buyer] = {
    "next_steps": buys_next_steps,
    "grid": buys_grid,
    "random": buys_random,
    "best so far, two more seeds": buys_best_twice,
}


def begun(family: str, seed: int, more: int = 0) -> Project:
    """A project with its first jobs run, and `more` at random beyond them."""
    project = Project(hidden(family, seed), seed, luck=np.random.default_rng([seed, 3]))
    cells = np.random.default_rng([seed, 6]).permutation(len(GRID))[:more]
    for cell in (*START, *cells):
        project.buy(GRID[cell] | {"batch_size": 8})
    return project


def outcome(family: str, buyer: str, seed: int) -> tuple[float, float, float]:
    """Regret at the start and at the end, and the dollars spent in between."""
    project = begun(family, seed)
    before, spent = project.regret(), project.spent
    BUYERS[buyer](project, np.random.default_rng([seed, 5]))
    return before, project.regret(), project.spent - spent


def gain_held(family: str, kind: str, seed: int) -> tuple[float, float, bool, float, bool]:
    """Of a step of that kind after six jobs: expected gain and the true one (fractions of the loss), whether its 90 %
    interval held it, said probability that the choice changes, and whether it did."""
    project = begun(family, seed, more=3)
    winner, before = project.deployed()
    step = next(each for each in next_steps(project.compared()) if each.kind == kind)
    project.spent = 0.0
    for request in step.requests:
        project.buy(told(request))
    after, level = project.deployed()
    won = float(np.exp(before) - np.exp(level))
    held = step.gain.low - 1e-9 <= won <= step.gain.high + 1e-9
    return step.gain.share, won / np.exp(before), held, step.gain.changes, after != winner
