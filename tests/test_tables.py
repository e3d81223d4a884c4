"""Tables on invented results: the right values in the right cells, marks, published values."""

import json
import math

import pandas
import pytest
from synthetic_results import build, load_config
from table_helpers import DEEPSEEK, PAPER_TABLES, PUBLISHED, QWEN, edit, layered, layered_config, make, value

from evidence import published
from planning import pictures
from rendering import notes
from rendering.table import Table, shown
from rendering.writers import to_latex, to_markdown


@pytest.fixture
def tree(tmp_path):
    config = load_config()
    return build(tmp_path, config), config


def test_values_stand_in_the_right_cells(tree):
    root, config = tree
    for name in ("table1", "table2", "table4"):
        table = make(root, config, name)
        for model, benchmark, method, scope in pictures.cells(config["tables"][name], config["models"]):
            path = root / "cells" / model / benchmark / method / scope / "seed-0" / "chosen.json"
            chosen = json.loads(path.read_text())["balance"]
            for quantity, key in (("FA", "fa"), ("UT", "ut")):
                rows = table.frame[(table.frame["method"] == method) & (table.frame["scope"] == scope)]
                cell = value(Table("", rows, table.wide, []), rows["row"].iloc[0], model, benchmark, quantity)
                assert cell["value"] == chosen[key]["value"] and cell["standard_error"] == chosen[key]["stderr"]
                assert cell["n"] == str(chosen[key]["n"])
                before = value(table, "Pretrained", model, benchmark, quantity)
                assert before["value"] == chosen[f"{key}_original"]["value"]


def test_markdown_shows_ours_and_the_papers_value(tree):
    root, config = tree
    edit(root, f"{QWEN}/npo/uoe", fa=0.3, ut=0.9)
    edit(root, f"{QWEN}/npo/baseline", fa=0.4, ut=0.95)
    table = make(root, config, "table2")
    text = to_markdown(table.wide, table.title, table.notes)
    line = next(line for line in text.splitlines() if line.startswith("| NPO+UOE "))
    cells = [cell.strip() for cell in line.split("|")]
    assert cells[2] == f"**0.300 ± {table_error(table, 'NPO+UOE', 'FA')}** [0.3200]"
    assert cells[3] == f"0.900 ± {table_error(table, 'NPO+UOE', 'UT')} [0.5468]"


def table_error(table: Table, row: str, quantity: str) -> str:
    return f"{value(table, row, 'micro-qwen', 'wmdp-cyber', quantity)['standard_error']:.3f}"


def test_published_values_are_those_of_the_csv_files(tree):
    root, config = tree
    for name in ("table1", "table2", "table4", "table6"):
        table = make(root, config, name)
        printed = pandas.read_csv(PUBLISHED / f"{name}.csv", dtype=str)
        beside = table.frame[table.frame["published"] != ""]
        assert len(beside) == 2 * len(printed)  # every printed FA and UT has a place
        for row in printed.itertuples():
            match = beside[(beside["stands_for"] == row.model) & (beside["benchmark"] == row.benchmark)]
            match = match[(match["method"] == row.method) & (match["scope"] == row.scope)].set_index("quantity")
            assert tuple(match["published"][["FA", "UT"]]) == (row.forget_accuracy, row.utility)
    table = make(root, config, "table1")
    assert value(table, "Experts & routers only (ours)", "micro-qwen", "wmdp-cyber", "FA")["published"] == ""
    baseline = value(table, "All parameters (paper: Experts & Router)", "micro-qwen", "wmdp-cyber", "FA")
    cell = {"model": "qwen1.5-moe-a2.7b-chat", "benchmark": "wmdp-cyber", "method": "ga", "scope": "baseline"}
    assert baseline["published"] == published.value(PUBLISHED, "table2", "forget_accuracy", **cell)


def test_red_cells_of_the_paper_follow_from_its_rule(tree):
    """The utilities that Table 2 prints in red are those more than 10 points under the pretrained one."""
    root, config = tree
    frame = make(root, config, "table2").frame
    red = "0.2420 0.2965 0.3145 0.3393 0.3495 0.3560 0.3718 0.3929 0.4540 0.4612 0.4849"
    assert sorted(frame[frame["published_heavy_loss"]]["published"]) == red.split()


