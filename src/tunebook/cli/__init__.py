"""The `tunebook` command: each verb is a thin door to a function that a notebook calls as well.

Exit codes: 0 good; 1 the answer is no (the file would be refused, the job failed, it overfits, too dear, declined);
2 it cannot be answered (a wrong command line, a file that cannot be read, a service that refuses or is away), with one
message and no traceback; 130 for Ctrl-C. Whatever a verb prints passes `Harmless`: names and messages from outside move
no cursor and turn no text around.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

from tunebook.cli import jobs, judging, opening, spending
from tunebook.cli.asking import Declined
from tunebook.cli.output import Harmless
from tunebook.errors import TunebookError


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    out: Any = Harmless(sys.stdout)
    err: Any = Harmless(sys.stderr)
    with redirect_stdout(out), redirect_stderr(err):
        return _run(list(sys.argv[1:] if argv is None else argv))


def _run(arguments: list[str]) -> int:
    if arguments[:1] == ["serve"]:  # the embedded service reads its own options
        from tunebook_local.server import main as serve

        return serve(arguments[1:])
    options, unknown = _parser(arguments).parse_known_args(arguments)
    if options.run is opening.lab:
        options.arguments = unknown
    elif unknown:
        options.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    try:
        return options.run(options)
    except Declined as answer:
        return _fail(str(answer), code=1)
    except TunebookError as error:
        return _fail(str(error))
    except KeyboardInterrupt:
        sent = " What was sent to the service stays there: `tunebook jobs list` shows it."
        at_service = options.run.__module__ in (jobs.__name__, spending.__name__)
        return _fail(f"Interrupted.{sent if at_service else ''}", code=130)
    except BrokenPipeError:  # `tunebook check … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 2
    except OSError as error:  # a disk that is full, a folder that cannot be written
        return _fail(f"{error.filename}: {error.strerror}." if error.filename else str(error))
    except Exception as error:
        if type(error).__module__.split(".")[0] not in ("openai", "azure"):
            traceback.print_exc()
            return _fail("This is a fault of tunebook's own. Please report it with the lines above.")
        from tunebook.service.refusals import reason

        return _fail(" ".join(filter(None, reason(error))))


def _fail(message: str, code: int = 2) -> int:
    print(f"tunebook: {message}", file=sys.stderr)
    return code


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tunebook",
        description="Fine-tuning on Azure OpenAI: check, start, watch, diagnose, compare, deploy, evaluate, report.",
        epilog="Exit codes: 0 good, 1 the answer is no, 2 it cannot be answered, 130 interrupted. "
        "`tunebook schema VERB` says what --json prints.",
    )
    completing = "--print-completion" in arguments
    if completing:  # bash, zsh or tcsh: eval "$(tunebook --print-completion bash)"
        import shtab

        shtab.add_argument_to(parser, "--print-completion")
    verbs = parser.add_subparsers(title="verbs", required=True, metavar="VERB")

    def below(parsers: Any) -> Callable[..., argparse.ArgumentParser]:
        def verb(
            name: str, run: Callable[[argparse.Namespace], int], help_: str, *, tells: bool = True
        ) -> argparse.ArgumentParser:
            sub = parsers.add_parser(name, help=help_, description=help_)
            sub.set_defaults(run=run, parser=sub, json=False)
            if tells:
                sub.add_argument("--json", action="store_true", help="print the answer as one JSON document")
            return sub

        return verb

    def group(name: str, help_: str) -> Callable[..., argparse.ArgumentParser]:
        sub = verbs.add_parser(name, help=help_, description=help_)
        return below(sub.add_subparsers(title="verbs", required=True, metavar="VERB"))

    verb = below(verbs)
    opening.add(verb, verbs)
    judging.add(verb)
    jobs.add_files(group("files", "List, upload and delete files at the service."))
    create = verb("create", jobs.create, "Start a job from a request file or from options.")
    jobs.add_create(create, every=completing or "create" in arguments)
    jobs.add_jobs(group("jobs", "List, show, watch, pause, resume, cancel and archive jobs."))
    spending.add(verb)
    return parser
