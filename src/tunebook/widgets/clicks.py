"""What happens on a click: one action at a time, on a thread, with its outcome shown where it was clicked.

ipywidgets swallows what a callback raises. Everything here is caught and said in the widget's own message line.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from tunebook.service.refusals import reason
from tunebook.widgets.pieces import notice, wrap

_log = logging.getLogger(__name__)


def sentence_of(error: BaseException) -> str:
    """An error as a sentence for a person: what went wrong and what can be done. Never a traceback, never a key."""
    return " ".join(filter(None, reason(error)))


def in_thread(work: Callable[[], None]) -> None:
    """Run on a daemon thread: the kernel stays free, and nothing keeps it from ending."""
    threading.Thread(target=work, name="tunebook-click", daemon=True).start()


class Clicks:
    """One action at a time for the buttons of one widget.

    message: the HTML widget that shows words, result and error. busy: called with True before an action and with
    False after it, to disable and enable buttons. spawn: how work is started; tests pass a direct call.
    """

    def __init__(
        self,
        message: Any,
        busy: Callable[[bool], None],
        spawn: Callable[[Callable[[], None]], None] = in_thread,
    ) -> None:
        self._message, self._busy, self._spawn = message, busy, spawn
        self._lock = threading.Lock()
        self.active = False

    def guard(self, callback: Callable[..., Any]) -> Callable[..., None]:
        """`callback` with anything it raises shown in the message line."""

        def guarded(*args: Any) -> None:
            try:
                callback(*args)
            except Exception as error:
                self.fail(error)

        return guarded

    def do(self, words: str, work: Callable[[], str | None]) -> bool:
        """Start `work` unless an action is under way (a double click); show `words`, then what it returns.

        Returns whether it was started.
        """
        with self._lock:
            if self.active:
                return False
            self.active = True
        self._busy(True)
        self.say(words, "go")
        self._spawn(lambda: self._run(work))
        return True

    def _run(self, work: Callable[[], str | None]) -> None:
        try:
            outcome = work()
            self.say(outcome, "good") if outcome else self.clear()
        except Exception as error:
            self.fail(error)
        finally:
            self.active = False
            try:
                self._busy(False)
            except Exception as error:
                self.fail(error)

    def fail(self, error: BaseException) -> None:
        """Show an error, and log it with its traceback for those who look."""
        _log.info("shown in a widget: %s", type(error).__name__, exc_info=error)
        self.say(sentence_of(error), "bad")

    def say(self, text: str, tone: str = "go") -> None:
        self._message.value = wrap(notice(text, tone))

    def clear(self) -> None:
        self._message.value = ""
