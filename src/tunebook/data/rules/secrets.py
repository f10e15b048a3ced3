"""Text shaped like a key, a password or an e-mail address: found, and masked wherever a report repeats it.

Shapes, not proofs: each pattern is a published prefix with the length its issuer uses, so that ordinary words
("task-force") do not match.
"""

from __future__ import annotations

import re

# name -> pattern. Newer Azure keys are 84 letters and digits with "JQQJ99" inside; older ones, 32 hexadecimal digits,
# look like any checksum and are left out. `scan.py` looks for the same beginnings in whole blocks.
KEY_SHAPES = {
    "OpenAI key": r"\bsk-(?:proj-|svcacct-|admin-)?[A-Za-z0-9_-]{20,}",
    "Azure key": r"\b[A-Za-z0-9]{40,60}JQQJ99[A-Za-z0-9]{10,40}",
    "Azure storage key": r"\bAccountKey=[A-Za-z0-9+/]{40,}={0,2}",
    "AWS key": r"\bAKIA[A-Z0-9]{16}\b",
    "GitHub token": r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{30,})",
    "Google key": r"\bAIza[A-Za-z0-9_-]{35}",
    "Hugging Face token": r"\bhf_[A-Za-z0-9]{30,}",
    "private key": r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----",
    "web token (JWT)": r"\beyJ[h0r][A-Za-z0-9_-]{8,300}\.eyJ[A-Za-z0-9_-]{10,2000}\.[A-Za-z0-9_-]{10,}",
}
KEY = re.compile("|".join(f"({shape})" for shape in KEY_SHAPES.values()))
# Every shape holds one of these: looking for them first is twenty times as fast as trying the shapes at every letter.
HINT = (
    r"sk-[A-Za-z0-9_-]{20}|AKIA[A-Z0-9]{16}|AIza[A-Za-z0-9_-]{35}|eyJ[h0r][A-Za-z0-9_-]{8}|gh[pousr]_[A-Za-z0-9]{36}"
    r"|github_pat_|hf_[A-Za-z0-9]{30}|-----BEGIN|AccountKey=|JQQJ99"
)
_HINT = re.compile(HINT)
EMAIL = re.compile(r"(?<![\w.+-])[A-Za-z0-9][\w.+-]{0,63}@[A-Za-z0-9](?:[A-Za-z0-9-]{0,62}\.)+[A-Za-z]{2,24}\b")
# RFC 2606 keeps these for documentation: nobody's address.
_NOBODY = ("example.com", "example.org", "example.net", ".example", ".test", ".invalid")


def find_keys(text: str) -> list[tuple[str, str]]:
    """(what it looks like, masked text) of everything key-shaped."""
    if not _HINT.search(text):
        return []
    names = tuple(KEY_SHAPES)
    return [(names[(m.lastindex or 1) - 1], hide(m.group())) for m in KEY.finditer(text)]


def find_emails(text: str) -> list[str]:
    """Masked e-mail addresses, addresses reserved for examples left out."""
    if "@" not in text:
        return []
    return [hide_email(m.group()) for m in EMAIL.finditer(text) if not m.group().lower().endswith(_NOBODY)]


def mask(text: str) -> str:
    """`text` with everything key-shaped hidden."""
    return KEY.sub(lambda m: hide(m.group()), text) if _HINT.search(text) else text


def hide(secret: str) -> str:
    """The first four characters, enough to find it again, and the length."""
    return f"{secret[:4]}…({len(secret)} characters)"


def hide_email(address: str) -> str:
    """First letter and domain: enough to find it again."""
    name, _, domain = address.partition("@")
    return f"{name[:1]}…@{domain}"
