"""What waits for a person's yes: one file an act, written by the server, answered by `tunebook approve`.

The file is for reading: the server carries out the act that it holds in memory, and an answer counts for that very act
alone (its digest), once, and for an hour. Whoever can write files as this user can answer; an agent that has a shell of
its own is held by that shell's rules, not by these.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tunebook.errors import RequestError

if TYPE_CHECKING:
    from tunebook.experiments import Act

LIFE_S = 3600.0  # prices and what stands at the service change
_CODE = re.compile(r"[0-9a-f]{4}-[0-9a-f]{4}")
Decision = Literal["waiting", "approved", "declined", "expired"]


@dataclass(frozen=True)
class Asked:
    """An act that waits: its one-time code, what it is, and when (Unix seconds) it was asked for."""

    code: str
    kind: str
    told: str
    price: str
    usd: float | None
    asked_at: float
    digest: str
    decision: Decision = "waiting"

    def __str__(self) -> str:
        return f"{self.code}  {self.kind}: {self.told}\n           {self.price}"


class Approvals:
    """The folder of what waits. now: the clock, in Unix seconds."""

    def __init__(self, folder: Path, now: Callable[[], float]) -> None:
        self.folder = folder
        self.now = now

    def ask(self, act: Act) -> Asked:
        """Write an act down, to be approved."""
        code = f"{secrets.token_hex(2)}-{secrets.token_hex(2)}"
        at = self.now()
        digest = hashlib.sha256(json.dumps([code, at, act.to_json()]).encode()).hexdigest()
        asked = Asked(code, act.kind, act.told, act.price, act.usd, at, digest)
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._write(asked)
        return asked

    def waiting(self) -> list[Asked]:
        """What can still be answered, the oldest first."""
        found = [self._read(path.stem) for path in self.folder.glob("*.json")]
        waiting = [each for each in found if each is not None and self.standing(each) == "waiting"]
        return sorted(waiting, key=lambda each: each.asked_at)

    def find(self, code: str) -> Asked:
        """The act of a code that waits. Raises RequestError for any other."""
        asked = self._read(code) if _CODE.fullmatch(code) else None
        standing = "unknown" if asked is None else self.standing(asked)
        if asked is None or standing != "waiting":
            raise RequestError(
                f"{code}: nothing waits under this code ({standing}). `tunebook approve` lists what does."
            )
        return asked

    def decide(self, code: str, decision: Decision) -> Asked:
        """Answer what waits under this code."""
        answered = Asked(**{**asdict(self.find(code)), "decision": decision})
        self._write(answered)
        return answered

    def decision(self, asked: Asked) -> Decision:
        """What a person said to this very act."""
        found = self._read(asked.code)
        if found is None or found.digest != asked.digest:
            return self.standing(asked)
        return self.standing(found)

    def standing(self, asked: Asked) -> Decision:
        return "expired" if self.now() - asked.asked_at > LIFE_S else asked.decision

    def forget(self, asked: Asked) -> None:
        """The code is used up."""
        (self.folder / f"{asked.code}.json").unlink(missing_ok=True)

    def _write(self, asked: Asked) -> None:
        path = self.folder / f"{asked.code}.json"
        half = path.with_suffix(".half")
        half.write_text(json.dumps(asdict(asked)), "utf-8")
        half.replace(path)

    def _read(self, code: str) -> Asked | None:
        try:
            return Asked(**json.loads((self.folder / f"{code}.json").read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return None
