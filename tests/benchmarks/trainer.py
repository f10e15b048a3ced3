"""Training throughput next to bare scikit-learn: `python tests/benchmarks/trainer.py [FILE] [--rows N]`.

The yardstick is `MLPClassifier.partial_fit` with Adam, of the same layer sizes, on the same batches in the same
order, in float32, its dense inputs worked out beforehand and off the clock. Ours is everything: batches cut,
vectors looked up, forward, backward, loss and accuracy, the vectors themselves trained, rows made. One thread
each, taking turns; the best of the rounds counts.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

from tunebook_local.model.language_model import HIDDEN, LanguageModel
from tunebook_local.model.trainer import Training

DATA = Path(__file__).parents[2] / "data" / "support_tickets.jsonl"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, nargs="?", default=DATA)
    parser.add_argument("--rows", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[1, 4, 16])
    arguments = parser.parse_args()
    lines = arguments.file.read_text("utf-8-sig").splitlines()
    examples = [json.loads(line) for line in lines if line.strip()][: arguments.rows]
    print(f"{arguments.file.name}, {len(examples)} examples, one epoch, one thread; target tokens per second")
    print(f"{'batch_size':>10} {'tokens/step':>12} {'tunebook':>10} {'partial_fit':>12} {'ratio':>6}")
    for batch_size in arguments.batch_sizes:
        ours, theirs, tokens, steps = compare(examples, batch_size, arguments.rounds)
        print(
            f"{batch_size:>10} {tokens / steps:>12.0f} {tokens / ours:>10,.0f} {tokens / theirs:>12,.0f} "
            f"{theirs / ours:>6.2f}"
        )


def compare(examples: list, batch_size: int, rounds: int) -> tuple[float, float, int, int]:
    """Seconds of an epoch, ours and scikit-learn's; tokens and steps in it."""
    hyperparameters = {"n_epochs": 1, "batch_size": batch_size, "learning_rate_multiplier": 0.1}

    def training() -> Training:
        return Training(examples, None, hyperparameters=hyperparameters, seed=1)

    dense = list(dense_batches(training()))
    ours, theirs = [], []
    with threadpool_limits(1):
        for _ in range(rounds):
            job = training()
            started = time.perf_counter()
            for _step in job.steps():
                pass
            ours.append(time.perf_counter() - started)
            theirs.append(partial_fit(dense, vocabulary=len(job.model.tokenizer)))
    return min(ours), min(theirs), sum(len(targets) for _, targets in dense), len(dense)


def dense_batches(job: Training) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Inputs (N, window x width + prompt width) and targets (N,) of each step, as the base model sees them."""
    model, order = LanguageModel.load(), job._order(0)
    for start in range(0, job.n_train, job.batch_size):
        answers, _ = job.objective.train.of(order[start : start + job.batch_size])
        passes = [model.forward(batch) for batch in job.objective.train.answers.batches(answers)]
        inputs = [np.hstack([p.context, np.repeat(p.prompts, p.batch.lengths, axis=0)]) for p in passes]
        yield np.concatenate(inputs), np.concatenate([p.batch.targets for p in passes])


def partial_fit(batches: list[tuple[np.ndarray, np.ndarray]], vocabulary: int) -> float:
    """Seconds scikit-learn needs for the batches."""
    network = MLPClassifier((HIDDEN,), solver="adam", learning_rate_init=1e-3, alpha=0.0, random_state=1)
    every = np.arange(vocabulary)
    network.set_params(batch_size=len(batches[0][1])).partial_fit(*batches[0], classes=every)  # sets it up
    started = time.perf_counter()
    for inputs, targets in batches:
        network.set_params(batch_size=len(targets)).partial_fit(inputs, targets)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
