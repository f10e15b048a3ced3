"""A run: one job with everything it left behind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tunebook.show import Card, Shown, facts
from tunebook.words import count, is_number, plural, setting

if TYPE_CHECKING:
    from tunebook.analysis.results import Results  # with pandas, which takes longer to load than a job to list

# Status is an open vocabulary: what is not one of these is still going.
TERMINAL = frozenset({"succeeded", "failed", "cancelled"})
# Parts of a run's folder it cannot be ranked without.
NEEDED = ("job.json", "results.csv")
USUAL = ("n_epochs", "batch_size", "learning_rate_multiplier")


@dataclass(frozen=True, eq=False)
class Run(Shown):
    """A fine-tuning job and its results.

    `job` is the job object as the service sent it (JSON), `checkpoints` and `events` likewise; `results` is None when
    the job left none. `problems` maps a part of its folder (`job.json`, …) to why that could not be read. Properties
    read the job object in any of the service's dialects and give None for what it does not say.

    >>> run = tb.read_run("runs/ftjob-long")
    >>> run.suffix, run.hyperparameters["n_epochs"], run.trained_tokens, len(run.checkpoints)
    ('long', 6, 360000, 3)
    """

    job: Mapping[str, Any]
    results: Results | None = None
    checkpoints: tuple[Mapping[str, Any], ...] = ()
    events: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    problems: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def id(self) -> str:
        return str(self.job.get("id", ""))

    @property
    def model(self) -> str:
        """The base model the job started from."""
        return str(self.job.get("model") or "")

    @property
    def status(self) -> str:
        return str(self.job.get("status") or "")

    @property
    def method(self) -> str:
        """supervised, dpo or reinforcement; supervised when the job does not say."""
        method = self.job.get("method")
        if isinstance(method, Mapping):
            return str(method.get("type") or "supervised")
        return str(method or "supervised")

    @property
    def seed(self) -> int | None:
        seed = self.job.get("seed")
        return seed if is_number(seed) else None

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """What the job trained with: `n_epochs`, `batch_size`, `learning_rate_multiplier` and any others.

        None stands for a value the service chose and did not tell (`"auto"`, null, `-1`).
        """
        found: dict[str, Any] = dict.fromkeys(USUAL)
        method = self.job.get("method")
        nested = method.get(self.method) if isinstance(method, Mapping) else None
        for source in (nested, self.job):
            values = source.get("hyperparameters") if isinstance(source, Mapping) else None
            if isinstance(values, Mapping):
                found.update({k: v for k, v in values.items() if _told(k, v)})
        return found

    @property
    def training_file(self) -> str | None:
        return _text(self.job.get("training_file"))

    @property
    def validation_file(self) -> str | None:
        return _text(self.job.get("validation_file"))

    @property
    def trained_tokens(self) -> int | None:
        tokens = self.job.get("trained_tokens")
        return tokens if is_number(tokens) else None

    @property
    def fine_tuned_model(self) -> str | None:
        return _text(self.job.get("fine_tuned_model"))

    @property
    def suffix(self) -> str | None:
        """The suffix of the model's name (Azure sends `suffix`, OpenAI `user_provided_suffix`)."""
        return _text(self.job.get("suffix") or self.job.get("user_provided_suffix"))

    @property
    def ended(self) -> bool:
        """Whether the job has come to its end: succeeded, failed or cancelled."""
        return self.status in TERMINAL

    @property
    def total_steps(self) -> int | None:
        """Steps of the whole job: the last one when it succeeded, else what its events announce."""
        if self.status == "succeeded" and self.results is not None and len(self.results):
            return int(self.results.frame["step"].iloc[-1])
        for event in self.events:
            data = event.get("data") if isinstance(event, Mapping) else None
            if isinstance(data, Mapping) and isinstance(data.get("total_steps"), int | float):
                return int(data["total_steps"])
        return None

    def __repr__(self) -> str:
        steps = f"{plural(len(self.results), 'step')}" if self.results is not None else "no results"
        return f"Run({self.id!r}, {self.model!r}, {self.status or 'status unknown'}, {steps})"

    def _card(self) -> Card:
        settings = (f"{k} {'chosen by the service' if v is None else v}" for k, v in self.hyperparameters.items())
        return Card(
            facts(
                [
                    ("model", self.model),
                    ("status", self.status),
                    ("suffix", self.suffix or ""),
                    ("method", self.method),
                    ("hyperparameters", ", ".join(settings)),
                    ("seed", setting(self.seed)),
                    ("trained tokens", count(self.trained_tokens)),
                    ("results", repr(self.results) if self.results is not None else "none"),
                    ("checkpoints", count(len(self.checkpoints))),
                ],
                f"Run {self.id}",
            )
        )


def run_of(source: Any) -> Any:
    """The run of a job, or of whatever else has one; anything else as it is."""
    return source.run() if not isinstance(source, Run) and hasattr(source, "run") else source


def _told(name: str, value: Any) -> bool:
    """Whether a hyperparameter's value was told: a word or a number, and for the usual three a number.

    `"auto"`, null and `-1` stand for "the service chooses"; a list or an object is no value at all.
    """
    if is_number(value):
        return bool(value != -1)
    return isinstance(value, str | bool) and value != "auto" and name not in USUAL


def _text(value: Any) -> str | None:
    return str(value) if value else None
