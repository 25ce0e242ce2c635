"""Each way to search does what it is for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mlops_dag_factory.spec.tune import RangeSpec
from mlops_provider.exceptions import ConfigError
from mlops_provider.runtime.tuning.suggest import Suggested
from mlops_provider.runtime.tuning.trial import Goal, Proposal, Trial

C = {"low": 0.001, "high": 10, "log": True}


def smooth(parameters):
    """Give a valley with its lowest point, 0, at x = 2, y = 0.01."""
    return (parameters["x"] - 2) ** 2 + np.log10(parameters["y"] / 0.01) ** 2


@pytest.mark.parametrize("seed", [0, 1])
def test_optuna_finds_better_values_of_a_smooth_function_than_its_first_ones_by_chance(searches, seed):
    space = {"x": RangeSpec(low=-10, high=10), "y": RangeSpec(low=1e-6, high=1, log=True)}
    tune = searches.config(search="optuna", space={"C": C}, limit=40).tune.model_copy(update={"space": space})
    sampler, done = Suggested(tune, Goal("rmse"), seed), {}

    for number in range(sampler.size):
        proposal = sampler.propose(number, done, {})
        score = smooth(proposal.parameters)
        done[number] = Trial(number=number, parameters=proposal.parameters, state="finished", folds=(score,))

    scores = [trial.score for trial in done.values()]
    assert min(scores[10:]) < min(scores[:10])
    assert np.median(scores[20:]) < np.median(scores[:10]) / 2


def test_optuna_takes_what_others_run_failed_and_gave_up_into_account(searches):
    tune = searches.config(search="optuna", space={"C": C, "kind": [None, "a", [1, 2]]}, limit=30).tune
    sampler = Suggested(tune, Goal("accuracy"), 0)
    states = ["finished", "failed", "pruned"] * 4
    done = {
        number: Trial(number=number, parameters={"C": 0.1 + number / 10, "kind": [1, 2]}, state=state, folds=(0.5,))
        for number, state in enumerate(states)
    }

    proposal = sampler.propose(12, done, {12: Proposal({"C": 0.5, "kind": None})})

    assert 0.001 <= proposal.parameters["C"] <= 10
    assert proposal.parameters["kind"] in [None, "a", [1, 2]]


def test_pruning_gives_up_bad_trials_after_some_folds_and_keeps_the_best(searches):
    space = {"C": [1.0, 0.5, 0.3, 0.2, 0.1, 1e-7, 1e-8, 2.0]}
    plain = searches.find(searches.config(search="grid", space=space, cv=5))

    pruned = searches.find(searches.config(search="grid", space=space, cv=5, pruning=True), workflow="pruned")

    states = {trial.parameters["C"]: trial.state for trial in pruned.trials}
    assert states[1e-7] == states[1e-8] == "pruned"
    assert all(len(trial.folds) < 5 for trial in pruned.trials if trial.state == "pruned")
    assert pruned.best.parameters == plain.best.parameters


def test_the_best_of_a_rung_go_on_with_three_times_as_many_rows(searches):
    found = searches.find(searches.config(search="halving", space={"C": C}, limit=9))

    rungs = {}
    for trial in found.trials:
        rungs.setdefault(trial.rung, []).append(trial)
    assert [(len(trials), trials[0].rows) for trials in rungs.values()] == [(9, 63), (3, 189), (1, 567)]
    best = sorted(rungs[0], key=lambda trial: -trial.score)[:3]
    assert [trial.parameters for trial in rungs[1]] == [trial.parameters for trial in best]
    assert found.best is rungs[2][0]


def test_rows_that_were_given_to_judge_take_the_place_of_the_folds(searches):
    from mlops_provider.runtime.tuning import find

    config = searches.config(search="grid", space={"C": [1.0]}, more={"validation": "v"})
    data = searches.data(config.model_copy(update={"validation": None}))

    found = find(config, replace(data, validation=data), searches.context())

    assert [len(trial.folds) for trial in found.trials] == [1]


def test_a_metric_that_there_is_not_is_said_before_anything_is_fitted(searches):
    with pytest.raises(ConfigError, match="there is no metric acuracy for a classification of two classes"):
        searches.find(searches.config(search="grid", space={"C": [1.0]}, scoring="acuracy"))


def test_classes_are_spread_evenly_over_the_folds_and_few_rows_still_hold_each_class(searches):
    from mlops_provider.runtime.tuning.folds import some
    from mlops_provider.runtime.tuning.judge import Judge

    config = searches.config(search="halving", space={"C": C}, limit=9)
    data = searches.data(config, "sklearn:wine")
    judge = Judge.of(config, config.tune, data, searches.context())

    for fold in judge.folds:
        shares = fold.judge["target"].value_counts(normalize=True)
        assert np.allclose(shares, data.target.value_counts(normalize=True)[shares.index], atol=0.03)
        few = some(fold, config, data, judge.task, 20)
        assert set(data.target.iloc[few]) == set(data.target)
        assert set(few) <= set(fold.train)


def test_a_forecast_is_judged_on_what_comes_after_what_it_learned(bench, searches):
    from mlops_provider.runtime.tuning.judge import Judge

    rows = "\n".join(f"{(i * 7) % 60},{i % 5},{i}" for i in range(60))
    data = bench.csv("series.csv", f"day,x,y\n{rows}\n")
    more = {"task": "forecasting", "timestamp": "day"}
    config = searches.config("sklearn.linear_model.Ridge", target="y", search="grid", space={"alpha": [1]}, more=more)
    read = searches.data(config, data)

    judge = Judge.of(config, config.tune, read, searches.context())

    days = read.frame["day"].to_numpy()
    assert all(days[fold.train].max() < fold.judge["day"].min() for fold in judge.folds)
    assert judge.goal.metric == "rmse"


def test_the_rows_of_a_query_stay_together(bench, searches):
    from mlops_provider.runtime.tuning.judge import Judge

    rows = "\n".join(f"{i // 4},{i % 7},{i % 3}" for i in range(80))
    data = bench.csv("queries.csv", f"q,x,y\n{rows}\n")
    more = {"task": "ranking", "query": "q"}
    config = searches.config("sklearn.linear_model.Ridge", target="y", search="grid", space={"alpha": [1]}, more=more)
    read = searches.data(config, data)

    judge = Judge.of(config, config.tune, read, searches.context())

    queries = read.frame["q"].to_numpy()
    assert all(not set(queries[fold.train]) & set(fold.judge["q"]) for fold in judge.folds)
