"""What an agent may bring about: an act is planned, priced and written down; it is done once a person has said yes."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as StillRunning
from dataclasses import asdict
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal

from typing_extensions import TypedDict

from tunebook.agents.approvals import Approvals, Asked
from tunebook.cli.answers import CostAnswer, evaluation_answer
from tunebook.words import money

if TYPE_CHECKING:
    from tunebook.experiments import Act

Outcome = Literal["waiting", "declined", "expired", "refused", "running", "done", "failed", "unknown"]


class PlanAnswer(TypedDict):
    """An act that was not done, and the code under which a person can approve it; null where the budget refuses it."""

    act: CostAnswer
    code: str | None
    refused: str
    how: str


class OutcomeAnswer(TypedDict):
    """How it stands with an act: `state`, what to do, and once it is done what came of it."""

    code: str
    state: Outcome
    told: str
    result: dict[str, Any] | None


class Desk:
    """Acts by their codes, in memory: what is carried out is what was planned, whatever stands in a file.

    budget_usd: what all acts together may cost; nothing is approved beyond it.
    """

    def __init__(self, approvals: Approvals, budget_usd: float) -> None:
        self._approvals = approvals
        self._budget = budget_usd
        self._spent = 0.0
        self._acts: dict[str, tuple[Asked, Act]] = {}
        self._begun: dict[str, Future[Any]] = {}
        self._pool = ThreadPoolExecutor(4, thread_name_prefix="tunebook-act")
        self._lock = Lock()

    @property
    def left_usd(self) -> float:
        return self._budget - self._spent

    def plan(self, act: Act) -> PlanAnswer:
        """Write an act down for a person's yes; nothing is done."""
        cost = CostAnswer(kind=act.kind, told=act.told, usd=act.usd, price=act.price)
        if refused := act.refusal(self.left_usd):
            how = "Plan something cheaper, or ask the person to start the server with a larger --budget-usd."
            return PlanAnswer(act=cost, code=None, refused=refused, how=how)
        asked = self._approvals.ask(act)
        self._acts[asked.code] = asked, act
        how = (
            f"Nothing was done. Show the plan and its price to the person and ask for `tunebook approve {asked.code}` "
            f"in a terminal; then call carry_out with this code. The code is good once, for an hour."
        )
        return PlanAnswer(act=cost, code=asked.code, refused="", how=how)

    def carry_out(self, code: str, wait_s: float) -> OutcomeAnswer:
        """Do what was approved, once; called again, say how it stands. Waits at most wait_s seconds for the end."""
        with self._lock:
            if code not in self._begun:
                standing = self._begin(code)
                if standing is not None:
                    return standing
        return self._standing(code, wait_s)

    def _begin(self, code: str) -> OutcomeAnswer | None:
        """Start an act that was approved; else say why not."""
        if code not in self._acts:
            return _told(code, "unknown", "No act was planned under this code by this server.")
        asked, act = self._acts[code]
        decision = self._approvals.decision(asked)
        if decision == "waiting":
            return _told(
                code, "waiting", f"Nobody has approved it: `tunebook approve {code}` is for the person to type."
            )
        if decision != "approved":
            return _told(code, decision, f"It is {decision} and will not be done. Plan anew if it is still wanted.")
        if refused := act.refusal(self.left_usd):
            return _told(code, "refused", f"{refused} {money(self.left_usd)} of the budget is left.")
        self._approvals.forget(asked)
        self._spent += max(act.usd or 0.0, 0.0)
        self._begun[code] = self._pool.submit(act.carry_out)
        return None

    def _standing(self, code: str, wait_s: float) -> OutcomeAnswer:
        try:
            found = self._begun[code].result(timeout=wait_s)
        except StillRunning:
            if not self._begun[code].done():
                return _told(code, "running", "It is under way. Call carry_out again later, or look at jobs.")
            raise
        except Exception as error:
            return _told(code, "failed", f"{type(error).__name__}: {error}")
        return OutcomeAnswer(code=code, state="done", told="Done.", result=_result(self._acts[code][1].kind, found))


def _told(code: str, state: Outcome, told: str) -> OutcomeAnswer:
    return OutcomeAnswer(code=code, state=state, told=told, result=None)


def _result(kind: str, found: Any) -> dict[str, Any]:
    """What came of an act of this kind, as plain values."""
    if kind == "delete":
        return {"deletions": [asdict(each) for each in found.deletions]}
    if kind == "sweep":
        return {"folder": str(found.folder), "runs": str(found.folder / "runs"), "jobs": list(found.plan["job_id"])}
    if kind == "deploy":
        return {name: getattr(found, name) for name in ("name", "model", "sku", "state")}
    if kind == "evaluate":
        return evaluation_answer(found)
    return {"job": found.id, "status": found.status}  # create, resume