@pytest.mark.parametrize(("utility", "heavy"), [(0.8699, True), (0.87, False), (0.9, False)])
def test_a_loss_of_more_than_ten_points_is_red(tree, utility, heavy):
    root, config = tree
    edit(root, f"{QWEN}/ga/uoe", ut=utility)  # pretrained: 0.97
    table = make(root, config, "table2")
    assert value(table, "GA+UOE", "micro-qwen", "wmdp-cyber", "UT")["heavy_loss"] == heavy
    wide = table.wide
    column = ("Qwen (WMDP)", "UT ↑")
    latex = to_latex(wide, "t", "t", [])
    assert ("▼" in wide.texts.loc["GA+UOE", column]) == heavy
    line = next(line for line in latex.splitlines() if line.startswith("GA+UOE"))
    assert ("textcolor{red}" in line.split(" & ")[3]) == heavy


def test_best_is_lowest_fa_not_under_chance_and_highest_ut(tree):
    root, config = tree
    edit(root, f"{QWEN}/ga/baseline", fa=0.2, ut=0.5)
    edit(root, f"{QWEN}/ga/uoe", fa=0.25, ut=0.6)  # both at or under chance: equally good
    edit(root, f"{DEEPSEEK}/ga/baseline", fa=0.20, ut=0.5)
    edit(root, f"{DEEPSEEK}/ga/uoe", fa=0.21, ut=0.5)  # no chance level here; equal utilities
    table = make(root, config, "table2")

    def best(row, pair, quantity):
        return bool(value(table, row, *pair.split("/"), quantity)["best"])

    assert [best(row, QWEN, "FA") for row in ("GA", "GA+UOE")] == [True, True]
    assert [best(row, QWEN, "UT") for row in ("GA", "GA+UOE")] == [False, True]
    assert [best(row, DEEPSEEK, "FA") for row in ("GA", "GA+UOE")] == [True, False]
    assert [best(row, DEEPSEEK, "UT") for row in ("GA", "GA+UOE")] == [True, True]
    assert not table.frame[table.frame["row"] == "Pretrained"]["best"].any()


def test_collapsed_and_unmeasurable_cells_are_marked_and_never_bold(tree):
    root, config = tree
    collapsed = {"collapsed": True, "status": "all collapsed", "note": "Every checkpoint collapsed."}
    edit(root, f"{QWEN}/ga/baseline", fa=0.25, ut=0.96, **collapsed)
    edit(root, f"{QWEN}/ga/uoe", fa=0.6, ut=0.5)
    edit(root, f"{QWEN}/npo/uoe", fa=0.25, ut=0.96, status="nothing measurable", note="It never knew.")
    table = make(root, config, "table2")
    for row, sign in (("GA", "†"), ("NPO+UOE", "§")):
        for quantity in ("FA", "UT"):
            cell = value(table, row, "micro-qwen", "wmdp-cyber", quantity)
            assert cell["marks"] == sign and not cell["best"] and sign in shown(cell.to_dict())
    assert value(table, "GA+UOE", "micro-qwen", "wmdp-cyber", "FA")["best"]
    assert notes.DAGGER in table.notes and notes.NOTHING in table.notes
    assert "GA, Qwen (WMDP): Every checkpoint collapsed." in table.notes
    assert "NPO+UOE, Qwen (WMDP): It never knew." in table.notes
    untouched = make(root, config, "table4")
    assert notes.DAGGER not in untouched.notes and notes.NOTHING not in untouched.notes
    latex = to_latex(table.wide, "t", "t", table.notes)
    assert r"\textsuperscript{\dag}" in latex and r"\textsuperscript{\S}" in latex


