"""A run reads the job object in any dialect."""

from tunebook.analysis import Run


def test_hyperparameters_the_service_chose_and_did_not_tell_are_none():
    run = Run(
        {"id": "ftjob-1", "hyperparameters": {"n_epochs": -1, "batch_size": "auto", "learning_rate_multiplier": 0.1}}
    )

    assert run.hyperparameters == {"n_epochs": None, "batch_size": None, "learning_rate_multiplier": 0.1}


def test_hyperparameters_are_found_under_the_method():
    run = Run({"method": {"type": "dpo", "dpo": {"hyperparameters": {"n_epochs": 2, "beta": 0.1}}}})

    assert run.method == "dpo"
    assert run.hyperparameters == {"n_epochs": 2, "batch_size": None, "learning_rate_multiplier": None, "beta": 0.1}


def test_both_spellings_of_the_suffix():
    assert Run({"suffix": "a"}).suffix == Run({"user_provided_suffix": "a"}).suffix == "a"


def test_foreign_text_is_escaped():
    assert "<script>" not in Run({"id": "<script>", "suffix": "<script>"})._repr_html_()
