"""A search finds what scikit-learn's finds, the same one every time, and says why nothing was found."""

from __future__ import annotations

import pytest

from mlops_provider.exceptions import DataError
from mlops_provider.runtime.fitting import make_estimator
from mlops_provider.runtime.preprocess import make_pipeline
from mlops_provider.runtime.tuning.judge import Judge

C = {"low": 0.001, "high": 10, "log": True}


def outcomes(found):
    return [(trial.number, trial.parameters, trial.state, trial.folds) for trial in found.trials]


def test_a_grid_gives_the_scores_and_the_best_of_scikit_learns_grid_search_on_the_same_folds(searches):
    from sklearn.model_selection import GridSearchCV

    config = searches.config(search="grid", space={"C": [0.001, 0.1, 1.0], "fit_intercept": [True, False]}, cv=4)
    data = searches.data(config)
    judge = Judge.of(config, config.tune, data, searches.context())
    rows = {index: place for place, index in enumerate(data.frame.index)}
    pipeline = make_pipeline(make_estimator(config, searches.context(), config.parameters), data.features, "auto")
    peer = GridSearchCV(
        pipeline,
        {"estimator__C": [0.001, 0.1, 1.0], "estimator__fit_intercept": [True, False]},
        cv=[(fold.train, [rows[index] for index in fold.judge.index]) for fold in judge.folds],
    ).fit(data.inputs, data.target)

    found = searches.find(config)

    assert [trial.score for trial in found.trials] == pytest.approx(peer.cv_results_["mean_test_score"].tolist())
    assert found.best.score == pytest.approx(peer.best_score_)
    assert found.parameters == {
        "max_iter": 500,
        **{name.removeprefix("estimator__"): value for name, value in peer.best_params_.items()},
    }


def test_the_model_is_fitted_on_all_rows_with_the_best_parameters(bench, searches):
    config = searches.config("sklearn.tree.DecisionTreeClassifier", search="grid", space={"max_depth": [1, 5]})

    model = bench.run(config, {"data": bench.dataset("sklearn:digits")}).outputs["model"]

    from mlops_provider.store.models import load_model

    assert load_model(bench.store, model).pipeline[-1].max_depth == 5


@pytest.mark.parametrize("search", ["random", "optuna", "halving"])
def test_the_same_seed_gives_the_same_search_and_another_seed_another(bench, searches, search):
    config = searches.config(search=search, space={"C": C}, limit=6)
    again, other = config.model_copy(update={"title": "again"}), config.model_copy(update={"seed": 1})

    first, second, third = (
        searches.find(one, workflow=workflow) for one, workflow in [(config, "a"), (again, "b"), (other, "c")]
    )

    assert outcomes(first) == outcomes(second)
    assert outcomes(first) != outcomes(third)


def test_a_metric_that_should_be_low_is_minimised(searches):
    config = searches.config(search="grid", space={"C": [1e-6, 1.0]}, scoring="log_loss")

    found = searches.find(config)

    assert found.best.parameters == {"C": 1.0}
    assert found.best.score < found.trials[0].score


def test_a_trial_that_raises_is_failed_with_its_reason_and_the_search_goes_on(searches):
    config = searches.config(search="grid", space={"C": [-1.0, 1.0, -2.0]})

    found = searches.find(config)

    assert [trial.state for trial in found.trials] == ["failed", "finished", "failed"]
    assert "'C' parameter" in found.trials[0].error
    assert found.best.number == 1


def test_when_every_trial_fails_the_most_frequent_reasons_are_told(searches):
    config = searches.config(search="grid", space={"C": [-1.0, -1.0, 1.0]}, parameters={"solver": "nonsense"})

    with pytest.raises(DataError, match=r"none of 3 trials gave a model: .*solver"):
        searches.find(config)


def test_a_fold_with_one_class_fails_the_trial_and_says_so(bench, searches):
    rows = "\n".join(f"{i},{'rare' if i == 0 else 'usual'}" for i in range(30))
    data = bench.csv("one.csv", f"x,y\n{rows}\n")
    config = searches.config(target="y", search="grid", space={"C": [1.0]}, cv=3, scoring="roc_auc")

    with pytest.raises(DataError, match="none of 1 trials gave a model"):
        searches.find(config, data)
