"""The estimators, trained on this machine, and what scikit-learn's own are mapped to."""

from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV, Ridge, RidgeClassifier, RidgeCV
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from tribute.certify import _check_intercept, _Compared, certify
from tribute.errors import BadQuery, BadRecord
from tribute.mapping import DEVIATIONS, STEPS, _order, mapping
from tribute.report import of_arrays
from tribute.schema import Schema
from tribute.sklearn import TributeClassifier, TributeRegressor
from tribute.types import LAMBDA_UNIT

CLASSES = Schema.of("s", ["a", "b"], [0.0, 0.0], [8.0, 16.0], ["x", "y", "z"])
TWO = Schema.of("s", ["a", "b"], [0.0, 0.0], [8.0, 16.0], ["x", "y"])
NARROW = Schema.of("s", ["a", "b"], [0.0, 0.0], [2.0, 2.0], ["x", "y", "z"])
NUMBERS = Schema.of("s", ["a", "b"], [0.0, 0.0], [8.0, 16.0], (0.0, 1.0))


@parametrize_with_checks([TributeClassifier(), TributeClassifier(C=0.1, range="minmax"), TributeRegressor()])
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


def test_a_scaler_fitted_on_columns_in_another_order_is_read_by_name():
    schema = Schema.of("s", ["a", "b"], [-4.0, -40.0], [4.0, 40.0], ["x", "y"])
    pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    rng = np.random.default_rng(0)
    values = rng.normal(size=(500, 2)) * [10.0, 1.0]
    pipeline.fit(values, rng.choice(["x", "y"], 500))
    assert mapping(pipeline, schema, 500).spread > 0.9, "by position"
    pipeline[0].feature_names_in_ = np.array(["b", "a"], dtype=object)
    assert mapping(pipeline, schema, 500).spread < 0.3
    pipeline[0].feature_names_in_ = np.array(["0", "1"], dtype=object)
    assert mapping(pipeline, schema, 500).spread > 0.9, "names that only count"
    pipeline[0].feature_names_in_ = np.array(["b", "c"], dtype=object)
    with pytest.raises(ValueError, match="fitted on other features than the schema's.*'a' is missing"):
        mapping(pipeline, schema, 500)


def test_labels_are_compared_as_the_schema_writes_them():
    rows = [[0.0], [1.0], [2.0]]
    for classes, labels in ((["0", "1"], [0.0, 1.0, 1.0]), (["0", "1"], ["0", "1", "1"]), (["0.0", "1.0"], [0, 1, 1])):
        schema = Schema.of("s", ["a"], [0.0], [2.0], classes)
        model = make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, labels)
        moved = _Compared(model, schema, (rows, labels)).moved([classes[i] for i in (0, 1, 0)])
        assert (moved.differing, moved.accuracy_before, moved.accuracy_after) == ([2], 1.0, pytest.approx(2 / 3))
        assert moved.margins == [model.decision_function(rows)[2]]


def test_real_values_may_be_a_column():
    values, targets = load_diabetes(return_X_y=True)
    schema = Schema.of("s", [f"x{i}" for i in range(10)], values.min(axis=0), values.max(axis=0), (0.0, 400.0))
    flat, column = (Ridge().fit(values, y) for y in (targets, targets[:, None]))
    given = flat.predict(values) + 5.0 * (np.arange(len(values)) % 2)
    for model, wanted in ((flat, targets), (column, targets[:, None])):
        moved = _Compared(model, schema, (values, wanted)).moved(given)
        assert moved.differing == list(range(1, len(values), 2)) and moved.margins == pytest.approx([5.0] * len(moved.differing))
        assert moved.accuracy_before == pytest.approx(flat.score(values, targets))
        assert moved.accuracy_after == pytest.approx(r2_score(targets, given))
    for strange in (np.zeros(len(values), dtype="datetime64[ns]"), targets * 1j):
        with pytest.raises(BadRecord, match="targets"):
            _Compared(flat, schema, (values, strange))


