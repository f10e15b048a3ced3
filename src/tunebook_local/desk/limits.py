"""The numbers the service holds people to: the catalogue's, with what this instance was started with over them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tunebook.catalogue import load_catalogue

UPLOAD_LIFE_S = 2 * 3600  # Azure authoring specification 2024-10-21: an upload expires two hours after creation
EVENTS_PAGE, CHECKPOINTS_PAGE, JOBS_PAGE = 20, 10, 20  # defaults of the specifications
FILES_PAGE = 10_000  # all of them, as good as always
LARGEST_PAGE = 1_000  # of the others: a list never takes long
_OWN = {  # limits of this program, not of the service it stands for
    "import_seconds": 600,  # for a whole import
    "connections": 512,
    "header_seconds": 10,  # for a request's header to arrive
    "body_silence_seconds": 60,  # between two pieces of its body
}


@dataclass(frozen=True)
class Limits:
    """Look a limit up by its name in the catalogue; `overrides` are this instance's own."""

    overrides: Mapping[str, int] = field(default_factory=dict)

    def __getitem__(self, name: str) -> int:
        if name in self.overrides:
            return self.overrides[name]
        return _OWN[name] if name in _OWN else load_catalogue().limit(name)

    def most(self, name: str) -> int:
        """The laxer one of a limit of which two of Microsoft's pages differ."""
        return self.overrides.get(name) or load_catalogue().most(name)

    def running(self, training_type: str) -> int:
        """How many jobs of this training type's pool may run at once."""
        return self["running_jobs_developer" if training_type == "Developer" else "running_jobs"]
