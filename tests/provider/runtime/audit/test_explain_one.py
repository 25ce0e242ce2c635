"""Why one answer is what it is: contributions that add up, what is odd, the version that answered, live or not."""

from __future__ import annotations

import sys

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_provider.exceptions import DataError
from mlops_provider.refs import ModelRef
from mlops_provider.runtime.audit.gather import audit_request, explain_request
from mlops_provider.runtime.audit.request import LoggedRow
from mlops_provider.runtime.explanation.outputs import outputs
from mlops_provider.runtime.explanation.single import explain_answer
from mlops_provider.runtime.explanation.single_page import single_page
from mlops_provider.store.models import load_model
from mlops_provider.store.services import Change, ServedVersion, now, read_service, set_version


@pytest.fixture(scope="module")
def story(unserved):
    return unserved


def logged(features, prediction, **fields):
    at = pd.Timestamp("2026-11-01T10:00", tz="UTC").to_pydatetime()
    given = {"workflow": "flow", "environment": "production", "request_id": "r-1", "row": 0, "version": "1", **fields}
    told = {"digest": "d", "role": "primary", "status": 200, "latency_ms": 1.0}
    return LoggedRow(ts=at, prediction=prediction, features=features, **told, **given)


def test_contributions_add_up_to_what_the_model_says_of_the_row(story):
    found = explain_request(story.store, "asked-1", row=3)

    model = load_model(story.store, story.version)
    said = outputs(model, story.rows.iloc[[3]])[0, 0]
    assert found.answer == found.again == story.answers[3]
    assert found.base + sum(part.contribution for part in found.contributions) == pytest.approx(found.total, abs=1e-6)
    if found.unit == "probability":
        assert found.total == pytest.approx(said, abs=1e-4)
    assert {part.feature for part in found.contributions} == set(story.rows.columns)
    assert found.notes == ()


def test_a_version_that_no_record_names_any_more_still_explains_its_answer_and_is_audited(story):
    """Another environment holds the same answers; since then two versions came after."""
    files, log = story.store.files, "flow/predictions"
    for key in [key for key, _ in files.walk(f"{log}/production") if key.endswith(".parquet")]:
        files.write(key.replace(f"{log}/production", f"{log}/aside"), files.read(key))
    for version, at in (("1", "2026-01-01T00:00:00+00:00"), ("2", now()), ("3", now())):
        model = ModelRef(uri=story.model.uri, digest=story.model.digest, name="flow", version=version)
        change = Change(id=f"aside-{version}", action="release", by="ana", at=at)
        set_version(story.store, "flow", "aside", ServedVersion(version=version, model=model), change)

    found = explain_request(story.store, "asked-1", row=3, environment="aside")
    trail = audit_request(story.store, "asked-1", row=3, environment="aside")

    assert (found.version, found.answer) == ("1", story.answers[3])
    assert "1" not in read_service(story.store, "flow", "aside").named()
    assert trail.broken == ()
    assert trail.link("deployment").data["revision"] == 1
    assert [state["revision"] for state in trail.link("deployment").data["later"]] == [2, 3]


@pytest.fixture(scope="module")
def mixed(story):
    """A model of numbers, words, truth values and missing numbers, as people have them."""
    numbers = range(400)
    frame = pd.DataFrame(
        {
            "size": ["large" if i % 3 else "small" for i in numbers],
            "rough": [i % 2 == 0 for i in numbers],
            "width": [None if i % 7 == 0 else i % 50 for i in numbers],
            "target": [int(i % 3 > 0 and i % 50 > 20) for i in numbers],
        }
    )
    frame.to_csv(story.bench.root / "mixed.csv", index=False)
    tree = "sklearn.ensemble.HistGradientBoostingClassifier"
    return story.bench.model("mixed.csv", tree, parameters={"max_iter": 20})[0]


def test_words_truth_values_and_missing_numbers_are_explained_beside_what_is_usual(story, mixed):
    row = {"size": "enormous", "rough": True, "width": None}
    model = load_model(story.store, mixed)
    answer = model.predict(pd.DataFrame([row]).astype({"width": float}))[0]

    found = explain_answer(story.store, logged(row, int(answer)), mixed)

    parts = {part.feature: part for part in found.contributions}
    assert parts["size"].odd == "unseen in the baseline"
    assert "large (6" in parts["size"].usual
    assert parts["width"].odd.startswith("missing, as 1")
    assert parts["rough"].odd == ""
    assert found.notes == ()
    page = single_page(found)
    assert "unseen in the baseline" in page
    assert "http" not in page


@settings(max_examples=10, deadline=None)
@given(width=st.floats(-1e6, 1e6), size=st.sampled_from(["large", "small"]))
def test_without_shap_values_are_replaced_one_at_a_time_and_that_is_said(story, mixed, width, size):
    row = {"size": size, "rough": False, "width": width}
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "shap", None)

        found = explain_answer(story.store, logged(row, 1), mixed)

    assert found.method == "replacement, one at a time"
    assert "pip install 'airflow-provider-mlops[explain]'" in found.notes[-1]
    assert abs(found.contributions[0].contribution) >= abs(found.contributions[-1].contribution)
    [part] = [part for part in found.contributions if part.feature == "width"]
    assert bool(part.odd) == (not 2.5 <= width <= 47) or "rare" in part.odd


def test_a_feature_that_decides_nothing_contributes_nothing_and_the_one_that_does_contributes_most(story, mixed):
    found = explain_answer(story.store, logged({"size": "large", "rough": True, "width": 40.0}, 1), mixed)

    ranked = [part.feature for part in found.contributions]
    assert ranked[0] in {"width", "size"}
    assert ranked[-1] == "rough"


def test_an_answer_that_the_version_does_not_give_any_more_is_said(story, mixed):
    found = explain_answer(story.store, logged({"size": "large", "rough": True, "width": 40.0}, 0), mixed)

    assert found.notes[0] == "the log says 0, the version now 1"


def test_what_has_no_answer_or_lacks_a_feature_is_an_error(story, mixed):
    with pytest.raises(DataError, match="there is no answer to explain"):
        explain_answer(story.store, logged({}, None, request_id="r-2"), mixed)
    with pytest.raises(DataError, match="no feature width"):
        explain_answer(story.store, logged({"size": "large", "rough": True}, 1), mixed)
