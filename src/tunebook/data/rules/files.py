"""Rules for a file as a whole: how many examples, how large, whether the model takes such data."""

from __future__ import annotations

from collections.abc import Iterator

from tunebook import words
from tunebook.catalogue import load_catalogue
from tunebook.data.rules.across import Seen
from tunebook.data.rules.images import too_many_with_images
from tunebook.data.rules.problem import Problem
from tunebook.data.rules.table import problem_of


def check_whole(
    seen: Seen, method: str, size: int, minimum: int, model: str | None, *, alone: bool
) -> Iterator[Problem]:
    """Findings about the number of examples, the size of the file in bytes and what the model takes."""
    limit = load_catalogue().limit
    examples = len(seen)
    if minimum and minimum <= examples < limit("recommended_examples"):
        yield problem_of(
            "few-examples",
            "",
            examples,
            examples=f"{words.plural(examples, 'example')} {'is' if examples == 1 else 'are'}",
            minimum=minimum,
            advised=limit("recommended_examples"),
        )
    if size >= limit("upload_bytes"):
        yield problem_of("file-too-large", "", f"{size / 2**20:,.0f} MB", most=f"{limit('upload_bytes') / 2**20:,.0f}")
    elif size > limit("chunked_upload_advised_bytes"):
        yield problem_of("large-file", "", f"{size / 2**20:,.0f} MB")
    if model:
        yield from _for_model(method, seen, model)
    yield from too_many_with_images(seen.images)
    if seen.images:
        yield problem_of("image-screening", "", f"{seen.images:,} examples with images")
    if method == "reinforcement":
        if minimum and alone:
            yield problem_of("validation-needed", "", "none given")
        yield from _items(seen)


def _for_model(method: str, seen: Seen, model: str) -> Iterator[Problem]:
    known = load_catalogue().model(model)
    if known is None:
        yield problem_of("model-unknown", "", model)
        return
    if method not in known.methods:
        yield problem_of("model-method", "", method, model=known.id, method=method, methods=", ".join(known.methods))
    if seen.images and "image" not in known.modality:
        yield problem_of("model-images", "", f"{seen.images:,} examples with images", model=known.id)


def _items(seen: Seen) -> Iterator[Problem]:
    total = len(seen)
    if total and not seen.items:
        yield problem_of("no-items", "", "messages only")
    for key, count in seen.items.items():
        if count < total:
            yield problem_of("item-missing", "", key, without=f"{total - count:,}", total=f"{total:,}", key=key)


def job_size_problem(tokens: int, epochs: int) -> Problem | None:
    """The finding for a job above the service's limit of tokens x epochs."""
    most = load_catalogue().limit("job_tokens")
    if tokens * epochs <= most:
        return None
    return problem_of("job-too-large", "", f"{tokens:,} x {epochs}", most=f"{most:,}")
