"""The playground and the clean-up panel, clicked in a real JupyterLab."""

from __future__ import annotations

from .test_create_and_watch import SETUP

DEPLOY = """
files = {"training_file": ws.files.upload(train).id, "validation_file": ws.files.upload(valid).id}
job = ws.jobs.create(tb.JobRequest(model="gpt-4.1-mini", **files, n_epochs=2, suffix="support")).wait()
_ = ws.deployments.create("gpt-4.1-mini", name="base", say=str)
_ = ws.deployments.create(job, name="support-v1", say=str)
"""
PLAY = 'p = tb.widgets.playground(ws, ["base", "support-v1"], max_tokens=60)\np'
CLEAN = "tb.widgets.cleanup(ws, log=None)"
QUESTION = "What is 7 plus 8?"


def test_two_deployments_answer_side_by_side_and_the_right_answer_becomes_a_case(lab, page) -> None:
    path = lab.write("play.ipynb", SETUP, DEPLOY, PLAY)
    notebook = lab.open(page, "play.ipynb")
    notebook.run_all()
    page.wait_for_selector("text=ask as the model was trained", timeout=90_000)

    page.get_by_label("prompt").fill(QUESTION)
    page.get_by_label("prompt").blur()
    page.click("button:has-text('Ask'):enabled")
    for model in ("base", "support-v1"):
        page.wait_for_selector(f"h4:has-text('{model}'):has-text('✓'):visible")
    page.click("button:has-text('This is right') >> nth=1")
    page.wait_for_selector("text=1 evaluation case so far")
    notebook.shoot("playground_light")
    notebook.theme("JupyterLab Dark")
    notebook.shoot("playground_dark")
    notebook.theme("JupyterLab Light")
    page.set_viewport_size({"width": 640, "height": 1500})
    notebook.shoot("playground_narrow")

    text = notebook.save(path)
    assert "Playground of base, support-v1" in text
    assert QUESTION in text


def test_what_is_selected_is_previewed_and_deleted_after_asking(lab, page) -> None:
    lab.write("clean.ipynb", SETUP, DEPLOY.replace("support-v1", "support-v2").replace('"base"', '"base-2"'), CLEAN)
    notebook = lab.open(page, "clean.ipynb")
    notebook.run_all()
    page.wait_for_selector("caption:has-text('What is there'):visible", timeout=90_000)

    page.get_by_label("find").fill("base-2")
    page.wait_for_selector("caption:has-text('1 of'):visible")
    page.locator(".tb-grid tbody input").first.check()
    page.wait_for_selector("caption:has-text('To be deleted, in this order'):visible")
    page.click("button:has-text('Delete selected')")
    page.wait_for_selector("text=for good? This cannot be undone")
    notebook.shoot("cleanup_light")
    notebook.theme("JupyterLab Dark")
    notebook.shoot("cleanup_dark")
    page.click("button:has-text('Yes, delete')")
    page.wait_for_selector("text=1 deleted, 0 kept, 0 failed.")
    page.get_by_label("find").fill("")
    page.get_by_label("find").blur()
    page.wait_for_selector("td:has-text('base-2')", state="detached")
    page.set_viewport_size({"width": 640, "height": 1500})
    notebook.shoot("cleanup_narrow")
