"""How many planted faults `Dataset.suspects` finds: `python tests/benchmarks/suspects.py [--rounds N]`.

    found    share of the planted faults (5 % of the rows) among the first 10 % of the list, the mean of the rounds;
             >= 70 % for flipped labels in the tickets and in the documentation
    out      rows that stand out, and how many of them are planted ones
    clean    files without planted faults: the share in which anything stands out, and the largest number of rows

Beside it, on the same rows: random order; one fit on the whole file, the largest loss first (logistic regression, no
held-out parts); and the share of the five nearest rows that have another label. The last two know labels only.

Files: support tickets with the right answers (`make_tickets`) and as they are shipped (9 % are wrong in one key
already, which stand out by right and are counted as faults of nobody here); documentation strings of Python's standard library,
labelled by package, of which twelve are kept (real prose, written by many); requests to a bank, made here; pairs of a
question and its answer, made here.
"""

from __future__ import annotations

import argparse
import ast
import json
import random
import sys
import sysconfig
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestNeighbors

from tunebook.data.dataset import from_examples

sys.path.insert(0, str(Path(__file__).parents[2] / "data"))
from make_support_tickets import make_tickets

Rows = list[tuple[str, str]]
SHARE = 0.05


# ruff: noqa: E501 - sentences are easier to read unbroken

# ---- files ----


def tickets(rows: int, seed: int, noise: float = 0.0) -> Rows:
    return [(t.message, json.dumps(t.label, separators=(",", ":"))) for t in make_tickets(rows, seed, noise)]


def documentation(rows: int, seed: int, packages: int = 12) -> Rows:
    """First paragraphs of documentation strings, labelled by the package they stand in."""
    root, found = Path(sysconfig.get_path("stdlib")), {}
    for path in sorted(root.rglob("*.py")):
        package = path.relative_to(root).parts[0].removesuffix(".py")
        if package in ("site-packages", "test", "idlelib", "lib2to3", "turtledemo", "__pycache__", "ensurepip"):
            continue
        try:
            tree = ast.parse(path.read_text("utf-8"))
        except (SyntaxError, UnicodeDecodeError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                text = (ast.get_docstring(node) or "").split("\n\n")[0][:300]
                if len(text) > 30:
                    found.setdefault(text, package)
    kept = {package for package, _ in Counter(found.values()).most_common(packages)}
    chosen = [(text, package) for text, package in found.items() if package in kept]
    random.Random(seed).shuffle(chosen)
    return chosen[:rows]


INTENTS = {
    "card_lost": [
        "I lost my card",
        "my card was stolen",
        "cannot find my debit card",
        "my wallet with the card is gone",
    ],
    "card_arrival": ["my new card has not come", "when does the card arrive", "still waiting for the card in the post"],
    "top_up_failed": ["my top up did not work", "adding money failed", "the top up was declined"],
    "transfer_pending": [
        "my transfer is still pending",
        "the money has not reached my friend",
        "when will the payment land",
    ],
    "exchange_rate": [
        "which exchange rate do you use",
        "the rate for euros was wrong",
        "how is the conversion computed",
    ],
    "pin_change": ["how do I change my PIN", "I forgot the code of my card", "set a new PIN please"],
    "refund": ["the shop owes me a refund", "my refund does not show", "I returned the shoes and got no money back"],
    "close_account": ["please close my account", "I want to leave the bank", "delete my profile"],
}
OPENINGS = ["hi,", "hello there,", "good morning.", "sorry to bother you,", "quick question:", "urgent!", "", ""]
ASIDES = [
    "I am in {town} this week.", "It happened on {day}.", "My friend had the same in {town}.", "The app shows nothing.",
    "I paid for a hotel before that.", "Is the card involved?", "I checked twice.", "",
]  # fmt: skip
TOWNS = [
    "Oslo",
    "Lima",
    "Quito",
    "Cairo",
    "Delhi",
    "Osaka",
    "Seoul",
    "Hanoi",
    "Turin",
    "Porto",
    "Ghent",
    "Graz",
    "Linz",
    "Perth",
    "Leeds",
    "Bonn",
]
DAYS = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
]