class Table:
    """Rows with named columns."""

    def __init__(self, columns, rows):
        self.columns, self._rows = columns, np.asarray(rows, dtype=np.float64)

    def __array__(self, dtype=None, copy=None):
        return self._rows.astype(dtype)


def test_every_model_is_asked_with_the_columns_that_it_was_fitted_on():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(200, 2))
    labels = np.where(values[:, 0] > 0.3, "x", "y")
    schema = Schema.of("s", ["a", "b"], [-4.0, -4.0], [4.0, 4.0], ["x", "y"])
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(values, labels)
    swapped = make_pipeline(StandardScaler(), LogisticRegression()).fit(values[:, ::-1], labels)
    swapped[0].feature_names_in_ = np.array(["b", "a"], dtype=object)
    given = ["x"] * 200
    wanted = _Compared(model, schema, (values, labels)).moved(given)
    assert wanted.accuracy_before > 0.97 and wanted.accuracy_after == np.mean(labels == "x")
    for records in (values, Table(["a", "b"], values), Table(["b", "a"], values[:, ::-1])):
        for original in (model, swapped):
            moved = _Compared(original, schema, (records, labels), _order(original, schema)).moved(given)
            assert moved.differing == wanted.differing and moved.margins == pytest.approx(wanted.margins)


CORNERS = np.array([[0.0, 0.0], [8.0, 16.0], [0.0, 16.0]])


@pytest.mark.parametrize(
    "fitted, compare, said",
    [
        (True, (CORNERS, ["x", "y"]), "3 records to compare, but 2 targets"),
        (True, (CORNERS, np.eye(3)), "3 records to compare, but 9 targets"),
        (True, (CORNERS, ["x", "y", "maybe"]), "no class 'maybe'; it has x, y, z"),
        (True, (CORNERS * [np.nan, 1.0], None), r"feature 0 \(`a`\) is nan"),
        (True, (CORNERS[0], ["x"]), r"have shape \(2,\): give at least one, as a row"),
        (True, (CORNERS[:0], []), r"have shape \(0, 2\): give at least one"),
        (False, (CORNERS, None), "not fitted"),
    ],
)
def test_what_cannot_be_compared_is_refused_before_any_training(fitted, compare, said):
    pipeline = make_pipeline(MinMaxScaler(), LogisticRegression())
    if fitted:
        pipeline.fit(CORNERS, ["x", "y", "z"])
    dataset = SimpleNamespace(schema=CLASSES, records=100, intercept_scale=3)
    with pytest.raises(ValueError, match=said):
        certify(pipeline, [dataset], None, compare=compare, ranges="minmax")


def test_targets_that_are_no_numbers_are_refused_before_any_training():
    pipeline = make_pipeline(MinMaxScaler(), Ridge()).fit(CORNERS, [0.0, 1.0, 0.5])
    dataset = SimpleNamespace(schema=NUMBERS, records=100, intercept_scale=3)
    with pytest.raises(ValueError, match="of the targets, number 1 is not finite"):
        certify(pipeline, [dataset], None, compare=(CORNERS, [0.0, np.nan, 0.5]))


@pytest.mark.parametrize("estimator", [TributeClassifier(), TributeRegressor()])
def test_masked_records_are_refused(estimator):
    values, targets = np.arange(8.0).reshape(4, 2), np.array([0, 1, 0, 1])
    masked = np.ma.masked_equal(values, 3.0)
    with pytest.raises(BadQuery, match="features are masked"):
        estimator.fit(masked, targets)
    with pytest.raises(BadRecord, match="targets are masked"):
        estimator.fit(values, np.ma.masked_equal(targets, 1))
    with pytest.raises(BadQuery, match="features are masked"):
        estimator.fit(values, targets).predict(masked)


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


