"""A rule that reads single batches, next to the diagnosis and the truth, on jobs of the embedded service.

    python tests/benchmarks/last_batch.py [--seeds 3]

`valid_loss` of a step is measured on a small batch of the validation file, here as on Azure. `check_training` of
Microsoft's skill for coding agents (github.com/microsoft/GitHub-Copilot-for-Azure) compares the last such batch with
the lowest: above 1.2 times it, "overfitting detected"; else validation above 1.5 times training, "moderate". The truth
is the whole validation file, which the service measures at the end of each epoch: a job overfits when its last value is
5 % above its lowest. Some jobs train on 480 tickets, others long on 40.
"""

import argparse
import json
import os
import signal
import sys
import tempfile
from pathlib import Path

import tunebook as tb

TICKETS = Path(__file__).parents[2] / "data" / "support_tickets.jsonl"
RISE = 1.05
KINDS = {"480 tickets, 4 epochs": (480, 4), "480 tickets, 6 epochs": (480, 6), "40 tickets, 25 epochs": (40, 25)}


def rule(frame):
    """What `check_training` says of a result file: its words, and by how much the last batch is above the lowest."""
    measured = frame.dropna(subset="valid_loss")
    lowest, last = measured["valid_loss"].min(), measured["valid_loss"].iloc[-1]
    if last > 1.2 * lowest:
        return "overfitting", last / lowest - 1
    moderate = last / measured["train_loss"].iloc[-1] > 1.5
    return "moderate overfitting" if moderate else "healthy", last / lowest - 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        state = Path(scratch, "state")
        ws = tb.connect("local", state=state, environ={})
        examples = [json.loads(line) for line in TICKETS.read_text("utf-8").splitlines()]
        valid = ws.files.upload(tb.read_dataset(examples[500:620], name="valid")).id
        print("| job | whole file: last above lowest | last batch above lowest | check_training | tunebook |")
        print("|---|---|---|---|---|")
        for kind, (count, epochs) in KINDS.items():
            train = ws.files.upload(tb.read_dataset(examples[:count], name=f"train-{count}")).id
            for seed in range(options.seeds):
                job = ws.jobs.create(
                    tb.JobRequest(
                        model="gpt-4.1-nano", training_file=train, validation_file=valid, n_epochs=epochs, seed=seed
                    )
                ).wait()
                run = job.run()
                whole = run.results.frame["full_valid_loss"].dropna()
                true = whole.iloc[-1] / whole.min()
                said, above = rule(run.results.frame)
                verdict = tb.diagnose(run).verdict.replace("_", " ")
                truth = "overfits" if true > RISE else "healthy"
                cells = (f"{kind}, seed {seed}", f"{true - 1:.0%} ({truth})", f"{above:.0%}", said, verdict)
                print(f"| {' | '.join(cells)} |", flush=True)
        os.kill(json.loads((state / "service.json").read_text())["pid"], signal.SIGTERM)
    return 0


if __name__ == "__main__":
    sys.exit(main())
