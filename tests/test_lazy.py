"""Public names load their module on first use."""

import subprocess
import sys

import pytest

import tunebook.widgets


def test_a_missing_package_is_named_with_what_to_do():
    program = "import sys; sys.modules['ipywidgets'] = None; import tunebook as tb; tb.job_form"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert "tunebook.widgets.job_form needs ipywidgets: pip install ipywidgets" in done.stderr


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"module 'tunebook\.widgets' has no attribute 'form_of_job'"):
        tunebook.widgets.form_of_job  # noqa: B018 - asking for it is the test


def test_names_are_listed_before_they_are_loaded():
    assert {"board", "job_form", "watch"} <= set(dir(tunebook.widgets))