@pytest.mark.parametrize("load", [load_iris, load_breast_cancer])
def test_blanks_around_labels_are_not_in_the_schema(load):
    values, targets = load(return_X_y=True)
    labels = np.array([" <=50K", "50K to 60K ", " >60K"])[targets]
    ours = TributeClassifier().fit(values, labels)
    assert ours.schema_.classes == [label.strip() for label in ours.classes_] != ours.classes_.tolist()
    assert ours.score(values, labels) == TributeClassifier().fit(values, np.char.strip(labels)).score(values, np.char.strip(labels)) > 0.9


def test_classes_that_differ_only_in_blanks_are_refused():
    values, targets = load_iris(return_X_y=True)
    with pytest.raises(ValueError, match="the classes 'a', 'a ' are written alike, .*: write them as one"):
        TributeClassifier().fit(values, np.array(["a", "a ", "b"])[targets])


@pytest.mark.parametrize("rule, outlier", [("standard", 1e200), ("standard", 1e308), ("minmax", 1e308)])
def test_values_that_no_range_can_hold_are_refused(rule, outlier):
    values = np.random.default_rng(0).normal(size=(40, 3))
    targets = values[:, 0].copy()
    values[0, 2] = outlier
    for estimator in (TributeClassifier(range=rule), TributeRegressor(range=rule)):
        with pytest.raises(BadRecord, match=r"feature 2 \(`x2`\) runs from -.* to 1e\+\d+: no range can hold that, correct its outliers"):
            estimator.fit(values, targets > 0 if isinstance(estimator, TributeClassifier) else targets)
    values[0, 2] = 1e100
    assert np.isfinite(TributeClassifier(range=rule).fit(values, targets > 0).schema_.hi).all()


@pytest.mark.parametrize("kind", [str, object])
@pytest.mark.parametrize("text", ["1_0", "\u0661"])
def test_texts_that_only_python_takes_for_numbers_are_refused(kind, text):
    values = np.arange(8.0).reshape(4, 2)
    plain = values.astype(str).astype(kind)
    strange = plain.copy()
    strange[1, 0] = text
    for estimator, targets in ((TributeClassifier(), [0, 1, 0, 1]), (TributeRegressor(), plain[:, 0])):
        assert estimator.fit(plain, targets).schema_.lo.tolist() == estimator.fit(values, targets).schema_.lo.tolist()
        for asked in (lambda: estimator.fit(strange, targets), lambda: estimator.predict(strange)):
            with pytest.raises(BadQuery, match=f"features are not all numbers: `{text}` is none"):
                asked()
    with pytest.raises(BadRecord, match=f"targets are not all numbers: `{text}` is none"):
        TributeRegressor().fit(values, strange[:, 0])


def test_targets_that_no_range_can_hold_are_refused():
    values = np.random.default_rng(0).normal(size=(40, 3))
    for factor in (1e305, 1e308):
        with pytest.raises(BadRecord, match="the target runs from -.*: no range can hold that"):
            TributeRegressor().fit(values, np.clip(values[:, 0], -1.0, 1.0) * factor)
    widest = TributeRegressor().fit(values, values[:, 0] * 1e300).predict(values)
    assert r2_score(values[:, 0], widest / 1e300) > 0.9


def test_what_moved_to_an_end_is_counted():
    values = np.append(np.linspace(-1, 1, 199), 1e3)[:, None]
    assert TributeClassifier().fit(values, values[:, 0] > 0).clamped_ == 1


def test_a_fit_on_a_service_commits_no_moved_value_without_being_told():
    class Service:
        """Reports on records, and commits none."""

        def register(self, table, schema, *, accept, **_):
            of_arrays(schema, *table, accept).settled()
            raise RuntimeError("nothing was in doubt")

    values = np.append(np.linspace(-1, 1, 199), 1e3)[:, None]
    with pytest.raises(BadRecord, match=r"outside the schema's range.*accept=\['clamped'\]"):
        TributeClassifier(client=Service()).fit(values, values[:, 0] > 0)
    with pytest.raises(RuntimeError, match="nothing was in doubt"):
        TributeClassifier(client=Service(), accept=["clamped", "coarse"]).fit(values, values[:, 0] > 0)


