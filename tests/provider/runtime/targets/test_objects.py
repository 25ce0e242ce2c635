"""What is sent to a cluster: valid for every Kubernetes that there are schemas of, and as safe as they allow."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from kubernetes_validate.utils import all_versions

from mlops_provider.runtime.targets.cluster import collection
from mlops_provider.runtime.targets.kserve import inference_service
from mlops_provider.runtime.targets.naming import label_value, object_name
from mlops_provider.runtime.targets.objects import every_object, objects, selector
from mlops_provider.store.placements import Autoscale, Placement

PLAIN = Placement(
    workflow="churn",
    environment="production",
    target="kubernetes",
    version="7",
    model="ab" * 32,
    image="registry.example.com/models/churn@sha256:" + "cd" * 32,
    replicas=2,
    namespace="models",
    port=80,
    change="churn/run-1/deploy",
    at="2026-01-01T00:00:00+00:00",
    until="2026-01-01T00:02:00+00:00",
)
FULL = replace(
    PLAIN,
    workflow="a_very_long_name-of-a-workflow_that_goes_on_and_on_and_on_until64",
    autoscale=Autoscale(minimum=2, maximum=9, cpu=60),
    cpu="500m",
    env={"MLOPS_SERVE_WORKERS": "2"},
    store_url="s3://bucket/mlops",
    pull_secrets=("registry",),
    secrets=("store-keys",),
    version="v+1 é",
)
VERSIONS = [version for version in all_versions() if tuple(map(int, version.split(".")[:2])) >= (1, 30)]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_valid_to_the_last_field(version):
    for placement in (PLAIN, FULL):
        for thing in objects(placement):
            kubernetes_validate.validate(thing, version, strict=True)


def test_the_newest_version_is_among_those_that_are_tried():
    assert {version.rpartition(".")[0] for version in VERSIONS} >= {"1.30", "1.33", "1.36"}


def test_there_is_one_of_each():
    assert [thing["kind"] for thing in objects(FULL)] == [
        "ServiceAccount",
        "NetworkPolicy",
        "Service",
        "PodDisruptionBudget",
        "Deployment",
        "HorizontalPodAutoscaler",
    ]
    assert {thing["kind"] for thing in every_object(PLAIN)} == {thing["kind"] for thing in objects(FULL)}
    assert objects(PLAIN) == objects(PLAIN)


def test_a_pod_may_do_nothing_but_serve():
    """The rules of the Pod Security Standard `restricted`, and what it does not ask for."""
    [deployment] = [thing for thing in objects(PLAIN) if thing["kind"] == "Deployment"]
    pod = deployment["spec"]["template"]["spec"]
    [container] = pod["containers"]

    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    assert [set(volume) - {"name"} for volume in pod["volumes"]] == [{"emptyDir"}]
    safe = container["securityContext"]
    assert safe["allowPrivilegeEscalation"] is False
    assert safe["readOnlyRootFilesystem"] is True
    assert safe["capabilities"] == {"drop": ["ALL"]}
    assert container["imagePullPolicy"] == "IfNotPresent"
    assert container["resources"]["limits"] == container["resources"]["requests"] == {"cpu": "1", "memory": "1Gi"}
    assert {"startupProbe", "readinessProbe", "livenessProbe"} <= container.keys()
    [policy] = [thing["spec"] for thing in objects(PLAIN) if thing["kind"] == "NetworkPolicy"]
    assert policy["egress"] == []


def test_what_never_may_change_does_not():
    """A Deployment's selector is immutable: it must not name a version."""
    newer = replace(PLAIN, version="8", model="ef" * 32, image="other", cpu="2")

    assert selector(newer) == selector(PLAIN)
    assert newer.identity != PLAIN.identity
    assert replace(PLAIN, replicas=5, change="another", at="").identity == PLAIN.identity


def test_an_autoscaler_is_not_undone_by_a_second_deploy():
    def replicas(running):
        [deployment] = [thing for thing in objects(FULL, replicas=running) if thing["kind"] == "Deployment"]
        return deployment["spec"]["replicas"]

    assert [replicas(running) for running in (None, 1, 5, 20)] == [2, 2, 5, 9]


@pytest.mark.parametrize(
    ("workflow", "environment", "name"),
    [
        ("churn", "production", "churn-production"),
        ("a_b", "staging", "a-b-staging-"),
        ("a-b", "staging", "a-b-staging-"),
    ],
)
def test_names_are_what_a_cluster_takes_and_never_shared(workflow, environment, name):
    found = object_name(workflow, environment)

    assert found.startswith(name)
    assert object_name("a_b", "staging") != object_name("a-b", "staging")
    assert object_name("a", "b-c") != object_name("a-b", "c")
    assert len(object_name(*FULL.service)) <= 40
    assert label_value("v+1 é") == "v-1"


def test_an_inference_service_holds_a_pod_that_is_valid():
    made = inference_service(replace(FULL, target="kserve"))
    predictor = dict(made["spec"]["predictor"])
    own = {"minReplicas": 2, "maxReplicas": 9, "scaleMetric": "cpu", "scaleTarget": 60}

    assert {name: predictor.pop(name) for name in own} == own
    assert (made["apiVersion"], made["kind"]) == ("serving.kserve.io/v1beta1", "InferenceService")
    assert [container["name"] for container in predictor["containers"]] == ["kserve-container"]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", "labels": predictor.pop("labels")}}
    kubernetes_validate.validate({**pod, "spec": predictor}, VERSIONS[-1], strict=True)


def test_the_role_of_the_documentation_allows_all_that_is_asked_and_no_more():
    page = (Path(__file__).parents[4] / "docs" / "deployment.md").read_text()
    role = yaml.safe_load(re.search(r"in the namespace:\n\n((?:    .*\n)+)", page)[1])
    allowed = {
        (group, resource): set(rule["verbs"])
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }

    kubernetes_validate.validate(role, VERSIONS[-1], strict=True)
    for thing in [*objects(FULL), inference_service(FULL)]:
        version, kind = thing["apiVersion"], thing["kind"]
        group = version.partition("/")[0] if "/" in version else ""
        resource = collection(version, kind, "models").rpartition("/")[2]
        watched = {"list", "watch"} if kind in {"Deployment", "InferenceService"} else set()
        assert allowed[group, resource] == {"get", "create", "patch", "delete"} | watched
    assert "*" not in str(role["rules"])
