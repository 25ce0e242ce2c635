"""From nodes to Airflow tasks: one per phase, group or form, and the edges between them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from itertools import product
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, AssetAlias, TaskGroup, TriggerRule

from mlops_dag_factory.nodes import Node, Nodes, config_of, nodes_of
from mlops_dag_factory.notices import notices
from mlops_dag_factory.options import airflow_options, cache_of, place_of
from mlops_dag_factory.phases import phase_types
from mlops_dag_factory.spec.approve import ApproveSpec
from mlops_dag_factory.spec.base import is_template
from mlops_dag_factory.spec.checkpoint import CheckpointSpec, OverrideSpec
from mlops_dag_factory.spec.ingest import IngestSpec
from mlops_dag_factory.spec.release import ReleaseSpec
from mlops_dag_factory.spec.sub_workflow import SubWorkflowSpec
from mlops_dag_factory.spec.target import TargetSpec
from mlops_dag_factory.spec.train import TrainSpec
from mlops_provider.assets import data_uri, model_uri, stops_uri

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow.sdk import DAG, BaseOperator

    from mlops_dag_factory.spec import Workflow

ITEM_LABEL = "{{ item.values() | join(' ') }}"


def build_tasks(dag: DAG, workflow: Workflow) -> None:
    """Make the tasks of a workflow in its DAG."""
    builder = _Builder(dag, workflow, nodes_of(workflow))
    builder.build()


@dataclass(slots=True)
class _Builder:
    dag: DAG
    workflow: Workflow
    nodes: Nodes
    tasks: dict[str, Any] = field(default_factory=dict)
    """Task id -> task."""
    first: dict[str, str] = field(default_factory=dict)
    """Node -> the task that what comes before it leads to."""
    last: dict[str, str] = field(default_factory=dict)
    """Node -> the task that leads to what comes after it."""
    folders: dict[str, TaskGroup] = field(default_factory=dict)

    def build(self) -> None:
        uncertain = self._uncertain()
        groups: dict[str, list[Node]] = {}
        for node in self.nodes.nodes.values():
            if node.phase.group:
                groups.setdefault(f"{node.prefix}{node.phase.group}", []).append(node)
            else:
                self._phase(node, rejoins=node.name in uncertain)
        for task_id, members in groups.items():
            self._group(task_id, members, uncertain)
        for name in self.nodes.asks:
            self._ask(name, uncertain)
        edges = {
            (self.last[before], self.first[name])
            for name, names in self.nodes.upstream.items()
            for before in names
            if self.last[before] != self.first[name]
        }
        for before, after in edges:
            self._connect(before, after)
        self._summaries()

    def _add(self, task: BaseOperator) -> None:
        """Put a task into the DAG; given its DAG earlier, Airflow would copy the DAG's parameters for it, twice."""
        if not task.task_group:
            self.dag.task_group.add(task)
        self.dag.add_task(task)
        self.tasks[task.task_id] = task

    def _connect(self, before: str, after: str) -> None:
        """Make an edge; Airflow's `>>` hashes the whole DAG for each."""
        self.tasks[before].downstream_task_ids.add(after)
        self.tasks[after].upstream_task_ids.add(before)

    def _uncertain(self) -> set[str]:
        """Give the nodes before which something may have been left out: they look at what really ran."""
        nodes = self.nodes.nodes
        if self.workflow.scenes:
            return set(nodes)
        found: set[str] = set()
        if not any(node.phase.when or node.phase.foreach or node.phase.group for node in nodes.values()):
            return found
        for name in self.nodes.in_order():
            for before in self.nodes.upstream[name]:
                phase = nodes[before].phase
                if before in found or phase.when or phase.foreach or phase.group:
                    found.add(name)
        return found

    def _control(self, node: Node, *, rejoins: bool) -> dict[str, Any]:
        control: dict[str, Any] = {
            "when": node.phase.when or "",
            "rejoins": rejoins,
            "after": [self._after(node, name) for name in node.phase.after] if rejoins else [],
            "on_running": self.workflow.schedule.on_running,
            "asked": {} if node.overrides else self._asked(),
            "overrides": list(node.overrides),
            "prefix": node.prefix,
            "cache": cache_of(node.workflow, node.phase),
            "place": place_of(node.workflow, node.phase),
        }
        idle = {"on_running": "queue", "cache": False}
        return {name: value for name, value in control.items() if value and value != idle.get(name)}

    def _after(self, node: Node, name: str) -> str:
        """Give the name of a phase that comes first; of one that is repeated for the same items, that of the item."""
        before = self.nodes.nodes.get(f"{node.prefix}{name}")
        same = before is not None and before.phase.foreach and before.phase.foreach == node.phase.foreach
        return f"{node.prefix}{name}[i]" if same else f"{node.prefix}{name}"

    def _asked(self) -> dict[str, str]:
        return {name: f"{node}.ask" for name, node in self.nodes.asked.items()}

    def _arguments(self, node: Node, *, rejoins: bool) -> dict[str, Any]:
        entry = phase_types()[node.phase.type]
        arguments: dict[str, Any] = {
            "workflow": self.workflow.workflow,
            "spec": entry.spec,
            "config": _config(node, self.workflow, self.nodes),
            "inputs": self.nodes.sources[node.name],
            "control": self._control(node, rejoins=rejoins),
        }
        if isinstance(node.phase, SubWorkflowSpec):
            prefix = f"{node.name}"
            outputs = sorted(
                output
                for sources in self.nodes.sources.values()
                for pairs in sources.values()
                for source, output in pairs
                if source == prefix
            )
            arguments["control"]["outputs"] = outputs
        return arguments

    def _common(self, node: Node, task_id: str, *, rejoins: bool, kind: str = "") -> dict[str, Any]:
        folder = self._folder(node.prefix)
        common: dict[str, Any] = {
            "task_id": task_id.removeprefix(node.prefix),
            **airflow_options(node.workflow, node.phase),
            **notices(self.workflow, node.name, node.phase.notify, kind=kind or node.phase.type),
        }
        if folder is not None:
            common["task_group"] = folder
        if rejoins:
            repeated = any(self.nodes.nodes[name].phase.foreach for name in self.nodes.upstream[node.name])
            common["trigger_rule"] = TriggerRule.ALL_DONE if repeated else TriggerRule.NONE_FAILED
        return common

    def _phase(self, node: Node, *, rejoins: bool) -> None:
        phase = node.phase
        workers = phase.trial_tasks if isinstance(phase, TrainSpec) else 0
        if workers:
            self._trials(node, workers, rejoins=rejoins)
        rejoins = rejoins or bool(workers)  # it comes after its own workers, and looks itself at what was left out
        common = self._common(node, node.name, rejoins=rejoins)
        arguments = {
            **self._arguments(node, rejoins=rejoins),
            "doc_md": phase.description or None,
            "task_display_name": phase.title or None,
            **({"phase": node.name} if node.prefix else {}),
        }
        operator = phase_types()[phase.type].operator_class()
        self.first[node.name] = self.last[node.name] = node.name
        if workers:
            common["trigger_rule"] = TriggerRule.NONE_FAILED
            self.first[node.name] = f"{node.name}.trial"
        if outlets := self._outlets(node):
            common["outlets"] = outlets
        if not phase.foreach:
            self._add(operator(**common, **arguments))
            if isinstance(phase, IngestSpec) and phase.wait:
                self._wait(node, rejoins=rejoins)
            if isinstance(phase, CheckpointSpec) and phase.on_fail == "ask":
                self._override(node, phase)
            if workers:
                self._connect(self.first[node.name], node.name)
            return
        common["dag"] = self.dag
        arguments["phase"] = node.name
        mapped = operator.partial(**common, **arguments, map_index_template=ITEM_LABEL)
        if _listed_at_run_time(node):
            items = self._items(node, rejoins=rejoins)
            self.tasks[node.name] = mapped.expand(item=items.output)
            self.first[node.name] = items.task_id
        else:
            self.tasks[node.name] = mapped.expand(item=_items_of(node))

    def _outlets(self, node: Node) -> list[Asset | AssetAlias]:
        """Give the assets whose events a phase emits."""
        phase, workflow = node.phase, self.workflow.workflow
        found: list[Asset | AssetAlias] = []
        if isinstance(phase, IngestSpec) and phase.publish:
            found.append(AssetAlias(data_uri(workflow, node.name)))
        if phase.type in {"register", "release", "rollback"}:
            found.append(AssetAlias(model_uri(workflow)))
        if isinstance(phase, TargetSpec) and phase.stop_after:
            found.append(Asset(stops_uri(workflow)))
        return found

    def _wait(self, node: Node, *, rejoins: bool) -> None:
        from mlops_provider.sensors.arrival import DataArrivalSensor

        task_id = f"{node.name}.wait"
        arguments = self._arguments(node, rejoins=rejoins)
        arguments.pop("inputs")
        self._add(
            DataArrivalSensor(phase=node.name, **arguments, **self._common(node, task_id, rejoins=rejoins, kind="wait"))
        )
        self._connect(task_id, node.name)
        self.first[node.name] = task_id

    def _trials(self, node: Node, workers: int, *, rejoins: bool) -> None:
        """Make the workers of a search, which come before its training; people hear of them when they fail."""
        from mlops_provider.operators.tune import RunTrialsOperator

        common = self._common(node, f"{node.name}.trial", rejoins=rejoins, kind="trial")
        for moment in ("on_execute_callback", "on_success_callback", "on_skipped_callback"):
            common.pop(moment, None)
        arguments = {**self._arguments(node, rejoins=rejoins), "phase": node.name, "dag": self.dag}
        mapped = RunTrialsOperator.partial(**common, **arguments, doc_md=f"Trials of the search of `{node.name}`.")
        self.tasks[f"{node.name}.trial"] = mapped.expand(worker=list(range(1, workers + 1)))

    def _override(self, node: Node, phase: CheckpointSpec) -> None:
        from mlops_provider.operators.override import OverrideCheckpointOperator

        task_id = f"{node.name}.override"
        common = self._common(node, task_id, rejoins=False, kind="override")
        common.pop("execution_timeout", None)
        wanted = phase.override or OverrideSpec()
        self._add(
            OverrideCheckpointOperator(
                workflow=self.workflow.workflow,
                of=node.name,
                approvers=_users(wanted.roles, wanted.approvers, node.workflow),
                timeout=wanted.timeout,
                **common,
            )
        )
        self._connect(node.name, task_id)
        self.last[node.name] = task_id

    def _items(self, node: Node, *, rejoins: bool) -> Any:
        from mlops_provider.operators.items import ListItemsOperator

        task_id = f"{node.name}.items"
        control = self._control(node, rejoins=rejoins)
        control["after"] = [name for name in control.get("after", ()) if not name.endswith("[i]")]  # no item's own task
        task = ListItemsOperator(
            values=dict(node.phase.foreach),
            control=control | {"when": ""},
            **self._common(node, task_id, rejoins=rejoins, kind="items"),
        )
        self._add(task)
        return task

    def _group(self, task_id: str, members: list[Node], uncertain: set[str]) -> None:
        from mlops_provider.operators.group import GroupPhasesOperator

        names = {node.name for node in members}
        order = [self.nodes.nodes[name] for name in self.nodes.in_order() if name in names]
        outside = {before for node in members for before in self.nodes.upstream[node.name]} - names
        rejoins = any(name in uncertain for name in names)
        phases = [
            phase_types()[node.phase.type].operator_class()(
                task_id=node.name.replace(".", "__"),
                phase=node.name,
                owner=node.workflow.owner,
                **self._arguments(node, rejoins=node.name in uncertain),
            )
            for node in order
        ]
        options = [airflow_options(node.workflow, node.phase) for node in members]
        limits = [each["execution_timeout"] for each in options]
        common = self._common(order[0], task_id, rejoins=rejoins and bool(outside), kind="group") | {
            "retries": max(each["retries"] for each in options),
            "retry_delay": max(each["retry_delay"] for each in options),
            "execution_timeout": sum(limits, timedelta()) if all(limits) else None,
            "pool_slots": max(each["pool_slots"] for each in options),
            "doc_md": "\n\n".join(f"**{node.name}**: {node.phase.description}" for node in order),
        }
        self._add(GroupPhasesOperator(phases=phases, **common))
        for name in names:
            self.first[name] = self.last[name] = task_id

    def _ask(self, name: str, uncertain: set[str]) -> None:
        from mlops_provider.operators.ask import AskParametersOperator

        node = self.nodes.nodes[name]
        specs = {each: self.workflow.parameters[each] for each in self.nodes.asks[name]}
        task_id = f"{name}.ask"
        common = self._common(node, task_id, rejoins=name in uncertain, kind="ask")
        common.pop("execution_timeout", None)
        control = {
            key: value for key, value in self._control(node, rejoins=name in uncertain).items() if key != "asked"
        }
        self._add(
            AskParametersOperator(
                workflow=self.workflow.workflow,
                schemas={each: spec.form_schema() for each, spec in specs.items()},
                timeout=min(spec.timeout for spec in specs.values()),
                control=control,
                **common,
            )
        )
        target = self.first[name]
        self._connect(task_id, target)
        users = [other for other in self.nodes.nodes if self.last[other] != target and self._reads(other, specs)]
        for other in users:
            self._connect(task_id, self.first[other])
        for other, first in self.first.items():
            if first == target:
                self.first[other] = task_id

    def _reads(self, name: str, specs: Any) -> bool:
        from mlops_dag_factory.nodes import uses

        return any(uses(self.nodes.nodes[name], parameter) for parameter in specs)

    def _summaries(self) -> None:
        """Follow every repeated phase that nothing follows by a task that says what became of its items."""
        followed = {before for names in self.nodes.upstream.values() for before in names}
        for node in self.nodes.nodes.values():
            if node.phase.foreach and node.name not in followed:
                from mlops_provider.operators.items import SummarizeItemsOperator

                task_id = f"{node.name}.summary"
                common = self._common(node, task_id, rejoins=False, kind="summary")
                common["trigger_rule"] = TriggerRule.ALL_DONE
                task = SummarizeItemsOperator(
                    workflow=self.workflow.workflow,
                    of=node.name,
                    chain=self._chain(node),
                    items=None if _listed_at_run_time(node) else _items_of(node),
                    **common,
                )
                self._add(task)
                self._connect(node.name, task_id)

    def _chain(self, node: Node) -> list[str]:
        """Give the phases that are repeated for the same items, up to this one, in order."""
        before = self.nodes.ancestors(node.name)
        names = [name for name in self.nodes.in_order() if name in before]
        return [*(name for name in names if self.nodes.nodes[name].phase.foreach == node.phase.foreach), node.name]

    def _folder(self, prefix: str) -> TaskGroup | None:
        if not prefix:
            return None
        if prefix not in self.folders:
            outer, _, name = prefix.rstrip(".").rpartition(".")
            parent = self._folder(f"{outer}.") if outer else None
            self.folders[prefix] = TaskGroup(name, dag=self.dag, parent_group=parent)
        return self.folders[prefix]


