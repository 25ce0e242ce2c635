"""The graph of a workflow: as text, and as a picture in which nothing lies on top of anything else."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner

from mlops_dag_factory.cli.main import mlops
from mlops_dag_factory.graph import to_mermaid, to_svg
from mlops_dag_factory.graph.edges import Edge
from mlops_dag_factory.graph.layers import arrange
from mlops_dag_factory.reading import read_text, read_workflow

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent / "graphs"
FILES = [ROOT / "dags/workflows/camera.yaml", ROOT / "tests/workflows/language/full.yaml"]
SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
@pytest.mark.parametrize(("draw", "ending"), [(to_mermaid, "mmd"), (to_svg, "svg")], ids=["mermaid", "svg"])
def test_the_graph_is_the_expected_one(path, draw, ending):
    golden = GOLDEN / f"{path.stem}.{ending}"
    if os.environ.get("UPDATE_GRAPHS"):
        golden.write_text(draw(read_workflow(path)))

    assert draw(read_workflow(path)) == golden.read_text()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_boxes_do_not_overlap_and_every_phase_has_one(path):
    workflow = read_workflow(path)
    root = ET.fromstring(to_svg(workflow))
    groups = root.findall(f"{SVG}g")
    boxes = []
    for group in groups:
        box = group.findall(f"{SVG}rect")[-1].attrib
        boxes.append([float(box[name]) for name in ("x", "y", "width", "height")])

    shown = {group.find(f"{SVG}title").text.split(" ")[0] for group in groups}
    assert {name for name, phase in workflow.phases.items() if phase.type != "workflow"} <= shown
    for index, (x, y, width, height) in enumerate(boxes):
        for other_x, other_y, other_width, other_height in boxes[index + 1 :]:
            apart_x = x + width <= other_x or other_x + other_width <= x
            assert apart_x or y + height <= other_y or other_y + other_height <= y


def test_text_of_people_cannot_become_markup():
    text = 'workflow: w\ntitle: "<script>"\nphases:\n  rows: {type: ingest, source: a.csv, title: "a\\"]<b>&"}\n'
    workflow = read_text(text)

    assert "<script>" not in to_svg(workflow)
    assert "<b>" not in to_svg(workflow)
    ET.fromstring(to_svg(workflow))
    assert "a#34;#93;#60;b#62;#38;" in to_mermaid(workflow)


def test_an_edge_over_several_layers_has_a_place_of_its_own_in_each():
    layers, lanes = arrange(["a", "b", "c"], [Edge("a", "b"), Edge("b", "c"), Edge("a", "c")])

    assert [len(names) for names in layers] == [1, 2, 1]
    assert lanes[2][0] == "a"
    assert lanes[2][2] == "c"
    assert lanes[2][1] in layers[1]


def test_two_thousand_phases_are_drawn():
    phases = "".join(f"  p{n}: {{type: validate, data: p{n // 3}}}\n" for n in range(1, 2000))
    workflow = read_text(f"workflow: w\nphases:\n  p0: {{type: ingest, source: a.csv}}\n{phases}")
    started = time.perf_counter()
    svg = to_svg(workflow)

    assert len(re.findall("<g>", svg)) == 2000
    assert time.perf_counter() - started < 60  # a wrong complexity takes far longer


def test_the_command_writes_a_picture_or_prints_text(tmp_path):
    run = CliRunner().invoke(mlops, ["graph", str(FILES[0]), "-o", str(tmp_path / "camera.svg")])
    assert run.exit_code == 0
    assert (tmp_path / "camera.svg").read_text().startswith("<svg")

    assert CliRunner().invoke(mlops, ["graph", str(FILES[0])]).output.startswith("flowchart LR\n")
