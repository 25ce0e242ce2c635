"""The audit of a real answer: every link is there, and what is damaged or gone is said, link by link."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from mlops_provider.exceptions import ConfigError, DataError
from mlops_provider.runtime.audit.gather import audit_request, audit_run, audit_version
from mlops_provider.runtime.audit.page import trail_page
from mlops_provider.store.chain import Chain
from mlops_provider.store.store import json_bytes

FLOW = "flow"


def states(trail):
    return {link.name: link.state for link in trail.links}


def record_key(story, phase):
    return f"{FLOW}/runs/run-1/{phase}/0001.json"


def test_one_answer_leads_back_to_model_data_code_verdicts_people_and_deployment(story):
    trail = audit_request(story.store, "asked-1", environment="production", row=3)

    assert trail.broken == ()
    prediction = trail.link("prediction").data
    assert prediction["prediction"] == story.answers[3]
    assert prediction["features"] == pytest.approx(story.rows.iloc[3].to_dict())
    assert trail.link("model").data["digest"] == story.model.digest
    assert trail.link("data").data["training"] == [story.train.digest]
    sources = [about["lineage"].get("sources") for about in trail.link("data").data["made_of"].values()]
    assert "sklearn:breast_cancer" in sources
    assert trail.link("code").data["parameters"]["training"]["parameters"] == {"max_iter": 2000}
    [verdict] = trail.link("verdicts").data["verdicts"]
    assert (verdict["phase"], verdict["status"]) == ("quality", "passed")
    [decision] = trail.link("people").data["decisions"]
    assert (decision["by"], decision["what"], decision["reason"]) == ("Rita", "approved", "it holds")
    assert trail.link("deployment").data["shares"] == {"1": 100}
    assert trail.link("deployment").data["revision"] == 1
    assert "entries" in trail.link("chain").data[FLOW]
    assert json.loads(json_bytes(trail.to_dict()))["whole"] is True


def test_the_release_says_which_records_met_the_policy_of_its_risk_class(story):
    policy = story.released.details["policy"]

    assert policy["risk"] == "high"
    assert policy["proven"] == {"evaluate.gates": ["quality"], "approve with approvals: 1": ["approval"]}


def test_the_monitors_windows_that_hold_the_row_are_named(story):
    trail = audit_request(story.store, "asked-1", environment="production", row=3)

    [decision] = trail.link("monitor").data["decisions"]
    assert decision["row_kept"] is True
    assert decision["id"] == f"{FLOW}/monitor__1/decide"


def test_a_request_after_the_last_window_is_in_none(story):
    story.send(story.rows.head(2), "later-1")
    story.logged("later-1")

    trail = audit_request(story.store, "later-1")

    assert states(trail)["monitor"] == "none"
    assert trail.broken == ()


def test_a_version_and_a_run_lead_to_the_same_origins(story):
    of_request, of_version, of_run = (
        audit_request(story.store, "asked-1", environment="production"),
        audit_version(story.store, FLOW, "champion"),
        audit_run(story.store, FLOW, "run-1"),
    )

    for name in ("model", "registration", "data", "code", "run", "verdicts", "people", "promotion"):
        assert of_request.link(name) == of_version.link(name) == of_run.link(name), name
    [period, *_] = [each for each in of_version.link("deployment").data["periods"] if "production" in each["service"]]
    assert (period["service"], period["weight"], period["until"]) == ("flow/production", 100, "")


@pytest.mark.parametrize("content", [None, lambda before: before.replace(b'"passed"', b'"blocked"')])
def test_a_record_that_is_gone_or_changed_is_said(story, harmed, content):
    with harmed(record_key(story, "quality"), content):
        trail = audit_request(story.store, "asked-1", environment="production")

    run = trail.link("run")
    assert run.state == ("missing" if content is None else "damaged")
    assert any("quality" in each for each in run.wrong)
    assert trail.link("verdicts").state in {"missing", "damaged"}
    assert trail.link("model").state == "whole"


def test_a_chain_entry_that_was_rewritten_breaks_the_chain_and_nothing_else_is_lost(story, harmed):
    number = next(e.number for e in Chain(story.store, FLOW).entries() if e.kind == "approved")

    with harmed(f"{FLOW}/audit/{number:010d}.json", lambda before: before.replace(b"Rita", b"Ruth")):
        trail = audit_request(story.store, "asked-1", environment="production")

    assert states(trail)["chain"] == "damaged"
    assert any(f"entry {number}: it was changed" in each for each in trail.link("chain").wrong)
    assert trail.link("people").state != "whole"
    assert trail.link("registration").state == "whole"


def test_training_rows_that_are_gone_or_changed_are_said(story, harmed):
    folder = story.store.key(story.train.uri)
    manifest = json.loads(story.store.files.read(f"{folder}/manifest.json"))
    file = next(iter(manifest["files"]))

    with harmed(f"{folder}/{file}"):
        gone = audit_request(story.store, "asked-1", environment="production")
    with harmed(f"{folder}/{file}", lambda before: bytes([before[0] ^ 1]) + before[1:]):
        unseen = audit_request(story.store, "asked-1", environment="production")
        changed = audit_request(story.store, "asked-1", environment="production", thorough=True)

    assert gone.link("data").state == "missing"
    assert unseen.link("data").state == "whole", "without --thorough sizes are looked at, not bytes"
    assert changed.link("data").state == "damaged"
    assert story.train.digest[:12] in changed.link("data").wrong[0]


def test_a_model_whose_bytes_changed_is_said(story, harmed):
    with harmed(f"{story.store.key(story.model.uri)}/model.skops", lambda before: before[:-1] + b"x"):
        trail = audit_request(story.store, "asked-1", environment="production")

    assert trail.link("model").state == "damaged"


def test_a_deployment_record_that_is_gone_or_damaged_is_said(story, harmed):
    with harmed(f"{FLOW}/services/production/record/0000000001.json", lambda _: b"{"):
        trail = audit_request(story.store, "asked-1", environment="production")

    assert trail.link("deployment").state == "damaged"
    assert "revision 1" in " ".join(trail.link("deployment").wrong)
    assert trail.link("model").state == "missing"
    assert trail.link("prediction").state == "whole"


def test_a_forged_registration_does_not_pass(story, harmed):
    key = f"{FLOW}/registered/{FLOW}/1.json"

    with harmed(key, lambda before: before.replace(b'"owner": "ana"', b'"owner": "eve"')):
        trail = audit_request(story.store, "asked-1", environment="production")

    assert trail.link("registration").state == "damaged"
    assert "names another digest" in trail.link("registration").wrong[0]


def test_a_half_written_log_file_is_named_and_the_others_are_read(story):
    log = f"{FLOW}/predictions/production"
    folder = next(key.rpartition("/")[0] for key, _ in story.store.files.walk(log) if key.endswith(".parquet"))
    path = story.store.files.path(f"{folder}/1-half.parquet")
    path.write_bytes(b"PAR1 and then the power failed")
    try:
        trail = audit_request(story.store, "asked-1", environment="production")
    finally:
        path.unlink()

    assert trail.link("prediction").state == "damaged"
    assert "1-half.parquet" in trail.link("prediction").wrong[0]
    assert trail.link("model").state == "whole"


def test_an_unknown_request_says_where_it_was_looked_for(story):
    with pytest.raises(DataError, match=r"'nobody' is not in the prediction log of flow/production: \d+ files"):
        audit_request(story.store, "nobody", environment="production")
    with pytest.raises(DataError, match="since"):
        audit_request(story.store, "asked-1", environment="production", since=datetime.now(UTC) + timedelta(hours=2))
    with pytest.raises(DataError, match="any service"):
        audit_request(story.store, "asked-1", workflow="other")
    with pytest.raises(DataError, match="has no row 20"):
        audit_request(story.store, "asked-1", environment="production", row=20)


def test_an_unknown_version_and_a_run_that_registered_nothing_are_errors(story):
    with pytest.raises(ConfigError, match="has no version '9'"):
        audit_version(story.store, FLOW, "9")
    with pytest.raises(ConfigError, match="registered no model"):
        audit_run(story.store, FLOW, "monitor__1")


def test_the_page_names_every_link_and_needs_no_network(story):
    trail = audit_request(story.store, "asked-1", environment="production", row=3)

    page = trail_page(trail)

    assert "http" not in page.replace("https://www.w3.org", "")
    assert all(link.says.split(":")[0] in page for link in trail.links if link.name != "prediction")
    assert story.train.digest in page