@pytest.mark.parametrize("load", [load_iris, load_breast_cancer])
def test_records_that_pass_as_a_table_are_not_doubted_as_arrays(load):
    values, targets = load(return_X_y=True)
    ours = TributeClassifier().fit(values, targets)
    found = of_arrays(ours.schema_, values, targets)
    assert sum(found.clamped.values()) == ours.clamped_
    assert found.doubts == []


def test_penalties_are_those_of_the_same_loss():
    found = mapping(make_pipeline(StandardScaler(), LogisticRegression(C=2.0)), CLASSES, 100, "standard")
    assert found.penalty == pytest.approx((STEPS / (2 * DEVIATIONS)) ** 2 / 200) and (found.link, found.spread) == ("softmax", 0.0)
    assert mapping(make_pipeline(StandardScaler(), RidgeClassifier(alpha=0.5)), CLASSES, 100, "standard").penalty == found.penalty
    assert mapping(make_pipeline(StandardScaler(), Ridge(alpha=0.5)), NUMBERS, 100, "standard").link == "squared"
    # an estimator of this package says by which rule its ranges are made
    assert mapping(TributeClassifier(C=2.0), CLASSES, 100) == mapping(TributeClassifier(C=2.0), CLASSES, 100, "standard") == found
    with pytest.raises(ValueError, match="said to be 'minmax'"):
        mapping(TributeClassifier(C=2.0), CLASSES, 100, "minmax")
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
        (LogisticRegression(C=2.0**44), CLASSES, rf"{LAMBDA_UNIT:.3g}: C=.* is the weakest"),
        (LogisticRegression(C=np.inf), CLASSES, r"C=inf means a penalty of 0, .*: C=\d.* is the weakest"),
        (Ridge(alpha=0.0), NUMBERS, r"alpha=0.0 means a penalty of 0, .*: alpha=\d.* is the weakest"),
        (LogisticRegression(C=0.0), CLASSES, "C must be a positive number"),
        (Ridge(alpha=-1.0), NUMBERS, "alpha must be a positive number"),
        (LogisticRegression(solver="liblinear"), TWO, "penalises the intercept"),
        (LogisticRegressionCV(), CLASSES, r"give LogisticRegression\(C=…\)"),
        (RidgeCV(), NUMBERS, r"give Ridge\(alpha=…\)"),
        (RidgeCV().fit([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [0.0, 1.0, 2.0]), NUMBERS, r"give Ridge\(alpha=\d"),
        (make_pipeline(StandardScaler(), LogisticRegression()), CLASSES, r"not fitted.*ranges='standard'"),
        (make_pipeline(MinMaxScaler(), LogisticRegression()), CLASSES, r"not fitted.*ranges='minmax'"),
        (GridSearchCV(LogisticRegression(), {"C": [1.0]}), CLASSES, "GridSearchCV .*give its best_estimator_"),
    ],
)
def test_what_has_no_equivalent_is_named(estimator, schema, said):
    with pytest.raises(ValueError, match=said):
        mapping(estimator, schema, 100)


def test_a_loss_of_each_class_alone_is_refused():
    alone = LogisticRegression()
    alone.multi_class = "ovr"  # a parameter up to scikit-learn 1.7
    with pytest.raises(ValueError, match="multi_class='ovr'"):
        mapping(alone, CLASSES, 100)
    assert mapping(alone, TWO, 100).link == "logistic"
    alone.multi_class = "multinomial"
    with pytest.raises(ValueError, match="multi_class='multinomial'"):
        mapping(alone, TWO, 100)


