"""The trained model says something: text sampled token by token."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunebook_local.model.answers import Answer, Prompt, read_prompt
from tunebook_local.model.language_model import WINDOW, Floats, LanguageModel, load_for_reading
from tunebook_local.model.messages import Message
from tunebook_local.model.tokenizer import BEGIN, END


def generate(
    weights: Path | None,
    messages: Sequence[Message],
    *,
    temperature: float = 1.0,
    max_tokens: int = 256,
    seed: int | None = None,
    stop: Sequence[str] = (),
    tools: Any = None,
) -> Generator[str, None, str]:
    """Answer a conversation with the model in `weights` (None: the base model), piece by piece.

    Joined, the pieces are the answer. The generator's return value says why it ended: "stop" (the model was
    done, or one of the `stop` texts came, which is not part of the answer) or "length" (`max_tokens`).
    The same arguments with the same `seed` give the same answer.
    """
    model = load_for_reading(weights)
    decoder = model.tokenizer.stream_decoder()
    held = ""  # text that may be the beginning of a stop text
    for token in sample_tokens(model, read_prompt(messages, tools), temperature, max_tokens, seed):
        if token == END:
            yield held + decoder.finish()
            return "stop"
        held += decoder.feed(token)
        cut = min((at for text in stop if text and (at := held.find(text)) >= 0), default=None)
        if cut is not None:
            yield held[:cut]
            return "stop"
        keep = _possible_stop(held, stop)
        if len(held) > keep:
            yield held[: len(held) - keep]
            held = held[len(held) - keep :]
    yield held + decoder.finish()
    return "length"


def _possible_stop(text: str, stop: Sequence[str]) -> int:
    """How many characters at the end of `text` may grow into one of the stop texts."""
    longest = max(map(len, stop), default=1) - 1
    for size in range(min(longest, len(text)), 0, -1):
        if any(candidate.startswith(text[-size:]) for candidate in stop):
            return size
    return 0


def sample_answers(
    model: LanguageModel, prompts: Sequence[Prompt], *, max_tokens: int, rng: np.random.Generator
) -> list[Answer]:
    """One answer to each prompt, sampled at temperature 1, all of them a token at a time."""
    answers: list[list[int]] = [[] for _ in prompts]
    from_prompt = np.stack([model.from_prompt(prompt) for prompt in prompts])
    windows = np.full((len(prompts), WINDOW), BEGIN, np.int32)
    going = np.arange(len(prompts))
    for _ in range(max_tokens):
        hidden, _context = model.hidden_from(windows[going], from_prompt[going])
        tokens = choose(model.logits(hidden), 1.0, rng)
        windows[going, :-1] = windows[going, 1:]
        windows[going, -1] = tokens
        for answer, token in zip(going, tokens, strict=True):
            answers[answer].append(int(token))
        going = going[tokens != END]
        if not len(going):
            break
    return [Answer(prompt, np.array(tokens, np.int32)) for prompt, tokens in zip(prompts, answers, strict=True)]


def sample_tokens(
    model: LanguageModel, prompt: Prompt, temperature: float, max_tokens: int, seed: int | None
) -> Generator[int, None, None]:
    """Tokens of one answer; the last is END unless `max_tokens` came first."""
    rng = np.random.default_rng(seed)
    from_prompt = model.from_prompt(prompt)[None]
    window = np.full((1, WINDOW), BEGIN, np.int32)
    for _ in range(max_tokens):
        hidden, _context = model.hidden_from(window, from_prompt)
        token = int(choose(model.logits(hidden), temperature, rng)[0])
        yield token
        if token == END:
            return
        window[0, :-1], window[0, -1] = window[0, 1:].copy(), token


def choose(scores: Floats, temperature: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """One token for each row of scores: the best at temperature 0, else drawn (the Gumbel-max trick)."""
    scores[:, BEGIN] = -np.inf  # a mark, never said
    if temperature > 0:
        scores = scores.astype(np.float64) / temperature
        scores -= np.log(rng.standard_exponential(scores.shape))
    return scores.argmax(axis=1)
