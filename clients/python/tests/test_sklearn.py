"""The estimators, trained on this machine, and what scikit-learn's own are mapped to."""

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from tribute.mapping import STEPS, mapping
from tribute.schema import Schema
from tribute.sklearn import TributeClassifier, TributeRegressor
from tribute.types import LAMBDA_UNIT

CLASSES = Schema.of("s", ["a", "b"], [0.0, 0.0], [8.0, 16.0], ["x", "y", "z"])
NUMBERS = Schema.of("s", ["a", "b"], [0.0, 0.0], [8.0, 16.0], (0.0, 1.0))


@parametrize_with_checks([TributeClassifier(), TributeClassifier(C=0.1, range="minmax"), TributeRegressor()])
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


def test_a_scaler_fitted_on_columns_in_another_order_is_read_by_name():
    schema = Schema.of("s", ["a", "b"], [-4.0, -40.0], [4.0, 40.0], ["x", "y"])
    pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    rng = np.random.default_rng(0)
    values = rng.normal(size=(500, 2)) * [10.0, 1.0]
    pipeline.fit(values, rng.integers(0, 2, 500))
    assert mapping(pipeline, schema, 500).spread > 0.9, "by position"
    pipeline[0].feature_names_in_ = np.array(["b", "a"], dtype=object)
    assert mapping(pipeline, schema, 500).spread < 0.3


@pytest.mark.parametrize("load", [load_iris, load_breast_cancer])
def test_a_classifier_answers_as_the_equivalent_pipeline(load):
    values, targets = load(return_X_y=True)
    ours = TributeClassifier(C=1.0).fit(values, targets)
    theirs = ours.equivalent().fit(values, targets)
    assert np.mean(ours.predict(values) != theirs.predict(values)) <= 0.01
    assert np.abs(ours.predict_proba(values) - theirs.predict_proba(values)).mean() < 0.01


def test_a_regressor_predicts_as_the_equivalent_pipeline():
    values, targets = load_diabetes(return_X_y=True)
    ours = TributeRegressor(alpha=1.0).fit(values, targets)
    theirs = ours.equivalent().fit(values, targets)
    assert ours.score(values, targets) == pytest.approx(theirs.score(values, targets), abs=2e-3)
    assert np.abs(ours.predict(values) - theirs.predict(values)).max() < 0.02 * np.ptp(targets)


def test_a_grid_search_runs_over_it():
    search = GridSearchCV(TributeClassifier(), {"C": [0.01, 1.0], "range": ["minmax", "standard"]}, cv=3)
    assert search.fit(*load_iris(return_X_y=True)).best_score_ > 0.9


def test_what_moved_to_an_end_is_counted():
    values = np.append(np.linspace(-1, 1, 199), 1e3)[:, None]
    assert TributeClassifier().fit(values, values[:, 0] > 0).clamped_ == 1


def test_penalties_are_those_of_the_same_loss():
    found = mapping(make_pipeline(StandardScaler(), LogisticRegression(C=2.0)), CLASSES, 100)
    assert found.penalty == pytest.approx((STEPS / 8) ** 2 / 200) and (found.link, found.spread) == ("softmax", 0.0)
    assert mapping(make_pipeline(StandardScaler(), RidgeClassifier(alpha=0.5)), CLASSES, 100).penalty == found.penalty
    assert mapping(make_pipeline(StandardScaler(), Ridge(alpha=0.5)), NUMBERS, 100).link == "squared"
    assert mapping(TributeClassifier(C=2.0), CLASSES, 100) == found
    assert found.weakest(found.penalty / 2) == "C=4"


@pytest.mark.parametrize(
    "estimator, schema, said",
    [
        (LogisticRegression(), NUMBERS, "use Ridge"),
        (Ridge(), CLASSES, "use LogisticRegression or RidgeClassifier"),
        (Ridge(positive=True), NUMBERS, "sign"),
        (LogisticRegression(class_weight="balanced"), CLASSES, "class_weight"),
        (make_pipeline(StandardScaler(), StandardScaler(), LogisticRegression()), CLASSES, "extractor"),
        (StandardScaler(), CLASSES, "cannot be mapped"),
        (make_pipeline(StandardScaler(), LogisticRegression(C=2.0**44)), CLASSES, rf"{LAMBDA_UNIT:.3g}: C=.* is the weakest"),
    ],
)
def test_what_has_no_equivalent_is_named(estimator, schema, said):
    with pytest.raises(ValueError, match=said):
        mapping(estimator, schema, 100)
