"""The trained model says something: text sampled token by token."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunebook_local.model.answers import Answer, AnswerSet, Prompt, answer_to, read_prompt
from tunebook_local.model.language_model import WINDOW, Floats, LanguageModel, load_for_reading
from tunebook_local.model.messages import Message
from tunebook_local.model.tokenizer import BEGIN, END


@dataclass(frozen=True)
class Taste:
    """How a token is chosen: scores less the penalties for what was said already, over the temperature, of the
    likeliest tokens that together have `top_p`."""

    temperature: float = 1.0
    top_p: float = 1.0
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0


@dataclass(frozen=True)
class Sampled:
    """A token that was said: its bytes, how likely the model thought it, and what it thought likelier or next."""

    said: bytes
    log_p: float
    top: tuple[tuple[bytes, float], ...]


def generate(
    weights: Path | None,
    messages: Sequence[Message],
    *,
    temperature: float = 1.0,
    max_tokens: int = 256,
    seed: int | None = None,
    stop: Sequence[str] = (),
    tools: Any = None,
    taste: Taste | None = None,
    begin: str = "",
    note: Callable[[Sampled], None] | None = None,
    top: int = 0,
) -> Generator[str, None, str]:
    """Answer a conversation with the model in `weights` (None: the base model), piece by piece.

    `taste` says more than `temperature`. `begin` is what the model is made to say first; `note` is handed each token
    that it says then, with the `top` likeliest.

    Joined, the pieces are the answer. The generator's return value says why it ended: "stop" (the model was
    done, or one of the `stop` texts came, which is not part of the answer) or "length" (`max_tokens`).
    The same arguments with the same `seed` give the same answer.
    """
    model = load_for_reading(weights)
    decoder = model.tokenizer.stream_decoder()
    held = begin  # text that may be the beginning of a stop text
    taste, said = taste or Taste(temperature), model.tokenizer.encode(begin)
    prompt = read_prompt(messages, tools)
    for token in sample_tokens(model, prompt, taste, max_tokens, seed, said=said, note=note, top=top):
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
    model: LanguageModel,
    prompt: Prompt,
    taste: Taste,
    max_tokens: int,
    seed: int | None,
    *,
    said: Sequence[int] = (),
    note: Callable[[Sampled], None] | None = None,
    top: int = 0,
) -> Generator[int, None, None]:
    """Tokens of one answer after those `said`; the last is END unless `max_tokens` came first."""
    rng = np.random.default_rng(seed)
    from_prompt = model.from_prompt(prompt)[None]
    window = np.array([[*[BEGIN] * WINDOW, *said][-WINDOW:]], np.int32)
    times = np.zeros(len(model.tokenizer))
    for _ in range(max_tokens):
        hidden, _context = model.hidden_from(window, from_prompt)
        scores = model.logits(hidden)
        fined = scores - (taste.frequency_penalty * times + taste.presence_penalty * (times > 0))
        token = int(choose(fined, taste.temperature, rng, taste.top_p)[0])
        if note is not None and token != END:
            note(_sampled(model, scores[0], token, top))
        yield token
        if token == END:
            return
        times[token] += 1
        window[0, :-1], window[0, -1] = window[0, 1:].copy(), token


def _sampled(model: LanguageModel, scores: Floats, token: int, top: int) -> Sampled:
    log_p = scores - np.logaddexp.reduce(scores.astype(np.float64))
    likeliest = [int(each) for each in np.argsort(-log_p)[: top + 2] if each not in (BEGIN, END)][:top]
    word = model.tokenizer.token_bytes
    return Sampled(word(token), float(log_p[token]), tuple((word(each), float(log_p[each])) for each in likeliest))


def likeliest_beginning(weights: Path | None, messages: Sequence[Message], tools: Any, texts: Sequence[str]) -> str:
    """Which of some texts the model would sooner begin its answer with."""
    model = load_for_reading(weights)
    prompt = read_prompt(messages, tools)
    answers = AnswerSet([answer_to(prompt, text, model.tokenizer) for text in texts], WINDOW)
    sums = np.zeros(len(texts))
    for batch in answers.batches(np.arange(len(texts))):
        forward = model.forward(batch)
        said = np.where(batch.targets == END, 0.0, forward.log_p)  # it only begins with them
        np.add.at(sums, batch.owners, np.add.reduceat(said, batch.firsts))
    return texts[int(sums.argmax())]


def choose(scores: Floats, temperature: float, rng: np.random.Generator, top_p: float = 1.0) -> NDArray[np.int64]:
    """One token for each row of scores: the best at temperature 0, else drawn (the Gumbel-max trick)."""
    scores[:, BEGIN] = -np.inf  # a mark, never said
    if temperature > 0:
        scores = scores.astype(np.float64) / temperature
        if top_p < 1:
            scores = _nucleus(scores, top_p)
        scores -= np.log(rng.standard_exponential(scores.shape))
    return scores.argmax(axis=1)


def _nucleus(scores: NDArray[np.float64], top_p: float) -> NDArray[np.float64]:
    """The scores of the fewest tokens that together have `top_p`, the best at least; the others cannot be chosen."""
    order = np.argsort(-scores, axis=1)
    ordered = np.take_along_axis(scores, order, axis=1)
    p = np.exp(ordered - np.logaddexp.reduce(ordered, axis=1, keepdims=True))
    before = np.cumsum(p, axis=1) - p
    before[:, 0] = -1
    kept = np.full_like(scores, -np.inf)
    np.put_along_axis(kept, order, np.where(before < top_p, ordered, -np.inf), axis=1)
    return kept
