"""The door for agents: a Model Context Protocol server whose spending and deleting a person has to approve.

`marking` says which words of an answer came from outside, `approvals` is what waits for a person's yes, `desk` carries
out what was approved, `server` are the tools, and AGENTS.md is what an agent reads first.
"""

from importlib.resources import files


def page() -> str:
    """What an agent reads first."""
    return (files(__name__) / "AGENTS.md").read_text("utf-8")
