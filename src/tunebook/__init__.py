"""tunebook: fine-tuning on Azure OpenAI from a Jupyter notebook.

Check the data, start the jobs, watch them live, see which one overfits, pick the checkpoint, tell the others.

    import tunebook as tb

    ws = tb.connect()                       # Azure from the environment; nothing set: the embedded service
    ds = tb.read_dataset("data/support_tickets.jsonl")
    train, valid = ds.split(valid=0.2, seed=0)

The rooms: `tunebook.data` (training files), `tunebook.analysis` (what the numbers say), `tunebook.service`
(the door to Azure), `tunebook.experiments` (what runs over time), `tunebook.plots`, `tunebook.widgets`,
`tunebook.report`; and `tunebook_local`, the embedded service, reached over HTTP alone.
"""

from __future__ import annotations

from typing import Any

from tunebook.lazy import lazy_names

_load, __dir__, __all__ = lazy_names(__name__, __file__)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("tunebook")
    return _load(name)