def _listed_at_run_time(node: Node) -> bool:
    return any(is_template(values) for values in node.phase.foreach.values())


def _items_of(node: Node) -> list[dict[str, Any]]:
    values: dict[str, list[Any]] = node.phase.foreach  # type: ignore[assignment] # none is a template
    return [dict(zip(values, one, strict=True)) for one in product(*values.values())]


def _config(node: Node, workflow: Workflow, nodes: Nodes) -> dict[str, Any]:
    phase = node.phase
    config = config_of(phase)
    labels = workflow.monitor.labels if workflow.monitor else None
    if isinstance(phase, IngestSpec) and "predictions" in phase.sources() and phase.labels is None and labels:
        config["labels"] = labels.model_dump(mode="json", exclude_defaults=True)
    if isinstance(phase, ReleaseSpec) and workflow.risk:
        config["risk"] = workflow.risk
    if isinstance(phase, ReleaseSpec) and workflow.freeze:
        freezes = [freeze.model_dump(mode="json", exclude_defaults=True) for freeze in workflow.freeze]
        config["freeze"] = [*freezes, *config.get("freeze", [])]
    if isinstance(phase, ReleaseSpec) and phase.metrics and phase.labels is None and labels:
        config["labels"] = labels.model_dump(mode="json", exclude_defaults=True)
    if isinstance(phase, ApproveSpec):
        if not phase.evidence:
            before = nodes.ancestors(node.name)
            config["evidence"] = [
                name for name, other in nodes.nodes.items() if name in before and other.phase.checkpoint
            ]
        else:
            config["evidence"] = [f"{node.prefix}{name}" for name in phase.evidence]
        if users := _users(phase.roles, phase.approvers, node.workflow):
            config["approvers"] = users
        config.pop("roles", None)
    return config


def _users(roles: Iterable[str], users: Iterable[str], workflow: Workflow) -> list[str]:
    """Give some users and those of roles, each once."""
    known = workflow.roles
    return list(dict.fromkeys([*users, *(user for role in roles if role in known for user in known[role].users)]))
