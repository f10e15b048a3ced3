"""A sweep's memory: what is written is read back, and what was cut or edited is named."""

import errno
import json
import os

import pytest

from tunebook.errors import TunebookError
from tunebook.experiments.sweeps.manifest import FILE, Entry, Manifest, read_manifest
from tunebook.experiments.sweeps.plan import trials
from tunebook.service.request import JobRequest


@pytest.fixture
def manifest(tmp_path):
    base = JobRequest(model="gpt-4.1-mini", training_file="file-1")
    planned = trials(base, [{"n_epochs": 1}, {"n_epochs": 2}], identity="ab12cd")
    made = Manifest(tmp_path, tuple(map(Entry, planned)), file_tokens=1000)
    made.write()
    return made


def test_a_change_is_on_disk_when_it_returns(manifest):
    changed = manifest.update(1, state="sent", job_id="ftjob-1")

    assert read_manifest(manifest.folder) == changed
    assert [entry.state for entry in manifest.entries] == ["planned", "planned"]


@pytest.mark.parametrize("length", [0, 1, 40, 200])
def test_a_cut_manifest_is_named_and_not_guessed_at(manifest, length):
    file = manifest.folder / FILE
    file.write_text(file.read_text()[:length])

    with pytest.raises(TunebookError, match=r"sweep\.json: the sweep's manifest is damaged"):
        read_manifest(manifest.folder)


@pytest.mark.parametrize(
    "edit",
    [{"state": "done"}, {"index": 7}, {"state": "sent"}, {"request": {"modle": "x"}}, {"request": None}],
)
def test_an_edited_entry_is_named(manifest, edit):
    file = manifest.folder / FILE
    record = json.loads(file.read_text())
    record["entries"][0] |= edit
    file.write_text(json.dumps(record))

    with pytest.raises(TunebookError, match=r"sweep\.json: this is no manifest of a sweep, or it was edited"):
        read_manifest(manifest.folder)


def test_a_folder_without_a_sweep_says_so(tmp_path):
    with pytest.raises(TunebookError, match="no sweep is here"):
        read_manifest(tmp_path)


def test_a_full_disk_is_one_line_and_what_was_written_before_stays(manifest, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)

    with pytest.raises(TunebookError, match="cannot be written down: No space left on device"):
        manifest.update(0, state="sending")
    assert read_manifest(manifest.folder) == manifest
