"""Rules for content given as a list of parts: text and images.

Source: https://learn.microsoft.com/azure/ai-foundry/openai/how-to/fine-tuning-vision
"""

from __future__ import annotations

import base64
import binascii
import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tunebook.catalogue import load_catalogue
from tunebook.data.rules.problem import Problem
from tunebook.data.rules.table import problem_of
from tunebook.data.rules.texts import blank, null_word

_DATA_URI = re.compile(r"data:([\w.+-]+/[\w.+-]+)?(;[\w=.+-]+)*,", re.I)
_WEB = re.compile(r"https?://[^\s/?#]+")
_PRIVATE = re.compile(
    r"https?://(?:localhost|127(?:\.\d+){3}|10(?:\.\d+){3}|192\.168(?:\.\d+){2}|172\.(?:1[6-9]|2\d|3[01])(?:\.\d+){2}"
    r"|169\.254(?:\.\d+){2}|0\.0\.0\.0|\[[^\]]*\]|[^./:?#\[\]]+|[^/:?#]*\.(?:local|internal|lan|corp|home))(?:[:/?#]|$)"
)
# A name that begins and ends with a letter, so neither an address in numbers nor one of the own network (.local).
_PUBLIC = re.compile(
    r"https?://(?!localhost)[a-z][\w.-]*\.(?!(?:local|internal|lan|corp|home)\b)[a-z]{2,}(?:[/?#]|$)", re.I
)
_OTHER_PICTURE = re.compile(r"\.(gif|bmp|svg|tiff?|heic|avif)(\?|#|$)", re.I)
# Addresses of pages that show a picture, or of a drive's viewer; the picture itself has another.
_PAGE = re.compile(
    r"//(?:www\.)?(?:github\.com/[^?#]*/blob/|gitlab\.com/[^?#]*/-/blob/|bitbucket\.org/[^?#]*/src/"
    r"|huggingface\.co/[^?#]*/blob/|drive\.google\.com/(?:file/|open)|docs\.google\.com/|photos\.(?:google\.com|app\.goo\.gl)/"
    r"|dropbox\.com/(?![^#]*[?&](?:raw|dl)=1)|1drv\.ms/|onedrive\.live\.com/(?!download)|imgur\.com/|flickr\.com/photos/"
    r"|instagram\.com/|facebook\.com/|pinterest\.[a-z.]+/pin/|unsplash\.com/photos/(?![^#]*/download)"
    r"|[a-z]+\.wikipedia\.org/wiki/|commons\.wikimedia\.org/wiki/File:|[a-z0-9-]+\.sharepoint\.com/:)|\.html?(?:[?#]|$)",
    re.I,
)
OTHER_PARTS = {
    "input_text": "text",
    "output_text": "text",
    "input_image": "image_url",
    "image": "image_url",
    "img": "image_url",
}


def check_parts(parts: Sequence[object], role: str, path: str, *, images: bool) -> Iterator[Problem]:
    """One `content` list. `images`: whether the training method takes images at all."""
    if not parts:
        rule = "empty-answer.parts" if role == "assistant" else "empty-content.parts"
        yield problem_of(rule, path, "[]")
    for index, part in enumerate(parts):
        place = f"{path}[{index}]"
        if not isinstance(part, dict):
            yield problem_of("part-type.object", place, part)
            continue
        kind = part.get("type")
        if "value" in part and kind in ("text", "image_url"):
            yield problem_of("other-schema.text-part" if kind == "text" else "other-schema.image-part", place, part)
        elif kind == "text":
            text = part.get("text")
            if not isinstance(text, str):
                yield problem_of("part-text", f"{place}.text", text)
            elif null_word(text):
                yield problem_of("null-word", f"{place}.text", text, role=role)
            elif role == "assistant" and len(parts) == 1 and blank(text):
                yield problem_of("empty-answer", f"{place}.text", text, empty="empty")
        elif kind == "refusal" and role == "assistant" and isinstance(part.get("refusal"), str):
            continue
        elif kind == "image_url":
            yield from _check_image(part, role, place, images)
        else:
            meant = OTHER_PARTS.get(kind) if isinstance(kind, str) else None
            yield problem_of("part-type.meant" if meant else "part-type", f"{place}.type", kind, meant=meant)


def _check_image(part: Mapping[str, Any], role: str, path: str, images: bool) -> Iterator[Problem]:
    if not images:
        yield problem_of("image-method", path, part)
        return
    if role != "user":
        yield problem_of("image-role", path, role, role=role)
    image = part.get("image_url")
    url = image.get("url") if isinstance(image, dict) else None
    if not isinstance(url, str):
        yield problem_of("image-url", f"{path}.image_url", image)
        return
    detail = image.get("detail") if isinstance(image, dict) else None
    if detail is not None and detail not in ("low", "high", "auto"):
        yield problem_of("image-detail", f"{path}.image_url.detail", detail)
    yield from check_url(url, f"{path}.image_url.url")