def test_an_unfitted_scaler_takes_its_scales_from_ranges_that_are_told():
    with pytest.raises(ValueError, match="said to be 'minmax'"):
        mapping(make_pipeline(StandardScaler(), LogisticRegression()), CLASSES, 100, "minmax")
    one = mapping(make_pipeline(MinMaxScaler(), LogisticRegression()), CLASSES, 100, "minmax").penalty
    ten = mapping(make_pipeline(MinMaxScaler((0, 10)), LogisticRegression()), CLASSES, 100, "minmax").penalty
    assert one == pytest.approx(STEPS**2 / 100) and ten == pytest.approx(one / 100)
    # fitted, the scales are its own, whatever is told
    corners = np.array([[0.0, 0.0], [8.0, 16.0]])
    assert mapping(make_pipeline(MinMaxScaler((0, 10)).fit(corners), LogisticRegression()), CLASSES, 100).penalty == ten
    fitted = make_pipeline(StandardScaler().fit(corners), LogisticRegression())
    assert mapping(fitted, CLASSES, 100).penalty == pytest.approx((STEPS / 2) ** 2 / 100)
    # without with_std nothing is divided
    bare = mapping(LogisticRegression(), NARROW, 100)
    for scaler in (StandardScaler(with_std=False), StandardScaler(with_std=False).fit(corners)):
        assert mapping(make_pipeline(scaler, LogisticRegression()), NARROW, 100) == bare


def test_a_fitted_estimator_is_compared_with_the_datasets_ranges():
    values, targets = load_iris(return_X_y=True)
    ours = TributeClassifier().fit(values, targets)
    lo, hi = values.min(axis=0), values.max(axis=0)
    other = Schema.of("s", ours.schema_.features, lo, hi, ours.schema_.classes)
    assert mapping(ours, ours.schema_, 150).spread < 1e-12
    assert mapping(ours, other, 150).spread > 0.1


def test_a_pipeline_that_was_fitted_on_other_labels_is_refused():
    def fitted(labels):
        return make_pipeline(MinMaxScaler(), LogisticRegression()).fit(CORNERS, labels)

    with pytest.raises(ValueError, match="pipeline's classes 0, 1, 2 are not the schema's x, y, z: fit it with the schema's labels"):
        mapping(fitted([0, 1, 2]), CLASSES, 100)
    numbered = Schema.of("s", ["a", "b"], [0.0, 0.0], [8.0, 16.0], ["1", "2", "3"])
    with pytest.raises(ValueError, match="classes 0, 1, 2 are not the schema's 1, 2, 3"):
        mapping(fitted([0, 1, 2]), numbered, 100)
    with pytest.raises(ValueError, match="classes 0, 1, 2 are not"):
        mapping(TributeClassifier(range="minmax").fit(CORNERS, [0, 1, 2]), numbered, 100)
    assert mapping(fitted([1.0, 2.0, 3.0]), numbered, 100) == mapping(fitted(["x", "y", "z"]), CLASSES, 100)


@pytest.mark.parametrize("scaler", [None, StandardScaler(with_std=False)])
def test_a_pipeline_that_does_not_scale_is_told_to(scaler):
    dataset = SimpleNamespace(schema=CLASSES, records=100, intercept_scale=3)
    for pipeline in (make_pipeline(scaler, LogisticRegression()), *([LogisticRegression()] if scaler is None else [])):
        with pytest.raises(ValueError, match="does not scale its features, so no rule .* fits.*Add a StandardScaler"):
            certify(pipeline, [dataset], None)
    fitted = make_pipeline(StandardScaler().fit([[0.0, 0.0], [8.0, 1.0]]), LogisticRegression())
    with pytest.raises(ValueError, match="ranges are not the scaler's"):
        certify(fitted, [dataset], None)


def test_an_intercept_that_would_be_penalised_is_refused():
    for scale in (3, 4):
        _check_intercept(scale, None)
    for scale, said in ((0, "like a weight"), (2, "like 1/16 of a weight")):
        with pytest.raises(ValueError, match=f"{said}: register them with intercept_scale=3, or pass penalised_intercept=True"):
            _check_intercept(scale, None)
    _check_intercept(0, 0)
    with pytest.raises(ValueError, match="give the estimator intercept_scale=3"):
        _check_intercept(3, 2)
