"""What a run would do: which phases run, on what, what people are asked, and what the cache would give.

Nothing is run and nothing is written. What depends on data that is not there yet is assumed from the last run.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from mlops_dag_factory.nodes import config_of, nodes_of
from mlops_dag_factory.options import cache_of
from mlops_dag_factory.phases import phase_types
from mlops_dag_factory.spec.base import is_template
from mlops_dag_factory.spec.train import TrainSpec
from mlops_provider.expressions import Expression
from mlops_provider.refs import ref_from_dict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops_dag_factory.nodes import Node, Nodes
    from mlops_dag_factory.spec import Workflow
    from mlops_provider.refs import Ref
    from mlops_provider.store.store import Store


@dataclass(slots=True)
class Step:
    """What becomes of one phase: `why` says what decides it, `inputs` what it takes and from where."""

    phase: str
    type: str
    action: Literal["runs", "may run", "left out", "refused"] = "runs"
    inputs: list[str] = field(default_factory=list)
    why: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form."""
        return asdict(self)


def plan(
    workflow: Workflow, parameters: Mapping[str, Any], *, scene: str = "", store: Store | None = None
) -> list[Step]:
    """Give the steps in the order in which they run; `parameters` are the values of the run, a preset's included."""
    return _Planner(workflow, dict(parameters), workflow.scenes.get(scene, []), store, nodes_of(workflow)).steps()


class _Planner:
    def __init__(
        self, workflow: Workflow, parameters: dict[str, Any], scene: list[str], store: Store | None, nodes: Nodes
    ) -> None:
        self.workflow = workflow
        self.parameters = {
            **{name: spec.default for name, spec in workflow.parameters.items() if not spec.ask},
            **parameters,
        }
        self.scene = scene
        self.store = store
        self.nodes = nodes
        self.outputs: dict[str, dict[str, Ref]] = {}
        self.assumed: dict[str, str] = {}

    def steps(self) -> list[Step]:
        found: dict[str, Step] = {}
        for name in self.nodes.in_order():
            node = self.nodes.nodes[name]
            step = found[name] = Step(name, node.phase.type)
            if self.scene and name.partition(".")[0] not in self.scene:
                step.action = "left out"
                step.why.append("it is not in the scene")
                continue
            self._conditions(node, step, found)
            self._inputs(node, step, found)
            if step.action == "left out":
                continue
            if asked := [each for each in self.nodes.asks.get(name, []) if each not in self.parameters]:
                step.why.append(f"people are asked for {', '.join(asked)} first")
            if node.phase.foreach:
                counts = [
                    str(len(values)) if isinstance(values, list) else "some" for values in node.phase.foreach.values()
                ]
                step.why.append(f"once for each of {' x '.join(counts)} items")
            if isinstance(node.phase, TrainSpec) and node.phase.trial_tasks:
                step.why.append(f"after its search by {node.phase.trial_tasks} workers in the tasks '{name}.trial'")
            if node.phase.group:
                step.why.append(f"in the task '{node.prefix}{node.phase.group}'")
            self._cache(node, step)
        return list(found.values())

    def _conditions(self, node: Node, step: Step, found: dict[str, Step]) -> None:
        if node.phase.when:
            names = Expression.parse(node.phase.when).names()
            known = all(name.split(".")[0] == "parameters" and name.split(".")[1] in self.parameters for name in names)
            if not known or node.overrides:
                step.action = "may run"
                step.why.append(f"if {node.phase.when}")
            elif not Expression.parse(node.phase.when).evaluate({"parameters": self.parameters}):
                step.action = "left out"
                step.why.append(f"its condition does not hold: {node.phase.when}")
        sources = [[source for source, _ in pairs] for pairs in self.nodes.sources[node.name].values()]
        for group in sources or [self.nodes.upstream[node.name]]:
            before = [found[source.partition("[")[0]] for source in group]
            gone = [other for other in before if other.action == "left out" and not self._taken(other)]
            if before and len(gone) == len(before):
                step.action = "left out"
                step.why.append(f"'{gone[0].phase}' is left out")
            elif any(other.action == "may run" for other in before) and step.action == "runs":
                step.action = "may run"

    def _taken(self, step: Step) -> bool:
        return bool(self.scene) and step.phase.partition(".")[0] not in self.scene

    def _inputs(self, node: Node, step: Step, found: dict[str, Step]) -> None:
        for name, pairs in self.nodes.sources[node.name].items():
            for source, output in pairs:
                phase = source.partition("[")[0]
                what = f"{name}: {source}.{output}" if output else f"{name}: {source}"
                if not self._taken(found[phase]):
                    step.inputs.append(what)
                elif (result := self._last(phase)) is None:
                    step.action = "refused"
                    step.why.append(f"no earlier run has a result of '{phase}'")
                else:
                    step.inputs.append(f"{what} of run {_run(result['record'])}")
                    self.outputs.setdefault(phase, {key: ref_from_dict(ref) for key, ref in result["outputs"].items()})

    def _last(self, phase: str) -> dict[str, Any] | None:
        from mlops_provider.runtime.records import latest_result

        return latest_result(self.store, self.workflow.workflow, phase) if self.store is not None else None

    def _cache(self, node: Node, step: Step) -> None:
        """Say what the cache would give, and note what the phase gives then."""
        from mlops_provider.runtime.cache import content_key, look_up
        from mlops_provider.runtime.contract import RunContext
        from mlops_provider.runtime.outside import outside_of

        allowed = cache_of(node.workflow, node.phase)
        if self.store is None:
            return
        config = config_of(node.phase)
        sources = self.nodes.sources[node.name]
        before = {source for pairs in sources.values() for source, _ in pairs}
        open_ = [source for source in before if source not in self.outputs]
        if not sources and (last := self._last(node.name)) is not None:
            self.outputs[node.name] = {key: ref_from_dict(ref) for key, ref in last["outputs"].items()}
            self.assumed[node.name] = node.name
        if allowed is False or not sources or open_ or _has_template(config):
            return
        inputs = {name: [self.outputs[source][output] for source, output in pairs] for name, pairs in sources.items()}
        spec = phase_types()[node.phase.type].spec_class().model_validate(config)
        context = RunContext(
            workflow=self.workflow.workflow,
            run_id="plan",
            phase=node.name,
            phase_type=node.phase.type,
            store_url=self.store.url,
        )
        outside = outside_of(spec, context)
        hit = look_up(content_key(spec, inputs, context, outside), context, outside, allowed)
        assumed = sorted({self.assumed[source] for source in before if source in self.assumed})
        condition = f", if {', '.join(map(repr, assumed))} gives what it gave last" if assumed else ""
        step.why.append(f"cache {'hit' if hit.outcome else 'miss'}{condition}: {hit.why}")
        if hit.outcome is not None:
            self.outputs[node.name] = dict(hit.outcome.outputs)
            self.assumed.update(dict.fromkeys([node.name], assumed[0]) if assumed else {})


def _has_template(value: Any) -> bool:
    if isinstance(value, dict | list):
        return any(_has_template(item) for item in (value.values() if isinstance(value, dict) else value))
    return is_template(value)


def _run(record: str) -> str:
    from urllib.parse import unquote

    return unquote(record.rsplit("/", 3)[1])
