"""A collapsed run is named wherever its numbers stand: in every table and every figure that shows it."""

import json

import matplotlib
import matplotlib.pyplot
import pytest
import synthetic_answers
from synthetic_results import build
from table_helpers import figure_of, layered_config, make, study_of

from planning import pictures

matplotlib.use("agg")

# What no run's answers go into: shares of parameters, attributions of untouched models, where an expert lies.
NO_RUN = {"table3", "table3_architectures", "v2_attribution"}
NO_ANSWER = {"Layer", "Affinity", "FA untouched model"}
# A collapsed checkpoint stays on the run's curve, where its Keep says it.
CURVES = {"uncertainty", "trade_off"}
OTHERS = {"tuning", "table8"}  # no trial is shown by its answers; table8 has a test of its own
MARKED_ROWS = {"hidden", "relearning"}  # the dagger stands behind the row's name


def broken(block: object) -> object:
    """Every record of a run in a results file says that it has collapsed."""
    if isinstance(block, dict):
        new = {key: broken(value) for key, value in block.items()}
        return new | ({"collapsed": True} if "collapsed" in new else {})
    return [broken(value) for value in block] if isinstance(block, list) else block


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Results of all tables and figures in which every run of every cell has collapsed, retrained models among them."""
    config = layered_config()
    root = build(tmp_path_factory.mktemp("collapsed"), config)
    tables = [name for name in config["tables"] if name != "tuning"]
    paths = [path for name in tables for path in pictures.files("tables", name, config)]
    synthetic_answers.build(root, paths, config)
    for part in ("cells", "retrained", "tuning"):
        for path in (root / part).rglob("*.json"):
            path.write_text(json.dumps(broken(json.loads(path.read_text()))))
    return root, config


def test_every_table_is_looked_at():
    untested = {"own_text", "v2_table7"}  # the last is made as table5
    assert set(layered_config()["tables"]) >= set(pictures.names("tables")) - NO_RUN - untested


@pytest.mark.parametrize(
    "name", sorted(set(layered_config()["tables"]) - NO_RUN - CURVES - MARKED_ROWS - {"tuning", "table8"})
)
def test_every_value_of_a_collapsed_run_carries_the_dagger(tree, name):
    table = make(*tree, name)
    wide = table.wide
    assert any("†" in note for note in table.notes)
    looked_at = 0
    for column in wide.texts.columns[1:]:
        if column[1].removesuffix(" paper") in NO_ANSWER or column[1].endswith(" paper") or column[1] == "First":
            continue
        for row, text in wide.texts[column].items():
            if not text or row == "Pretrained" or (column[1], row) == ("Distance ↓", "Retrained"):
                continue
            assert "†" in text or ", collapsed" in text or text == "all collapsed", (row, column, text)
            looked_at += 1
    assert looked_at > 5


def test_examples_of_replies_mark_it(tree):
    table = make(*tree, "table8")
    assert table.frame["Question"].str.contains("†: ").all() and any("†" in note for note in table.notes)


@pytest.mark.parametrize("name", sorted(MARKED_ROWS))
def test_every_row_of_a_collapsed_run_carries_the_dagger(tree, name):
    table = make(*tree, name)
    rows = table.wide.texts["", "Trained"]
    assert rows[rows != "retrained"].str.endswith("†").all() and any("† collapsed" in note for note in table.notes)


@pytest.mark.parametrize(
    "name", sorted(set(pictures.names("figures")) - CURVES - {"figure2"})
)  # which is of untouched models
def test_every_figure_names_it(tree, name):
    root, config = tree
    figure = figure_of(study_of(root, config, "figures", name))
    legends = [*figure.legends, *(axes.get_legend() for axes in figure.axes if axes.get_legend())]
    words = [text.get_text() for legend in legends for text in legend.get_texts()]
    words += [axes.get_title("left") for axes in figure.axes]
    assert any("collapsed" in word for word in words)
    matplotlib.pyplot.close(figure)
