"""What the service decides; no HTTP and no arithmetic.

Desk(store, clock, limits, import_hosts, dialect, run_graders)    one instance, handed to every decision
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tunebook_local.desk.clock import Clock
from tunebook_local.desk.limits import Limits
from tunebook_local.desk.store import Store


@dataclass(frozen=True)
class Desk:
    """One instance: what it keeps, its time, the numbers it holds people to, and how it was started.

    `dialect` is azure or openai; files may be imported from `import_hosts` beside this machine; with `run_graders` the
    code of python graders is run.
    """

    store: Store
    clock: Clock = field(default_factory=Clock)
    limits: Limits = field(default_factory=Limits)
    import_hosts: tuple[str, ...] = ()
    dialect: str = "azure"
    run_graders: bool = False
    import_urls: dict[str, str] = field(default_factory=dict)  # of imports under way, by file: never stored whole
