"""Who is told of a breach, of what, and how often."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from airflow.sdk import DAG
from airflow.sdk.bases.notifier import BaseNotifier
from airflow.sdk.exceptions import AirflowSkipException

from mlops_provider.exceptions import ServiceError
from mlops_provider.operators.notify import NotifyBreachOperator
from mlops_provider.runtime.monitor.deciding.message import sparkline
from mlops_provider.store.store import Store, json_bytes

DECISION = {
    "id": "rain/monitor__r1/decide",
    "at": "2026-01-01T00:00:00.000+00:00",
    "status": "blocked",
    "why": "wind moved by 0.8",
    "actions": ["notify", "fallback"],
    "metrics": {"drift_share": 0.5},
}
SAID: list[tuple[str, dict]] = []


class Pager(BaseNotifier):
    """A notifier of somebody else's; it fails as long as `broken` says so."""

    template_fields = ("text",)
    broken = False

    def __init__(self, text, **kwargs):
        super().__init__(**kwargs)
        self.text = text

    def notify(self, context):
        if Pager.broken:
            raise RuntimeError("the pager has no signal")
        SAID.append((self.text, context["message"]))


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("AIRFLOW__MLOPS__STORE", str(tmp_path / "store"))
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "http://airflow.example")
    monkeypatch.setenv("AIRFLOW__MLOPS__ALLOWED_NOTIFIERS", f"{__name__}.")
    SAID.clear()
    Pager.broken = False
    return Store(tmp_path / "store")


def publish(store, content):
    with store.scratch() as folder:
        (folder / "report.json").write_bytes(json_bytes(content))
        return store.publish("rain", "reports", folder, {})


def tell(store, to, **decision):
    report = publish(store, decision.pop("content", {"metrics": {}}))
    details = {**DECISION, "report": report.uri, **decision}
    store.files.create("rain/runs/r/decide/1.json", json_bytes({"details": details}))
    pulled = {"record": store.uri("rain/runs/r/decide/1.json")}
    context = {
        "ti": SimpleNamespace(xcom_pull=lambda **asked: pulled if asked == {"task_ids": "decide"} else None),
        "dag": DAG("rain.monitor", schedule=None),
        "dag_run": SimpleNamespace(dag_id="rain.monitor"),
    }
    operator = NotifyBreachOperator(task_id="notify", workflow="rain", environment="production", to=to, owner="ana")
    return operator.execute(context)


def test_the_message_says_why_what_is_done_what_moved_and_where_to_look(store, inbox):
    causes = {
        "says": ["wind moved most (0.80)", "since 2026-01-01 03:00 UTC"],
        "history": {"drift_share": [0.0, 0.1, 0.5]},
    }

    told = tell(store, ["owner"], content={"causes": causes})

    assert told == ["store", "owner"]
    [message] = inbox
    assert (message["event"], message["actions"], message["causes"]) == (
        "breach",
        ["notify", "fallback"],
        causes["says"],
    )
    digest = message["report"].rsplit("/", 1)[-1]
    assert message["page"] == f"http://airflow.example/mlops/dags/rain.monitor/reports/{digest}/report.html"
    assert message["text"].splitlines() == [
        "wind moved by 0.8.",
        "- wind moved most (0.80)",
        "- since 2026-01-01 03:00 UTC",
        "drift_share ▁▂█ (now 0.5)",
        "What is done: notify, fallback.",
        f"The report: {message['page']}",
    ]


def test_a_notifier_that_fails_is_asked_again_and_nobody_is_told_twice(store, inbox):
    pager = {"notifier": f"{__name__}.Pager", "arguments": {"text": "{{ message.why }} at {{ message.page }}"}}
    Pager.broken = True
    with pytest.raises(ServiceError, match=r"told: .*Pager: RuntimeError: the pager has no signal") as err:
        tell(store, ["owner", pager])
    assert err.value.retryable
    assert (len(inbox), SAID) == (1, [])
    Pager.broken = False

    told = tell(store, ["owner", pager])

    assert told == ["store", "owner", f"{__name__}.Pager"]
    assert len(inbox) == 1
    [(text, message)] = SAID
    assert text == f"wind moved by 0.8 at {message['page']}"
    tell(store, ["owner", pager])
    assert (len(inbox), len(SAID)) == (1, 1)


def test_the_same_notifier_with_other_arguments_is_another_target(store, inbox):
    pagers = [{"notifier": f"{__name__}.Pager", "arguments": {"text": text}} for text in ("one", "two")]

    tell(store, pagers)

    assert [text for text, _ in SAID] == ["one", "two"]


def test_a_notifier_that_is_not_allowed_is_never_called(store, inbox, monkeypatch):
    monkeypatch.setenv("AIRFLOW__MLOPS__ALLOWED_NOTIFIERS", "airflow.providers.")

    with pytest.raises(ServiceError, match="Pager"):
        tell(store, [{"notifier": f"{__name__}.Pager", "arguments": {"text": "x"}}, "owner"])

    assert (SAID, len(inbox)) == ([], 1)


def test_a_report_that_is_gone_does_not_keep_people_from_being_told(store, inbox):
    tell(store, ["owner"], report=f"{store.url}/rain/reports/gone")

    assert inbox[0]["why"] == "wind moved by 0.8"
    assert "cannot be read" in inbox[0]["causes"][0]


def test_a_quiet_decision_tells_nobody(store, inbox):
    with pytest.raises(AirflowSkipException, match="nothing to tell: wind moved"):
        tell(store, ["owner"], actions=[])

    assert inbox == []


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ([], ""),
        ([1.0], "▁"),
        ([2.0, 2.0], "▁▁"),
        ([0.0, 1.0, 0.5], "▁█▅"),
        ([-1e308, 1e308, 0.0], "▁█▅"),
        ([0.0, 5e-324], "▁▁"),
    ],
)
def test_a_history_is_one_line(values, line):
    assert sparkline(values) == line
