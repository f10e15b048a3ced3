"""How fast the data room is, as ratios within one run: `python tests/benchmarks/data.py [--mb 512] [--near]`.

    check    structure and rules of a supervised file / a bare msgspec decoding loop over its lines, one core: <= 5
    memory   of that check: < 400 MB
    tokens   exact count from the file, reading and decoding included / a bare tokenizer loop, one core: <= 0.65
    near     20,000 x 2,000 texts < 10 s; with --near also 400,000 x 20,000 < 120 s and 2 GB

The files are made here: sentences of a small vocabulary with the frequencies of a natural language, one system message,
one conversation in ten of two turns, one e-mail address in a thousand. The check is also measured on files in which
half of the examples or all of them call tools, on preference pairs, and on examples with the address of a picture.

A "bare tokenizer loop" is not one thing, so four are measured, each with the texts in memory already: `loop`, our
tokenizer (toktok) called for one text after the other; `other`, an independent one (bpe-openai, when it is installed)
called likewise, much quicker; `file`, decode a line, count its texts; and `batch`, all texts handed to toktok in one
call, which is the quickest there can be: the count from the file is above it, as reading and decoding alone take as
long. The target is meant for the first two.

Each measurement runs in a process of its own; the smallest of several repeats counts, as other work on the machine only
ever adds.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

for _threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_threads, "1")

import msgspec  # noqa: E402 - after the number of threads

WORDS = (  # noqa: SIM905 - easier to read than a list
    "the of and to in a is that for it as was with be by on not he his but at are this have from or had an they "
    "which one you were all her she there would their we him been has when who will no more if out so up said "
    "what its about than into them can only other time new some could these two may first then do any like my now "
    "over such our man me even most made after also did many off before must well back through years much where "
    "your way down should because long each just state those people too little good world make very year still "
    "see own work men day get here between both life being under three never know same last another while us "
    "might great go come since against right came take used himself few house use during without again place "
    "around however home small found thought went say part once high general upon school every united left number "
    "course war until always away something fact water less public put think almost hand enough far look head yet "
    "better set told nothing night end why called didn't eyes find going asked later knew point next program city "
    "business group toward young days let room word invoice order account refund printer password settings "
    "customer delivery warranty tax-free follow-up café naïve"
).split(" ")


def sentences(count: int, chance: random.Random) -> list[str]:
    """Sentences of 6 to 16 words; the n-th word comes up 1/n as often as the first, rare ones carry a number."""
    weights = [1 / (n + 2) for n in range(len(WORDS))]
    made = []
    for _ in range(count):
        words = chance.choices(WORDS, weights, k=chance.randint(6, 16))
        if chance.random() < 0.3:
            words[chance.randrange(len(words))] = f"{chance.choice(('Mr', 'case', 'No.'))} {chance.randrange(10_000)}"
        made.append(" ".join(words).capitalize() + chance.choice((".", ".", "?", "!", ".\n")))
    return made


def write_file(path: Path, megabytes: int, *, tools: float = 0.0, kind: str = "") -> None:
    """A file of this size; `tools` is the share of examples that call a tool; `kind` may be "dpo" or "vision"."""
    chance = random.Random(1)
    pool = sentences(100_000, chance)
    system = {"role": "system", "content": "You answer customers of a small shop, kindly and shortly."}
    tool = {
        "type": "function",
        "function": {
            "name": "find_order",
            "parameters": {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]},
        },
    }

    def text(most: int) -> str:
        return " ".join(chance.choices(pool, k=chance.randint(2, most)))

    def record() -> dict[str, object]:
        messages = [system, {"role": "user", "content": text(5)}, {"role": "assistant", "content": text(5)}]
        if kind == "dpo":
            other = {"role": "assistant", "content": text(5)}
            return {
                "input": {"messages": messages[:2]},
                "preferred_output": messages[2:],
                "non_preferred_output": [other],
            }
        if kind == "vision":
            address = {"url": f"https://pictures.contoso.com/{chance.randrange(10**9)}.png", "detail": "low"}
            parts = [{"type": "text", "text": text(3)}, {"type": "image_url", "image_url": address}]
            return {"messages": [system, {"role": "user", "content": parts}, messages[2]]}
        luck = chance.random() if tools < 1 else 0.5
        if luck < 0.1:
            messages += [{"role": "user", "content": text(3)}, {"role": "assistant", "content": text(4)}]
        elif luck < 0.1 + tools:
            function = {"name": "find_order", "arguments": f'{{"id":"{chance.randrange(10**6)}"}}'}
            call = {"role": "assistant", "tool_calls": [{"id": "c1", "type": "function", "function": function}]}
            return {"messages": [*messages[:2], call], "tools": [tool]}
        elif luck < 0.101 + tools:
            messages[1] = {"role": "user", "content": text(3) + " Write to jo.doe@contoso.com."}
        return {"messages": messages}

    written = 0
    with path.open("wb") as file:
        while written < megabytes * 1_000_000:
            written += file.write(b"".join(msgspec.json.encode(record()) + b"\n" for _ in range(1_000)))


def best(measure: Callable[[], float], repeats: int) -> float:
    return min(measure() for _ in range(repeats))


def bare_decode(path: Path) -> float:
    decode = msgspec.json.Decoder().decode
    start = time.process_time()
    with path.open("rb") as file:
        for line in file:
            decode(line)
    return time.process_time() - start


def check(path: Path) -> float:
    from tunebook.data import read_dataset

    start = time.process_time()
    report = read_dataset(path).check(tokens="none", progress=False)
    spent = time.process_time() - start
    if not report.ok:
        raise SystemExit(f"the file made here should be clean: {report}")
    return spent


def measure_check(path: Path, repeats: int) -> dict[str, float]:
    """Both loops on one core, in turn, so that both see the same machine."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    bare_decode(path)  # fills the disk's cache
    bare, ours = [], []
    for _ in range(repeats):
        bare.append(bare_decode(path))
        ours.append(check(path))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"bare_s": min(bare), "check_s": min(ours), "ratio": min(ours) / min(bare), "memory_mb": memory}


