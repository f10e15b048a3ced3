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
from tunebook.data.rules.problem import Problem, error, json_type, warning

_DATA_URI = re.compile(r"data:([\w.+-]+/[\w.+-]+)?(;[\w=.+-]+)*,", re.I)
_WEB = re.compile(r"https?://[^\s/?#]+")
_PRIVATE = re.compile(
    r"https?://(?:localhost|127(?:\.\d+){3}|10(?:\.\d+){3}|192\.168(?:\.\d+){2}|172\.(?:1[6-9]|2\d|3[01])(?:\.\d+){2}"
    r"|\[::1\]|[^/:?#]*\.local)(?:[:/?#]|$)"
)
# A name that begins and ends with a letter, so neither an address in numbers nor one of the own network (.local).
_PUBLIC = re.compile(r"https?://(?!localhost)[a-z][\w.-]*\.(?!local\b)[a-z]{2,}(?:[/?#]|$)", re.I)
_OTHER_PICTURE = re.compile(r"\.(gif|bmp|svg|tiff?|heic|avif)(\?|#|$)", re.I)
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
        rule = "empty-answer" if role == "assistant" else "empty-content"
        yield error(path, rule, "[]", "`content` is an empty list.", "Write a text or at least one part.")
    for index, part in enumerate(parts):
        place = f"{path}[{index}]"
        if not isinstance(part, dict):
            yield error(
                place,
                "part-type",
                part,
                f"A part is an object, this is a JSON {json_type(part)}.",
                'Write {"type": "text", "text": "…"}.',
            )
            continue
        kind = part.get("type")
        if "value" in part and kind in ("text", "image_url"):
            yield _other_tool(part, str(kind), place)
        elif kind == "text":
            if not isinstance(part.get("text"), str):
                yield error(
                    f"{place}.text",
                    "part-text",
                    part.get("text"),
                    "A text part has its text in the key `text`.",
                    'Write {"type": "text", "text": "…"}.',
                )
        elif kind == "refusal" and role == "assistant" and isinstance(part.get("refusal"), str):
            continue
        elif kind == "image_url":
            yield from _check_image(part, role, place, images)
        else:
            meant = OTHER_PARTS.get(kind) if isinstance(kind, str) else None
            yield error(
                f"{place}.type",
                "part-type",
                kind,
                "The type of a part is text or image_url.",
                f'Write "{meant}".' if meant else 'Write {"type": "text", "text": "…"}; sound and files are not taken.',
            )


def _other_tool(part: Mapping[str, Any], kind: str, path: str) -> Problem:
    right = (
        '{"type": "text", "text": "…"}'
        if kind == "text"
        else '{"type": "image_url", "image_url": {"url": "https://… or data:image/jpeg;base64,…"}}'
    )
    return error(
        path,
        "other-schema",
        part,
        "A part with `value` is LLaMA-Factory's schema, not Azure OpenAI's.",
        f"Write {right}{' (convert() does)' if kind == 'text' else '; a local path must become a data URI'}.",
    )


def _check_image(part: Mapping[str, Any], role: str, path: str, images: bool) -> Iterator[Problem]:
    if not images:
        yield error(path, "image-method", part, "Preference data is text only.", "Remove the image.")
        return
    if role != "user":
        yield error(
            path,
            "image-role",
            role,
            f"An image stands in the {role}'s message; only the user may send images.",
            "Move it to a user message.",
        )
    image = part.get("image_url")
    url = image.get("url") if isinstance(image, dict) else None
    if not isinstance(url, str):
        yield error(
            f"{path}.image_url",
            "image-url",
            image,
            "The image has no address.",
            'Write "image_url": {"url": "https://…"} (an object, not a bare text).',
        )
        return
    detail = image.get("detail") if isinstance(image, dict) else None
    if detail is not None and detail not in ("low", "high", "auto"):
        yield error(
            f"{path}.image_url.detail",
            "image-detail",
            detail,
            "`detail` is low, high or auto.",
            "Correct or remove it.",
        )
    yield from check_url(url, f"{path}.image_url.url")


