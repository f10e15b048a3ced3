"""Text shaped like a key, a password or an e-mail address: found, and masked wherever a report repeats it.

Shapes, not proofs: each pattern is a published prefix with the length its issuer uses, so that ordinary words
("task-force") do not match.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Shape(NamedTuple):
    """One kind of key. marks: a text of this shape holds one of them; then: what follows the mark in raw JSON at least,
    as a pattern; `scan` looks for both in whole blocks, before any text is tried against the pattern itself."""

    name: str
    marks: tuple[str, ...]
    then: str
    pattern: str


# Newer Azure keys are 84 letters and digits with "JQQJ99" inside; older ones, 32 hexadecimal digits, look like any
# checksum: only where the text calls them a key are they taken for one.
_HEX = r"""[^0-9A-Za-z]{0,4}(?:is|was|value)?[^0-9A-Za-z]{0,6}[0-9a-fA-F]{32}(?![0-9a-zA-Z])"""
_VALUE = r"[^\s\"'\\&;,<>{}$*]{6,}"
KEY_SHAPES = (
    Shape("OpenAI key", ("sk-",), "[A-Za-z0-9_-]{20}", r"\bsk-(?:proj-|svcacct-|admin-)?[A-Za-z0-9_-]{20,}"),
    Shape("Azure key", ("JQQJ99",), "", r"\b[A-Za-z0-9]{40,60}JQQJ99[A-Za-z0-9]{10,40}"),
    Shape("Azure storage key", ("AccountKey=",), "", r"\bAccountKey=[A-Za-z0-9+/]{40,}={0,2}"),
    Shape("AWS key", ("AKIA",), "[A-Z0-9]{16}", r"\bAKIA[A-Z0-9]{16}\b"),
    Shape("GitHub token", ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), "[A-Za-z0-9]{36}", r"\bgh[pousr]_[A-Za-z0-9]{36,}"),
    Shape("GitHub token", ("github_pat_",), "", r"\bgithub_pat_[A-Za-z0-9_]{30,}"),
    Shape("Google key", ("AIza",), "[A-Za-z0-9_-]{35}", r"\bAIza[A-Za-z0-9_-]{35}"),
    Shape("Hugging Face token", ("hf_",), "[A-Za-z0-9]{30}", r"\bhf_[A-Za-z0-9]{30,}"),
    Shape("GitLab token", ("glpat-",), "[A-Za-z0-9_-]{20}", r"\bglpat-[A-Za-z0-9_-]{20,}"),
    Shape("Slack token", ("xox",), "[abeoprs]-", r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}"),
    Shape("Slack token", ("xapp-",), "[0-9]-", r"\bxapp-[0-9]-[A-Za-z0-9-]{10,}"),
    Shape("Slack address", ("hooks.slack.com/services/",), "T", r"\bhooks\.slack\.com/services/T[A-Za-z0-9/]{20,}"),
    Shape("Stripe key", ("k_live_", "k_test_"), "[A-Za-z0-9]{10}", r"\b[srp]k_(?:live|test)_[A-Za-z0-9]{10,}"),
    Shape("Stripe key", ("whsec_",), "[A-Za-z0-9]{16}", r"\bwhsec_[A-Za-z0-9+/=]{16,}"),
    Shape("SendGrid key", ("SG.",), "[A-Za-z0-9_-]{16}", r"\bSG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"),
    Shape("SAS signature", ("sig=",), "[A-Za-z0-9%+/]{20}", r"\bsig=[A-Za-z0-9%+/]{20,}={0,2}"),
    Shape("shared access key", ("AccessKey=",), "[A-Za-z0-9+/]{20}", r"\bSharedAccessKey=[A-Za-z0-9+/]{20,}={0,2}"),
    Shape("Entra client secret", ("8Q~",), "[A-Za-z0-9_.~-]{31}", r"(?<![\w.~-])[\w.~-]{3}8Q~[\w.~-]{31,34}"),
    Shape("Azure key", ("key", "Key", "KEY"), _HEX, rf"[Kk][Ee][Yy]{_HEX}"),
    Shape(
        "password",
        ("assword=", "ASSWORD=", "asswd=", "wd=", "WD="),
        _VALUE,
        rf"\b(?:[Pp]ass(?:word|wd)|PASSWORD|PASSWD|[Pp]wd|PWD)={_VALUE}",
    ),
    Shape("private key", ("-----BEGIN",), "", r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----"),
    Shape(
        "web token (JWT)",
        ("eyJ",),
        "[h0r][A-Za-z0-9_-]{8}",
        r"\beyJ[h0r][A-Za-z0-9_-]{8,300}\.eyJ[A-Za-z0-9_-]{10,2000}\.[A-Za-z0-9_-]{10,}",
    ),
)
KEY = re.compile("|".join(f"({shape.pattern})" for shape in KEY_SHAPES))
# Looking for the marks first is twenty times as fast as trying the shapes at every letter.
_MARKED = re.compile("|".join(mark + shape.then for shape in KEY_SHAPES for mark in shape.marks))
EMAIL = re.compile(r"(?<![\w.+-])[A-Za-z0-9][\w.+-]{0,63}@[A-Za-z0-9](?:[A-Za-z0-9-]{0,62}\.)+[A-Za-z]{2,24}\b")
# RFC 2606 keeps these for documentation: nobody's address.
_NOBODY = ("example.com", "example.org", "example.net", ".example", ".test", ".invalid")


def find_keys(text: str) -> list[tuple[str, str]]:
    """(what it looks like, masked text) of everything key-shaped."""
    if not _MARKED.search(text):
        return []
    return [(KEY_SHAPES[(m.lastindex or 1) - 1].name, hide(m.group())) for m in KEY.finditer(text)]


def find_emails(text: str) -> list[str]:
    """Masked e-mail addresses, addresses reserved for examples left out."""
    if "@" not in text:
        return []
    return [hide_email(m.group()) for m in EMAIL.finditer(text) if not m.group().lower().endswith(_NOBODY)]


def mask(text: str) -> str:
    """`text` with everything key-shaped hidden."""
    return KEY.sub(lambda m: hide(m.group()), text) if _MARKED.search(text) else text


def hide(secret: str) -> str:
    """The first four characters, enough to find it again, and the length."""
    return f"{secret[:4]}…({len(secret)} characters)"


def hide_email(address: str) -> str:
    """First letter and domain: enough to find it again."""
    name, _, domain = address.partition("@")
    return f"{name[:1]}…@{domain}"