def measure_tokens(path: Path, repeats: int) -> dict[str, float]:
    """The exact count of the first 60,000 examples of a file against the loops the module's docstring names."""
    from toktok import batch_count

    from tunebook.data import read_dataset

    part = read_dataset(path).head(60_000)
    examples = list(part)
    texts = [message["content"] for example in examples for message in example["messages"]]
    lines = part.to_bytes(bom=False).splitlines()
    some = texts[: len(texts) // 20]
    batch_count(["warm"], "o200k_base", 1)

    def loop() -> None:  # a twentieth of them, as it is slow
        for text in some:
            batch_count([text], "o200k_base", 1)

    def batch() -> None:
        batch_count(texts, "o200k_base", 1)

    def file() -> None:
        decode = msgspec.json.Decoder().decode
        for line in lines:
            batch_count([message["content"] for message in decode(line)["messages"]], "o200k_base", 1)

    slow, quick, plain, ours = (
        best(lambda run=run: timed(run), repeats) for run in (loop, batch, file, part.count_tokens)
    )
    slow *= len(texts) / len(some)
    other = other_tokenizer(some, repeats) * len(texts) / len(some)
    return {
        "count_s": ours,
        "loop_s": slow,
        "ratio": ours / slow,
        "other_s": other,
        "of_other": ours / other,
        "file_s": plain,
        "of_file": ours / plain,
        "batch_s": quick,
        "of_batch": ours / quick,
    }


def other_tokenizer(texts: list[str], repeats: int) -> float:
    """Seconds an independent tokenizer takes for one text after the other; not a number when it is not installed."""
    try:
        from bpe_openai import get_encoding
    except ImportError:
        return float("nan")
    encode = get_encoding("o200k_base").encode_ordinary

    def loop() -> None:
        for text in texts:
            len(encode(text))

    return best(lambda: timed(loop), repeats)


def timed(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def measure_near(rows: int, others: int) -> dict[str, float]:
    """One in ten of the others is a copy, whole, or with one word in twenty replaced; how many of those are found."""
    from tunebook.data.likeness.near import near_pairs

    chance = random.Random(2)
    pool = sentences(130_000, chance)
    texts = [" ".join(chance.choices(pool, k=chance.randint(3, 8))) for _ in range(rows)]
    more = [" ".join(chance.choices(pool, k=chance.randint(3, 8))) for _ in range(others)]
    copies = {}
    for at in range(others // 10):
        copies[at] = chance.randrange(rows)
        words = texts[copies[at]].split()
        if at % 2:
            for place in chance.sample(range(len(words)), max(1, len(words) // 20)):
                words[place] = chance.choice(WORDS)
        more[at] = " ".join(words)
    start = time.perf_counter()
    pairs = near_pairs(more, texts)
    spent = time.perf_counter() - start
    found = set(zip(pairs.a.tolist(), pairs.b.tolist(), strict=True))
    hit = sum(pair in found for pair in copies.items())
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": spent, "memory_mb": memory, "found": hit / len(copies)}


def alone(*arguments: str) -> dict[str, float]:
    """One measurement in a process of its own, so that memory and caches are its own."""
    done = subprocess.run([sys.executable, __file__, *arguments], check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mb", type=int, default=64, help="size of the file; 512 for the figures that count")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--near", action="store_true", help="400,000 x 20,000 texts too: a minute or two")
    parser.add_argument("--only", nargs="+", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.only:
        name, *values = asked.only
        measures = {"check": measure_check, "tokens": measure_tokens}
        if name == "near":
            print(json.dumps(measure_near(int(values[0]), int(values[1]))))
        else:
            print(json.dumps(measures[name](Path(values[0]), asked.repeats)))
        return
    repeats = ("--repeats", str(asked.repeats))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.jsonl"
        write_file(path, asked.mb)
        show(f"check, {asked.mb} MB", alone("--only", "check", str(path), *repeats))
        show("tokens", alone("--only", "tokens", str(path), *repeats))
        for name, tools, kind in (
            ("half tool calls", 0.5, ""),
            ("all tool calls", 1.0, ""),
            ("preference pairs", 0.0, "dpo"),
            ("pictures by address", 0.0, "vision"),
        ):
            write_file(path, min(asked.mb, 24), tools=tools, kind=kind)  # more pictures than the service takes in 32 MB
            show(f"check, {name}", alone("--only", "check", str(path), *repeats))
    show("near 20,000 x 2,000", alone("--only", "near", "20000", "2000"))
    if asked.near:
        show("near 400,000 x 20,000", alone("--only", "near", "400000", "20000"))


def show(name: str, figures: dict[str, float]) -> None:
    print(f"{name:27s}" + "  ".join(f"{key} {value:,.2f}" for key, value in figures.items()), flush=True)


if __name__ == "__main__":
    main()
