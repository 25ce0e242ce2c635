"""Clusters: how a connection says where one is, and what is said when it refuses."""

from __future__ import annotations

import json

import pytest
import yaml
from tests.api_server import NAMESPACE, TOKEN, api_server, kube_config

from mlops_provider.exceptions import ConfigError, TargetUnavailableError
from mlops_provider.runtime.targets.cluster import Cluster, configuration

THING = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "a", "namespace": NAMESPACE}}


@pytest.mark.parametrize("form", [dict, json.dumps, yaml.safe_dump])
def test_a_configuration_may_be_an_object_json_or_yaml(form):
    found = configuration({"kube_config": form(kube_config("https://cluster.example.com")), "in_cluster": "False"})

    assert found.host == "https://cluster.example.com"
    assert found.verify_ssl
    assert found.auth_settings()["BearerToken"]["value"] == f"Bearer {TOKEN}"


def test_certificates_are_not_looked_at_only_where_that_is_said():
    given = {"kube_config": kube_config("https://cluster.example.com"), "disable_verify_ssl": "true"}

    assert not configuration(given).verify_ssl


@pytest.mark.parametrize(
    "given",
    [
        {"kube_config": "{"},
        {"kube_config": "text"},
        {"kube_config_path": "/nowhere"},
        {"in_cluster": True},
        {"kube_config": kube_config("https://a"), "cluster_context": "other"},
    ],
)
def test_a_configuration_that_cannot_be_read_is_said(given):
    with pytest.raises(ConfigError, match="the cluster's configuration cannot be read"):
        configuration(given)


@pytest.mark.parametrize(
    ("status", "error", "message"),
    [
        (401, ConfigError, "the cluster does not know who we are: apply /api/v1/namespaces/models/serviceaccounts/a"),
        (403, ConfigError, "the cluster does not allow it"),
        (422, ConfigError, "the cluster refused to apply .* \\(status 422\\): Operation cannot be fulfilled"),
        (503, TargetUnavailableError, "the cluster did not apply .* \\(status 503\\)"),
    ],
)
def test_a_refusal_is_explained(monkeypatch, status, error, message):
    monkeypatch.setattr("mlops_provider.runtime.targets.cluster._PAUSE_SECONDS", 0.001)
    with api_server() as (server, url):
        cluster = Cluster.connect(json.dumps({"kube_config": kube_config(url)}))
        server.refuse = [status] * 6

        with pytest.raises(error, match=message):
            cluster.apply(THING)


def test_what_a_server_of_1_36_does_not_know_is_refused():
    with api_server() as (_, url):
        cluster = Cluster.connect(json.dumps({"kube_config": kube_config(url)}))

        with pytest.raises(ConfigError, match="strict decoding error"):
            cluster.apply({**THING, "automountToken": False})