def bank(rows: int, seed: int) -> Rows:
    """Requests in a few phrasings, dressed; uneven labels, the rarest a fifth as frequent as the commonest."""
    chance = random.Random(seed)
    names = list(INTENTS)
    made = []
    for name in chance.choices(names, [1 / (1 + 0.6 * n) for n in range(len(names))], k=rows):
        asides = chance.sample(ASIDES, 2)
        text = " ".join([chance.choice(OPENINGS), chance.choice(INTENTS[name]) + ".", *asides])
        made.append((text.format(town=chance.choice(TOWNS), day=chance.choice(DAYS)), name))
    return made


THINGS = [
    "printer",
    "router",
    "kettle",
    "lamp",
    "bicycle",
    "camera",
    "drill",
    "heater",
    "fan",
    "radio",
    "toaster",
    "scale",
    "mixer",
    "clock",
    "mower",
    "pump",
]
FAULTS = {
    "makes a noise": ["tighten the screw below the {thing}", "oil the {thing} and listen again"],
    "does not start": ["check the fuse of the {thing}", "hold the switch of the {thing} for ten seconds"],
    "smells burnt": ["unplug the {thing} at once", "let the {thing} cool, then call us"],
    "leaks": ["change the seal of the {thing}", "stand the {thing} upright and dry it"],
    "blinks red": ["reset the {thing} with the small button", "update the {thing} before using it"],
}
ENDS = ["Write again if it goes on.", "That helps in most cases.", "It takes {n} minutes.", "Keep invoice {n} at hand."]


def answers(rows: int, seed: int) -> Rows:
    """A fault of a thing in a town, and what to do about it, in free words."""
    chance = random.Random(seed)
    made = []
    for _ in range(rows):
        thing, fault, town = chance.choice(THINGS), chance.choice(list(FAULTS)), chance.choice(TOWNS)
        said = f"Please {chance.choice(FAULTS[fault])}. {chance.choice(ENDS)}".format(
            thing=thing, n=chance.randrange(90)
        )
        made.append((f"My {thing} {fault}, I live in {town}. What now?", said))
    return made


# ---- faults ----


def flip_key(key: str) -> Callable[[Rows, set[int], random.Random], Rows]:
    """One key of a JSON answer gets another value; "" changes one key of all, drawn anew for each row."""

    def flip(rows: Rows, at: set[int], chance: random.Random) -> Rows:
        objects = [json.loads(answer) for _, answer in rows]
        for place in at:
            chosen = key or chance.choice(sorted(objects[place]))
            others = sorted({value[chosen] for value in objects} - {objects[place][chosen]})
            objects[place] = {**objects[place], chosen: chance.choice(others)}
        return [(prompt, json.dumps(o, separators=(",", ":"))) for (prompt, _), o in zip(rows, objects, strict=True)]

    return flip


def flip(rows: Rows, at: set[int], chance: random.Random) -> Rows:
    labels = sorted({answer for _, answer in rows})
    return [(p, chance.choice([x for x in labels if x != a]) if i in at else a) for i, (p, a) in enumerate(rows)]


def swap(rows: Rows, at: set[int], _: random.Random) -> Rows:
    places = sorted(at)
    given = {place: rows[other][1] for place, other in zip(places, places[1:] + places[:1], strict=True)}
    return [(prompt, given.get(i, answer)) for i, (prompt, answer) in enumerate(rows)]


def cut(rows: Rows, at: set[int], chance: random.Random) -> Rows:
    return [(p, a[: max(1, int(len(a) * chance.uniform(0.3, 0.9)))] if i in at else a) for i, (p, a) in enumerate(rows)]


# ---- baselines: scores, the largest first ----


def single_fit(rows: Rows) -> np.ndarray:
    texts = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True).fit_transform([prompt for prompt, _ in rows])
    _, given = np.unique([answer for _, answer in rows], return_inverse=True)
    seen = LogisticRegression(max_iter=50).fit(texts, given).predict_proba(texts)
    return -np.log(np.maximum(seen[np.arange(len(rows)), given], 1e-12))