def plainly_public(url: str) -> bool:
    """Whether `check_url` has surely nothing to say; False when it has to be asked."""
    return _PUBLIC.match(url) is not None and _OTHER_PICTURE.search(url) is None and _PAGE.search(url) is None


def check_url(url: str, path: str) -> Iterator[Problem]:
    """An image's address: reachable for the service, or the picture itself as a data URI."""
    lower = url[:200].lower()
    if lower.startswith("data:"):
        yield from _check_data_uri(url, path)
    elif not _WEB.match(lower):
        yield problem_of("image-url.unreachable", path, url)
    elif _PRIVATE.match(lower):
        yield problem_of("image-url.private", path, url)
    elif _PAGE.search(url[:2_000]):
        yield problem_of("image-url.page", path, url)
    elif _OTHER_PICTURE.search(lower):
        yield problem_of("image-format.name", path, url)


def _check_data_uri(url: str, path: str) -> Iterator[Problem]:
    head = _DATA_URI.match(url[:200])
    if not head or ";base64" not in head.group().lower():
        yield problem_of("image-data", path, url[:60])
        return
    encoded = url[head.end() :]
    most = load_catalogue().limit("image_bytes")
    if len(encoded) * 3 // 4 > most + 2:  # padding stands for up to two bytes
        yield problem_of("image-size", path, f"{len(encoded) * 3 / 4 / 2**20:.1f} MB", most=f"{most / 2**20:.0f}")
        return
    try:
        data = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as refused:
        yield problem_of("image-data.damaged", path, encoded[:40], reason=refused)
        return
    yield from _check_picture(data, (head.group(1) or "").lower(), path)


def _check_picture(data: bytes, said: str, path: str) -> Iterator[Problem]:
    kind, mode = picture_kind(data)
    if kind is None:
        yield problem_of("image-format", path, data[:8].hex(" "))
        return
    if said and said.replace("jpg", "jpeg") != f"image/{kind}":
        yield problem_of("image-format.declared", path, said, declared=said, KIND=kind.upper(), kind=kind)
    if mode not in ("RGB", "RGBA"):
        yield problem_of("image-mode", path, mode, mode=mode)


def picture_kind(data: bytes) -> tuple[str | None, str]:
    """(jpeg, png, webp or None; RGB, RGBA, grey, …), read from the first bytes."""
    if data.startswith(b"\x89PNG\r\n\x1a\n") and len(data) > 25:
        names = {0: "grey", 2: "RGB", 3: "palette", 4: "grey with alpha", 6: "RGBA"}
        return "png", names.get(data[25], "unknown")
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg", {1: "grey", 3: "RGB", 4: "CMYK"}.get(_jpeg_components(data), "RGB")
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp", "RGB"  # WEBP knows only RGB and RGBA
    return None, ""


def _jpeg_components(data: bytes) -> int:
    """Components of the frame header (SOFn), 0 when there is none."""
    at = 2
    while at + 9 < len(data):
        if data[at] != 0xFF:
            return 0
        marker = data[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return data[at + 9]
        if marker == 0xFF:
            at += 1
            continue
        at += 2 + struct.unpack(">H", data[at + 2 : at + 4])[0]
    return 0


def image_parts(messages: Sequence[object]) -> list[Mapping[str, Any]]:
    """Every image part of a record's messages."""
    return [
        part
        for message in messages
        if isinstance(message, dict) and isinstance(message.get("content"), list)
        for part in message["content"]
        if isinstance(part, dict) and part.get("type") == "image_url"
    ]


def check_image_count(messages: Sequence[object], path: str) -> Iterator[Problem]:
    """How many images one example holds: the page's rule is 64, its own troubleshooting table says 10."""
    count = len(image_parts(messages))
    if not count:
        return
    limit = load_catalogue().limit
    most, advised = limit("images_per_example"), limit("images_per_example_advised")
    if count > most:
        yield problem_of("image-count", path, count, most=most)
    elif count > advised:
        yield problem_of("image-count.advised", path, count, advised=advised, most=most)


def too_many_with_images(examples: int) -> Iterator[Problem]:
    """The finding about the number of examples of one file that hold images."""
    most = load_catalogue().limit("image_examples")
    if examples > most:
        yield problem_of("image-examples", "", f"{examples:,}", most=f"{most:,}")
