"""Rules for a file as a whole: how many examples, how large, whether the model takes such data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tunebook.catalogue import Model, load_catalogue
from tunebook.data.rules.across import Seen
from tunebook.data.rules.gate import too_few
from tunebook.data.rules.images import too_many_with_images
from tunebook.data.rules.problem import Problem, error, note, warning

if TYPE_CHECKING:
    from tunebook.data.dataset import Dataset


def check_whole(
    dataset: Dataset, seen: Seen, minimum: int, model: str | None, known: Model | None, *, alone: bool
) -> Iterator[Problem]:
    """Findings about the number of examples, the size of the file and what the model takes."""
    limit = load_catalogue().limit
    examples = len(seen)
    if dataset.shape.kind != "binary":
        yield from too_few(examples, minimum)
    if minimum and minimum <= examples < limit("recommended_examples"):
        yield note(
            "",
            "few-examples",
            examples,
            f"{examples} examples are enough to start a job ({minimum} are needed), not to learn much.",
            f"Microsoft advises {limit('recommended_examples')} to begin with, hundreds for a task that varies.",
        )
    size = dataset.facts.size if dataset.facts else 0
    if size >= limit("upload_bytes"):
        yield error(
            "",
            "file-too-large",
            f"{size / 2**20:,.0f} MB",
            f"A file may have {limit('upload_bytes') / 2**20:,.0f} MB in one upload.",
            "Upload in parts (up to 8 GB), or train on a part: head(), split().",
        )
    elif size > limit("chunked_upload_advised_bytes"):
        yield note(
            "",
            "large-file",
            f"{size / 2**20:,.0f} MB",
            "Files of this size fail now and then when uploaded in one piece.",
            "Upload in parts of 64 MB.",
        )
    yield from _for_model(dataset.method, seen, model, known)
    yield from too_many_with_images(seen.images)
    if seen.images:
        yield note(
            "",
            "image-screening",
            f"{seen.images:,} examples with images",
            "Images with people, faces, children or CAPTCHAs are dropped by the service without a word.",
            "Look them through, and compare the trained token count with this report's.",
        )
    if dataset.method == "reinforcement":
        if minimum and alone:
            yield note(
                "",
                "validation-needed",
                "none given",
                "A reinforcement job needs a validation file too.",
                "Hand it over as check(validation=…), or make one with split().",
            )
        yield from _items(seen)


def _for_model(method: str, seen: Seen, model: str | None, known: Model | None) -> Iterator[Problem]:
    if model and known is None:
        yield note(
            "",
            "model-unknown",
            model,
            "The catalogue does not know this model; its own limits were not checked.",
            "Check the spelling, or add it to a file named by TUNEBOOK_CATALOGUE.",
        )
    if known and method not in known.methods:
        yield error(
            "",
            "model-method",
            method,
            f"{known.id} is not trained with the method {method}.",
            f"It takes {', '.join(known.methods)}; choose another model or convert the data.",
        )
    if known and seen.images and "image" not in known.modality:
        yield error(
            "",
            "model-images",
            f"{seen.images:,} examples with images",
            f"{known.id} is trained on text only.",
            "Choose a model that takes images (gpt-4o, gpt-4.1), or remove the images.",
        )


def _items(seen: Seen) -> Iterator[Problem]:
    total = len(seen)
    if total and not seen.items:
        yield note(
            "",
            "no-items",
            "messages only",
            "No example has a key beside its messages: a grader has nothing to compare answers with.",
            "Fine for a grader that judges by itself; else add e.g. `reference_answer`.",
        )
    for key, count in seen.items.items():
        if count < total:
            yield warning(
                "",
                "item-missing",
                key,
                f"{total - count:,} of {total:,} examples have no `{key}`: a grader that reads item.{key} fails there.",
                "Give every example the key, or leave those examples out.",
            )


def job_size_problem(tokens: int, epochs: int) -> Problem | None:
    """The finding for a job above the service's limit of tokens x epochs."""
    most = load_catalogue().limit("job_tokens")
    if tokens * epochs <= most:
        return None
    return error(
        "",
        "job-too-large",
        f"{tokens:,} x {epochs}",
        f"A job may have {most:,} tokens x epochs.",
        "Train on fewer examples or for fewer epochs.",
    )