def nearest(rows: Rows) -> np.ndarray:
    texts = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True).fit_transform([prompt for prompt, _ in rows])
    given = np.array([answer for _, answer in rows])
    like = NearestNeighbors(n_neighbors=6).fit(texts).kneighbors(texts)[1][:, 1:]
    return (given[like] != given[:, None]).mean(axis=1)


def caught(order: Sequence[int], at: set[int]) -> float:
    return len(set(order[: len(order) // 10]) & at) / len(at)


# ---- the table ----


def suspects(rows: Rows):
    turns = [{"messages": [{"role": "user", "content": p}, {"role": "assistant", "content": a}]} for p, a in rows]
    started = time.perf_counter()
    found = from_examples(turns).suspects(progress=False)
    return found, time.perf_counter() - started


CASES = [
    ("tickets, right", "category flipped", tickets, flip_key("category")),
    ("tickets, right", "any key flipped", tickets, flip_key("")),
    ("tickets, right", "answers swapped", tickets, swap),
    ("tickets, right", "answers cut", tickets, cut),
    ("tickets, shipped", "category flipped", lambda n, seed: tickets(n, seed, 0.09), flip_key("category")),
    ("tickets, shipped", "any key flipped", lambda n, seed: tickets(n, seed, 0.09), flip_key("")),
    ("documentation", "labels flipped", documentation, flip),
    ("documentation", "labels cut", documentation, cut),
    ("bank", "labels flipped", bank, flip),
    ("answers", "answers swapped", answers, swap),
    ("answers", "answers cut", answers, cut),
]
CLEAN = {
    "tickets, right": tickets,
    "documentation": documentation,
    "documentation, 60 labels": lambda n, seed: documentation(n, seed, 60),
    "bank": bank,
    "answers": answers,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=1000)
    options = parser.parse_args()
    print(f"{options.rows} rows, {SHARE:.0%} planted, {options.rounds} rounds")
    head = f"{'found':>7}{'random':>8}{'one fit':>9}{'nearest':>9}{'out (right)':>14}{'seconds':>9}"
    print(f"{'file':<18}{'fault':<18}{head}")
    for line in planted(options.rows, options.rounds):
        print(line, flush=True)
    print("\nclean files                files with any    most rows")
    for name, make in CLEAN.items():
        counts = [
            len(suspects(make(rows, 100 + s))[0].outstanding) for s in range(options.rounds) for rows in (200, 1000)
        ]
        print(f"{name:<27}{sum(map(bool, counts)):>5} of {len(counts)}{max(counts):>13}", flush=True)


def planted(count: int, rounds: int) -> Iterator[str]:
    for name, fault, make, plant in CASES:
        results = []
        for seed in range(rounds):
            chance = random.Random(seed)
            clean = make(count, 20261 + seed)
            at = set(chance.sample(range(len(clean)), round(SHARE * len(clean))))
            rows = plant(clean, at, chance)
            found, seconds = suspects(rows)
            order = [row.line - 1 for row in found.rows]
            out = {row.line - 1 for row in found.outstanding}
            shuffled = chance.sample(range(len(rows)), len(rows))
            baselines = (
                [caught(np.argsort(-score(rows), kind="stable").tolist(), at) for score in (single_fit, nearest)]
                if (len({a for _, a in rows}) < 0.3 * len(rows))
                else [np.nan, np.nan]
            )
            results.append((caught(order, at), caught(shuffled, at), *baselines, len(out), len(out & at), seconds))
        mean = np.mean(results, axis=0)
        shares = f"{mean[0]:>7.0%}{mean[1]:>8.0%}" + "".join(
            f"{'-' if np.isnan(x) else f'{x:.0%}':>9}" for x in mean[2:4]
        )
        yield f"{name:<18}{fault:<18}{shares}{f'{mean[4]:.0f} ({mean[5]:.0f})':>14}{mean[6]:>9.1f}"


if __name__ == "__main__":
    main()