def test_several_seeds_give_mean_and_error_over_seeds(tmp_path):
    config = load_config() | {"seeds": [0, 1, 2]}
    root = build(tmp_path, config)
    for seed, (forget, utility) in enumerate([(0.3, 0.9), (0.4, 0.9), (0.5, 0.6)]):
        edit(root, f"{QWEN}/ga/uoe", seed=seed, fa=forget, ut=utility, collapsed=seed == 1)
    table = make(root, config, "table2")
    forget = value(table, "GA+UOE", "micro-qwen", "wmdp-cyber", "FA")
    assert forget["value"] == pytest.approx(0.4, abs=1e-12)
    assert forget["standard_error"] == pytest.approx(0.1 / math.sqrt(3), abs=1e-12)
    utility = value(table, "GA+UOE", "micro-qwen", "wmdp-cyber", "UT")
    assert utility["value"] == pytest.approx(0.8) and utility["loss"] == pytest.approx(0.96 - 0.8)
    assert utility["standard_error"] == pytest.approx(math.sqrt((0.01 + 0.01 + 0.04) / 2 / 3))
    assert forget["by_seed"] == "0.3 0.4 0.5" and utility["by_seed"] == "0.9 0.9 0.6"
    assert forget["seeds"] == 3 and forget["marks"] == "†1/3" and not forget["best"]
    assert any("one standard error over 3 seeds" in note for note in table.notes)


def test_random_row_is_the_mean_over_draws_with_their_spread(tree):
    root, config = tree
    for scope, forget, utility in (("random", 0.2, 0.9), ("random-draw-2", 0.4, 0.8), ("random-draw-3", 0.6, 0.7)):
        edit(root, f"{QWEN}/rmu/{scope}", fa=forget, ut=utility)
    table = make(root, config, "table6")
    cell = value(table, "Random+RMU", "micro-qwen", "wmdp-cyber", "FA")
    assert cell["value"] == pytest.approx(0.4) and cell["standard_error"] == pytest.approx(0.2) and cell["marks"] == "‡"
    assert cell["published"] == "0.3505"
    assert list(table.wide.texts.index) == [*("Pretrained", "Retrained", "RMU", "Random+RMU", "RMU+UOE")]
    assert any("Qwen (WMDP) FA 0.200, 0.400, 0.600 and UT 0.900, 0.800, 0.700" in note for note in table.notes)


def test_threshold_tables_show_status_and_compare_only_what_reached_it(tree):
    root, config = tree
    cells = "micro-deepseek/wmdp-cyber/ga"
    edit(root, f"{cells}/uoe", "at_forget_accuracy", ut=0.7)
    edit(root, f"{cells}/uoe-3-experts", "at_forget_accuracy", ut=0.9, status="not reached", note="Lowest FA 0.5.")
    edit(root, f"{cells}/uoe-6-experts", "at_forget_accuracy", ut=0.8, status="overshot", note="FA 0.12.")
    edit(root, f"{cells}/uoe-3-layers", "at_forget_accuracy", ut=0.6)
    table = make(root, config, "table5")
    rows = ["1 expert, one layer", "3 experts, one layer", "6 experts, one layer", "3 experts, 3 layers"]
    assert list(table.wide.texts.index)[2:] == rows
    at = {row: value(table, row, "micro-deepseek", "wmdp-cyber", "UT") for row in table.frame["row"].unique()}
    assert [row for row, cell in at.items() if cell["best"]] == ["1 expert, one layer"]
    assert not table.frame[table.frame["quantity"] == "FA"]["best"].any()
    status = [value(table, row, "micro-deepseek", "wmdp-cyber", "FA ≈ 0.25")["text"] for row in rows]
    assert status == ["reached", "not reached", "overshot", "reached"]
    assert [at[row]["published"] for row in rows] == ["0.5100", "0.4856", "0.4652", "0.2852"]
    assert set(at) == {"Pretrained", "Retrained", *rows}
    assert at["3 experts, 3 layers"]["published_in"] == "v2_table2"
    assert any("FA <= 0.27" in note for note in table.notes)
    edit(root, f"{cells}/uoe", "at_forget_accuracy", collapsed=True, note="Collapsed (one answer).")
    table = make(root, config, "table5")
    row = "1 expert, one layer"
    assert value(table, row, "micro-deepseek", "wmdp-cyber", "FA ≈ 0.25")["text"] == "reached, collapsed"
    assert value(table, row, "micro-deepseek", "wmdp-cyber", "FA")["marks"] == "†"
    assert "GA+UOE, DeepSeek (WMDP): Collapsed (one answer)." in table.notes
    assert value(table, "3 experts, 3 layers", "micro-deepseek", "wmdp-cyber", "UT")["best"]


