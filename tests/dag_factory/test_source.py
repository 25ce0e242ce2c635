from __future__ import annotations

import time

import pytest

from mlops_dag_factory.errors import Finding, WorkflowError
from mlops_dag_factory.source import dump, parse, read_text_of
from mlops_dag_factory.source.builder import MAX_DEPTH

TWELVE_PHASES = "workflow: w\nphases:\n" + "".join(
    f"  p{n}: {{type: train, data: splits.train, target: class, estimator: sklearn.svm.SVC, seed: {n}, "
    'parameters: {C: "{{ params.c }}", gamma: 0.1}}\n'
    for n in range(12)
)


def data(text):
    document = parse(text, "w.yaml")
    assert document.problems == ()
    return document.data


def problem(text):
    [found] = parse(text, "w.yaml").problems
    return found


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("yes", "yes"), ("no", "no"), ("on", "on"), ("off", "off"), ("NO", "NO"), ("true", True), ("False", False),
        ("null", None), ("~", None), ("", None), ("1", 1), ("012", 12), ("0o17", 15), ("0x1F", 31), ("1_000", "1_000"),
        ("1e3", 1000.0), ("1.5", 1.5), (".5", 0.5), ("-7", -7), ("12:30", "12:30"), ("2024-01-01", "2024-01-01"),
        ("2024-01-01T10:00:00Z", "2024-01-01T10:00:00Z"), ('"1"', "1"), ("'true'", "true"), ("!!str 5", "5"),
        ("!!float 5", 5.0), ("1.2.3", "1.2.3"), ("-", ["x"]), (".inf", float("inf")), ("=", "="),
    ],
)  # fmt: skip
def test_plain_scalars_follow_yaml_1_2(written, value):
    text = "a: [x]" if written == "-" else f"a: {written}"

    assert data(text) == {"a": value}
    assert type(data(text)["a"]) is type(value)


def test_keys_are_always_the_text_that_was_written():
    assert data("on: 1\nno: 2\n1: 3\nnull: 4\ntrue: 5\n2024-01-01: 6") == {
        "on": 1, "no": 2, "1": 3, "null": 4, "true": 5, "2024-01-01": 6,
    }  # fmt: skip


def test_anchors_and_merge_keys_share_values_and_the_own_key_wins():
    text = "base: &base {retries: 1, pool: a}\none: {<<: *base, pool: b}\ntwo: {<<: [*base, {pool: c, x: 1}]}"

    assert data(text) == {
        "base": {"retries": 1, "pool": "a"},
        "one": {"pool": "b", "retries": 1},
        "two": {"retries": 1, "pool": "a", "x": 1},
    }


def test_a_merged_value_stands_where_it_was_written():
    document = parse("base: &base {retries: 1}\none: {<<: *base}", "w.yaml")

    assert document.place(("one", "retries")) == ("w.yaml", 1, 23)


def test_places_of_keys_values_items_and_of_what_is_missing():
    document = parse("a:\n  b: [x, y]\n  c: text\n", "w.yaml")

    assert document.place(("a", "b", 1)) == ("w.yaml", 2, 10)
    assert document.place(("a", "c")) == ("w.yaml", 3, 6)
    assert document.place(("a", "c"), key=True) == ("w.yaml", 3, 3)
    assert document.place(("a", "missing")) == ("w.yaml", 1, 1)
    assert document.place(()) == ("w.yaml", 1, 1)


def test_a_finding_below_a_text_is_the_text_s_own():
    document = parse("schedule: '@hourli'", "w.yaml")

    found = document.problem(Finding(loc=("schedule", "cron"), code="cron", message="wrong"))

    assert (found.path, found.line, found.column) == ("schedule", 1, 11)


def test_windows_line_ends_and_a_byte_order_mark_are_read(tmp_path):
    path = tmp_path / "w.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\r\nb: \xc3\xa9\r\n")

    assert data(read_text_of(path)) == {"a": 1, "b": "é"}


@pytest.mark.parametrize(
    ("content", "line", "column", "code"),
    [
        (b"a: 1\nb: \xe9t\xe9\n", 2, 4, "encoding"),
        ("a: 1\n".encode("utf-16"), 1, 1, "encoding"),
        (b"a: 'x" + b"y" * 5_000_000 + b"'", 1, 1, "size"),
    ],
)
def test_a_file_that_is_not_small_utf_8_is_refused(tmp_path, content, line, column, code):
    path = tmp_path / "w.yaml"
    path.write_bytes(content)

    with pytest.raises(WorkflowError) as caught:
        read_text_of(path)

    [found] = caught.value.problems
    assert (found.file, found.line, found.column, found.code) == (str(path), line, column, code)


def test_a_file_that_cannot_be_read_is_a_problem_of_its_own(tmp_path):
    with pytest.raises(WorkflowError, match="cannot be read: Is a directory"):
        read_text_of(tmp_path)
    with pytest.raises(WorkflowError, match="No such file"):
        read_text_of(tmp_path / "absent.yaml")


@pytest.mark.parametrize("text", ["é: \x07", "a: \ud800", "a: b\x00"])
def test_characters_that_yaml_forbids_are_located(text):
    found = problem(text)

    assert found.code == "encoding"
    assert text[found.column - 1] in found.message.encode().decode("unicode-escape") or "U+" in found.message


@pytest.mark.parametrize("text", ["[" * 100_000, "- " * 5_000 + "x", "{a: " * 5_000, "? " * 5_000, "a: &a [*a]"])
def test_endless_nesting_ends_in_a_problem(text):
    found = problem(text)

    assert found.code in {"depth", "alias"}
    assert found.column <= 10 * MAX_DEPTH


def test_an_alias_bomb_is_refused_at_once():
    text = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 60))
    started = time.monotonic()

    assert problem(text).code == "alias"
    assert time.monotonic() - started < 2


def test_all_duplicate_keys_are_found():
    codes = [found.code for found in parse("a: 1\na: 2\nb: {c: 1, c: 2}\n", "w.yaml").problems]

    assert codes == ["duplicate-key", "duplicate-key"]


def test_a_file_of_twelve_phases_is_read_in_less_than_a_millisecond():
    best = min(_seconds(TWELVE_PHASES) for _ in range(50))

    assert best < 0.001


def _seconds(text):
    started = time.perf_counter()
    parse(text, "w.yaml")
    return time.perf_counter() - started


def test_what_is_dumped_reads_back_even_where_yaml_1_1_and_1_2_differ():
    values = {
        "a": "on",
        "b": "1e5",
        "c": "0o17",
        "d": "012",
        "e": "2024-01-01",
        "f": "",
        "g": "a\nb\n",
        "h": "null",
        "i": 1e16,
    }

    assert data(dump(values)) == values