def plainly_public(url: str) -> bool:
    """Whether `check_url` has surely nothing to say; False when it has to be asked."""
    return _PUBLIC.match(url) is not None and _OTHER_PICTURE.search(url) is None


def check_url(url: str, path: str) -> Iterator[Problem]:
    """An image's address: reachable for the service, or the picture itself as a data URI."""
    lower = url[:200].lower()
    if lower.startswith("data:"):
        yield from _check_data_uri(url, path)
    elif not _WEB.match(lower):
        yield error(
            path,
            "image-url",
            url,
            "The service cannot open this: neither http(s) nor a data URI.",
            "Put the picture on a public address, or write it into the file as data:image/png;base64,….",
        )
    elif _PRIVATE.match(lower):
        yield error(
            path, "image-url", url, "This address exists on your network only.", "The service needs a public address."
        )
    elif _OTHER_PICTURE.search(lower):
        yield warning(
            path,
            "image-format",
            url,
            "By its name this is neither JPEG, PNG nor WEBP; other pictures are dropped.",
            "Convert it to PNG or JPEG.",
        )


def _check_data_uri(url: str, path: str) -> Iterator[Problem]:
    head = _DATA_URI.match(url[:200])
    if not head or ";base64" not in head.group().lower():
        yield error(
            path,
            "image-data",
            url[:60],
            "The data URI is not `data:image/…;base64,…`.",
            'Write f"data:image/png;base64,{base64.b64encode(data).decode()}".',
        )
        return
    encoded = url[head.end() :]
    most = load_catalogue().limit("image_bytes")
    if len(encoded) * 3 // 4 > most + 2:  # padding stands for up to two bytes
        yield error(
            path,
            "image-size",
            f"{len(encoded) * 3 / 4 / 2**20:.1f} MB",
            f"An image may have {most / 2**20:.0f} MB.",
            "Make it smaller; `detail: low` uses 512 x 512 pixels anyway.",
        )
        return
    try:
        data = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as refused:
        yield error(
            path, "image-data", encoded[:40], f"The base64 text is damaged: {refused}.", "Encode the picture again."
        )
        return
    yield from _check_picture(data, (head.group(1) or "").lower(), path)


def _check_picture(data: bytes, said: str, path: str) -> Iterator[Problem]:
    kind, mode = picture_kind(data)
    if kind is None:
        yield error(
            path,
            "image-format",
            data[:8].hex(" "),
            "The picture is neither JPEG, PNG nor WEBP.",
            "Convert it to PNG or JPEG.",
        )
        return
    if said and said.replace("jpg", "jpeg") != f"image/{kind}":
        yield warning(
            path,
            "image-format",
            said,
            f"The data URI says {said}, the picture is {kind.upper()}.",
            f"Write data:image/{kind};base64,….",
        )
    if mode not in ("RGB", "RGBA"):
        yield error(
            path,
            "image-mode",
            mode,
            f"The picture is {mode}; the service takes RGB and RGBA.",
            'Convert it, e.g. Image.open(file).convert("RGB") with Pillow.',
        )


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
        yield error(path, "image-count", count, f"An example may have {most} images.", "Split the example.")
    elif count > advised:
        yield warning(
            path,
            "image-count",
            count,
            f"More than {advised} images: the documentation gives {advised} and {most} as limit.",
            f"Stay at {advised} to be safe.",
        )


def too_many_with_images(examples: int) -> Iterator[Problem]:
    """The finding about the number of examples of one file that hold images."""
    most = load_catalogue().limit("image_examples")
    if examples > most:
        yield error(
            "",
            "image-examples",
            f"{examples:,}",
            f"A file may have {most:,} examples with images.",
            "Train on fewer of them: head(), split().",
        )
