"""Hypothesis strategies for workflows: valid ones, of every piece of the language."""

from __future__ import annotations

from hypothesis import strategies as st

from mlops_dag_factory.spec import Workflow

words = st.text(alphabet="abcdefghijklmnopqrstuvwxyz_0123456789", min_size=1, max_size=8).map(
    lambda word: f"w_{word}"
)  # no word of the language
prose = st.text(max_size=40)
numbers = st.floats(-1e6, 1e6, allow_nan=False) | st.integers(-1000, 1000)
values = st.recursive(
    st.none() | st.booleans() | numbers | prose,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)
durations = st.sampled_from(["30s", "5m", "2h", "7d", "1w", "90s"])


@st.composite
def options(draw):
    return draw(
        st.fixed_dictionaries(
            {},
            optional={
                "retries": st.integers(0, 9),
                "retry_delay": durations,
                "timeout": durations,
                "cache": st.booleans() | st.fixed_dictionaries({"ttl": durations}),
                "title": prose,
                "description": prose,
                "resources": st.fixed_dictionaries({}, optional={"pool": words, "pool_slots": st.integers(1, 9)}),
                "notify": st.just({"on": "failed,blocked", "to": "hook"}),
                "when": st.sampled_from(["parameters.size > 1", "parameters.size in [1, 2] or not parameters.size"]),
            },
        )
    )


@st.composite
def workflows(draw):
    """Draw a workflow: a chain of data phases, models (perhaps repeated or in a group), a release and a monitor."""
    phases = {
        "rows": {
            "type": "ingest",
            "source": draw(st.sampled_from(["a.csv", "a-{{ params.size }}.csv"])),
            **draw(options()),
        }
    }
    last = "rows"
    for name in draw(st.lists(words, max_size=3, unique=True)):
        kind = draw(st.sampled_from(["validate", "transform"]))
        own = (
            {"sql": "select * from data"} if kind == "transform" else {"rules": ["row_count > 0", {"sql": "select 1"}]}
        )
        phases[name] = {"type": kind, "data": last, **own, **draw(options())}
        last = name
    phases["parts"] = {"type": "split", "data": last, "test": draw(st.floats(0.1, 0.5)), **draw(options())}
    repeated = {"foreach": {"kind": ["one", "two"]}} if draw(st.booleans()) else {}
    phases["model"] = {
        "type": "train",
        "data": "parts.train",
        "target": draw(words),
        "estimator": "sklearn.svm.SVC",
        "parameters": draw(st.dictionaries(words, values, max_size=3)),
        **repeated,
        **draw(options()),
    }
    phases["quality"] = {
        "type": "evaluate",
        "model": "model",
        "data": "parts.test",
        "gates": ["accuracy > 0.5"],
        **repeated,
    }
    if not repeated:
        phases["version"] = {"type": "register", "model": "model", "after": ["quality"]}
        phases["yes"] = {"type": "approve", "after": "version", "timeout": draw(durations)}
        phases["live"] = {"type": "release", "model": "version", "after": "yes"}
    whole = {
        "workflow": draw(words),
        "description": draw(prose),
        "owner": draw(words),
        "tags": draw(st.lists(words, max_size=2)),
        "schedule": draw(
            st.sampled_from([None, "@daily", {"cron": "0 3 * * 1", "on_running": "skip", "timezone": "Europe/Berlin"}])
        ),
        "parameters": {"size": {"type": "integer", "default": draw(st.integers(0, 9)), "ask": draw(st.booleans())}},
        "scenes": draw(st.just({}) | st.just({"training": ["model", "quality"]})),
        "defaults": draw(st.fixed_dictionaries({}, optional={"retries": st.integers(0, 5), "timeout": durations})),
        "phases": phases,
    }
    if draw(st.booleans()):
        whole["monitor"] = {
            "checks": {"data_drift": {"share": 0.5}},
            "on_breach": draw(
                st.sampled_from(["notify", ["retrain"], [{"fallback": "alternate"}, {"todo": "look"}, "stop"]])
            ),
        }
    return Workflow.model_validate(whole)