def test_layer_sweep_shows_rank_index_and_affinity(tree):
    root, config = tree
    table = make(root, config, "table7")
    texts = table.wide.texts
    group = "DeepSeek (RWKU)"
    assert list(texts.index) == ["Pretrained", "Retrained", "#1", "#2", "#3", "#4"]
    assert list(texts[(group, "Layer")])[2:] == ["4", "3", "2", "1"]
    assert list(texts[(group, "Affinity")])[2:] == ["0.180", "0.160", "0.140", "0.120"]
    assert list(texts[(group, "Affinity paper")])[2:] == ["0.2110", "0.1957", "0.1695", ""]
    assert list(texts[(group, "UT ↑ paper")])[2:] == ["0.5485", "0.5475", "0.5453", ""]
    assert any("#13" in note and "#26" in note and "#3 " not in note for note in table.notes)


def test_shares_and_alphas(tree):
    root, config = tree
    table = make(root, config, "table3")
    texts = table.wide.texts
    assert list(texts.index) == ["LoRA", "ESFT", "UOE"]
    assert texts.loc["UOE", ("Qwen", "Trained %")] == "0.99"  # 26,624 of 2,690,000
    assert list(texts[("Mixtral", "Trained % paper")]) == ["0.26", "14", "0.41"]
    table = make(root, config, "table10")
    texts = table.wide.texts
    assert list(texts.index) == ["Pretrained", "Retrained", "α = 0", "α = 1", "α = 100", "α = 1000"]
    assert list(texts[("DeepSeek (RWKU)", "UT ↑ paper")])[2:] == ["0.5435", "0.5485", "0.5471", "0.5468"]


def test_a_model_that_stands_for_nothing_has_no_published_columns(tree):
    root, config = tree
    for model in config["models"].values():
        model["stands_for"] = None
    for name in PAPER_TABLES:
        table = make(root, config, name)
        assert not [column for column in table.wide.texts.columns if column[1].endswith("paper")]


def test_the_retrained_model_and_the_distance_to_it(tree):
    root, config = tree
    edit(root, f"{QWEN}/ga/uoe", fa=0.29, ut=0.93)
    table = make(root, config, "table2")
    assert (value(table, "Retrained", "micro-qwen", "wmdp-cyber", "FA")["value"]) == 0.26
    assert (value(table, "Retrained", "micro-qwen", "wmdp-cyber", "UT")["value"]) == 0.97
    cell = value(table, "GA+UOE", "micro-qwen", "wmdp-cyber", "Distance")
    assert cell["value"] == pytest.approx(0.05)  # a right triangle of .03 and .04
    assert value(table, "Pretrained", "micro-qwen", "wmdp-cyber", "Distance")["value"] == pytest.approx(0.94 - 0.26)
    lines = to_markdown(table.wide, table.title, table.notes).splitlines()
    assert [line.split("|")[1].strip() for line in lines if line.startswith("| ")][1:3] == ["Pretrained", "Retrained"]
    assert any("exact unlearning" in note for note in table.notes)


def test_distances_are_averaged_over_seeds_not_taken_between_averages(tree):
    _, config = tree
    config["seeds"] = [0, 1]
    root = build(tree[0].parent, config)
    for seed, (fa, ut) in enumerate([(0.30, 0.97), (0.22, 0.96)]):  # .04 above and .04 below: their mean is at 0
        edit(root, f"{QWEN}/ga/uoe", seed=seed, fa=fa, ut=ut)
    table = make(root, config, "table2")
    cell = value(table, "GA+UOE", "micro-qwen", "wmdp-cyber", "Distance")
    assert (cell["value"], cell["standard_error"]) == (pytest.approx(0.04), pytest.approx(0.0))


def test_a_benchmark_without_retrained_models_has_neither_row_nor_column(tree):
    root, config = tree
    for block in config["benchmarks"].values():
        del block["forget_documents"]
    table = make(root, config, "table2")
    assert "Retrained" not in set(table.frame["row"]) and "Distance" not in set(table.frame["quantity"])
    assert not any("exact unlearning" in note for note in table.notes)


def test_extras_laid_over_change_no_other_picture():
    """`make tables` and `make extras` share a study: neither may render anew what the other has rendered."""
    alone, beside = layered("config.yaml"), layered_config()
    for kind in ("tables", "figures"):
        for name in alone[kind]:
            if name != "tuning":  # lists what was tried for all cells, extras' too
                assert pictures.settings(kind, name, alone) == pictures.settings(kind, name, beside), name
