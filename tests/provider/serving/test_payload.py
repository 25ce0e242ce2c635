"""Whatever JSON a client sends is either rows or a RequestError, never another failure."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_provider.exceptions import RequestError
from mlops_provider.serving.features import Features
from mlops_provider.serving.payload import FORMS, Rows, parse_inference, parse_invocation
from mlops_provider.store.models import Feature, Signature

SIGNATURE = Signature(
    task="regression", features=(Feature("a", "float"), Feature("b", "integer")), target="y", target_type="float"
)
MIXED = Signature(
    task="regression",
    features=(Feature("a", "string"), Feature("b", "boolean"), Feature("c", "timestamp")),
    target="y",
    target_type="float",
)
NAMES = st.sampled_from(["a", "b", "c", "columns", "data", "name", "shape", "datatype", "inputs", "x"])
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.just("2026-05-04T03:00:00Z")
)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=20
)
TENSORS = st.lists(
    st.fixed_dictionaries(
        {
            "name": NAMES | JSON,
            "shape": st.lists(st.integers(0, 4), max_size=3) | JSON,
            "data": st.lists(SCALARS) | JSON,
        }
    ),
    max_size=3,
)


@settings(max_examples=400, deadline=None)
@given(
    body=st.dictionaries(st.sampled_from(FORMS), JSON, max_size=2)
    | st.builds(
        lambda names, data: {"dataframe_split": {"columns": names, "data": data}},
        st.lists(NAMES, max_size=3),
        st.lists(st.lists(SCALARS, max_size=3), max_size=3),
    )
    | JSON
)
def test_any_invocation(body):
    for signature in (SIGNATURE, MIXED):
        try:
            inputs = Features(signature).read(parse_invocation(body, signature))
        except RequestError:
            continue
        assert inputs.shape[1] == len(signature.features)


@settings(max_examples=400, deadline=None)
@given(body=st.fixed_dictionaries({"inputs": TENSORS}) | JSON)
def test_any_inference(body):
    for signature in (SIGNATURE, MIXED):
        try:
            inputs = Features(signature).read(parse_inference(body, signature))
        except RequestError:
            continue
        assert inputs.shape[1] == len(signature.features)


@given(
    cells=st.lists(
        st.tuples(st.floats(allow_infinity=False) | st.none(), st.integers(-(2**62), 2**62)), min_size=1, max_size=20
    ),
    swap=st.booleans(),
)
def test_numbers_arrive_unchanged_in_the_models_order(cells, swap):
    rows = [list(reversed(row)) if swap else list(row) for row in cells]

    matrix = Features(SIGNATURE).read(Rows(["b", "a"] if swap else ["a", "b"], rows), booleans=False)

    expected = np.asarray([[np.nan if cell is None else float(cell) for cell in row] for row in cells])
    np.testing.assert_array_equal(matrix, expected)
