"""Figures on invented results: the drawn numbers, nothing overlapping, the same bytes twice, errors."""

import hashlib
import itertools
import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
from synthetic_results import REPO, build, trajectory
from table_helpers import figure_of, layered_config, study_of

import plot_figure
from planning import pictures

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("agg")
from matplotlib import pyplot, style  # noqa: E402

FIGURES = pictures.names("figures")
STYLE = REPO / "workflow_scripts" / "figures" / "figures.mplstyle"


@pytest.fixture
def tree(tmp_path):
    config = layered_config()
    return build(tmp_path, config), config


@pytest.fixture
def draw(tree):
    """Draw a figure by name; every figure is closed at the end."""
    root, config = tree

    def drawn(name: str, **changes) -> matplotlib.figure.Figure:
        study = study_of(root, config, "figures", name)
        study.block |= changes
        with style.context(STYLE):
            figure = figure_of(study)
            figure.canvas.draw()
        return figure

    yield drawn
    pyplot.close("all")


def curves(axes) -> dict[str, tuple[list, list]]:
    """Label -> (x, y) of the curves in one panel that have a label."""
    lines = [line for line in axes.get_lines() if not line.get_label().startswith("_")]
    return {line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in lines}


def test_forgetting_against_utility(tree, draw):
    root, config = tree
    path = root / "cells/micro-llama/wmdp-cyber/npo/baseline/seed-0/chosen.json"
    content = json.loads(path.read_text())
    content["balance"]["fa"]["value"], content["balance"]["ut"]["value"] = 0.34, 0.87  # before: 0.94, 0.97
    content["balance"]["collapsed"] = True
    path.write_text(json.dumps(content))
    figure = draw("figure1a")
    points = [line for line in figure.axes[0].get_lines() if len(line.get_xdata()) == 1 and line.get_marker() in "os^D"]
    assert len(points) == 16
    at = [line for line in points if line.get_xdata()[0] == pytest.approx(10.0)]
    assert len(at) == 1 and at[0].get_ydata()[0] == pytest.approx(60.0)
    assert at[0].get_marker() == "^" and at[0].get_markerfacecolor() == "white"  # NPO on a dense model
    crosses = [line for line in figure.axes[0].get_lines() if line.get_marker() == "x"]
    assert len(crosses) == 1 and crosses[0].get_xdata()[0] == pytest.approx(10.0)
    words = {text.get_text() for legend in figure.legends for text in legend.get_texts()}
    models = {"Qwen (MoE)", "DeepSeek (MoE)", "LLaMA (dense)", "Phi-3 (dense)"}
    assert words == {"GA", "GDIFF", "NPO", "RMU", "collapsed"} | models


def test_token_shares_are_sorted_and_uniform_is_marked(tree, draw):
    root, _ = tree
    affinity = json.loads((root / "attribution/micro-deepseek/wmdp-cyber/seed-0/affinity.json").read_text())
    panel = curves(draw("figure2").axes[1])
    assert list(panel) == ["layer 1", "layer 2", "layer 3", "layer 4", "uniform, 3/16"]
    assert panel["layer 3"][1] == sorted(affinity["layers"]["3"]["token_share"], reverse=True)
    assert panel["layer 3"][0] == list(range(1, 17)) and panel["uniform, 3/16"][1] == [3 / 16, 3 / 16]


def test_overlap_against_steps_is_the_mean_over_layers(draw):
    run = trajectory("micro-qwen", "baseline", 0)
    x, y = curves(draw("figure3a").axes[0])["Qwen (WMDP)"]
    assert x == [probe["step"] for probe in run["probes"]]
    assert y == pytest.approx([sum(probe["overlap"].values()) / 4 for probe in run["probes"]])
    run = trajectory("micro-deepseek", "uoe-all-layers", 0)
    drawn = curves(draw("figure5").axes[0])
    assert list(drawn)[1:] == ["one expert in every layer, no anchor", "UOE"]
    assert drawn["one expert in every layer"][0][-1] == run["probes"][-1]["step"] == 80


def test_forget_loss_is_the_negative_of_the_probes_cross_entropy(draw):
    panels = draw("figure3b").axes
    assert [panel.get_title(loc="left") for panel in panels] == ["Qwen (WMDP)", "DeepSeek (WMDP)"]
    lines = curves(panels[0])
    assert list(lines) == ["all parameters", "experts", "routers", "experts & routers"]
    run = trajectory("micro-qwen", "experts", 0)
    assert lines["experts"][1] == [-probe["forget_loss"] for probe in run["probes"]]


@pytest.mark.parametrize(("step", "shown"), [(80, 80), (85, 80), (79, 70), (30, 30)])
def test_overlap_per_layer_at_the_last_probe_until_a_step(draw, step, shown):
    figure = draw("figure4", step=step)
    probe = next(p for p in trajectory("micro-deepseek", "uoe-all-layers", 0)["probes"] if p["step"] == shown)
    line = figure.axes[0].get_lines()[0]
    assert list(line.get_xdata()) == [1, 2, 3, 4] and list(line.get_ydata()) == list(probe["overlap"].values())
    text = figure.legends[0].get_texts()[0].get_text()
    assert text == f"DeepSeek (WMDP), step {shown}\nUT 0.970 → {0.97 - 0.006 * shown:.3f}"


def test_token_shares_keep_the_original_models_order(draw):
    probes = {probe["step"]: probe for probe in trajectory("micro-deepseek", "baseline", 0)["probes"]}
    figure = draw("figure6", steps=[0, 20, 47])
    original = probes[0]["token_share"]["3"]
    order = sorted(range(16), key=lambda expert: -original[expert])
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["original model", "step 20", "step 40"]
    for axes, step in zip(figure.axes, (0, 20, 40), strict=True):
        heights = [bar.get_height() for bar in axes.patches]
        assert heights == [probes[step]["token_share"]["3"][expert] for expert in order]
    line = r"figure6: layer: 0 is no MoE layer of micro-deepseek \(allowed: \[1, 2, 3, 4\]\)"
    with pytest.raises(SystemExit, match=line):
        draw("figure6", layer=0)


def test_several_seeds_are_averaged(tmp_path):
    config = layered_config() | {"seeds": [0, 1]}
    root = build(tmp_path, config)
    for name in FIGURES:
        with style.context(STYLE):
            figure = figure_of(study_of(root, config, "figures", name))
        if name == "figure3a":
            one, two = (trajectory("micro-qwen", "baseline", seed)["probes"] for seed in (0, 1))
            means = [sum((*a["overlap"].values(), *b["overlap"].values())) / 8 for a, b in zip(one, two, strict=True)]
            assert curves(figure.axes[0])["Qwen (WMDP)"][1] == pytest.approx(means)
            assert len(figure.axes[0].collections) == 2  # a band a curve
        pyplot.close(figure)
    assert pictures.settings("figures", "figure6", config)["seeds"] == [0]


def visible_texts(figure) -> list:
    """Every text that is really drawn: titles, axis labels, legends, and the tick labels within the axes' limits."""
    texts = [text for text in (figure._supxlabel, figure._supylabel, figure._suptitle) if text is not None]
    legends = list(figure.legends)
    for axes in figure.axes:
        texts += [axes.title, axes._left_title, axes.xaxis.label, axes.yaxis.label]
        legends += [axes.get_legend()] if axes.get_legend() else []
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            slack = 1e-6 * (high - low)
            ticks = (tick for tick in axis.get_major_ticks() if low - slack <= tick.get_loc() <= high + slack)
            texts += [tick.label1 for tick in ticks if tick.label1.get_visible()]
    for legend in legends:
        texts += [legend.get_title(), *legend.get_texts()]
    return [text for text in texts if text.get_visible() and text.get_text().strip()]


@pytest.mark.parametrize("name", FIGURES)
def test_nothing_overlaps_or_leaves_the_page_at_column_width(draw, name):
    figure = draw(name)
    assert figure.get_size_inches()[0] == pytest.approx(3.3)
    boxes = [(text.get_text(), text.get_window_extent()) for text in visible_texts(figure)]
    assert len(boxes) > 10 and all(text.get_fontsize() >= 7 for text in visible_texts(figure))
    page = figure.bbox
    for text, box in boxes:
        assert box.x0 >= page.x0 - 1 and box.x1 <= page.x1 + 1, f"{text!r} leaves the page sideways"
        assert box.y0 >= page.y0 - 1 and box.y1 <= page.y1 + 1, f"{text!r} leaves the page"
    for (one, a), (two, b) in itertools.combinations(boxes, 2):
        width, height = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
        assert min(width, height) <= 1, f"{one!r} overlaps {two!r}"
    for axes in figure.axes:
        legend = axes.get_legend()
        if legend is not None:
            frame = legend.get_window_extent()
            for line in axes.get_lines():
                for x, y in axes.transData.transform(line.get_xydata()):
                    assert not (frame.x0 < x < frame.x1 and frame.y0 < y < frame.y1), f"{name}: legend on a curve"


def options(root: Path, config: dict, name: str, prefix: Path) -> list[str]:
    settings = json.dumps(pictures.settings("figures", name, config))
    return ["--results", str(root), "--settings", settings, "--output-prefix", str(prefix)]


def plot(root: Path, config: dict, name: str, prefix: Path) -> subprocess.CompletedProcess:
    script = [sys.executable, str(REPO / "workflow_scripts" / "plot_figure.py")]
    return subprocess.run([*script, *options(root, config, name, prefix)], capture_output=True, text=True, check=False)


def plot_here(monkeypatch, root: Path, config: dict, name: str, prefix: Path) -> None:
    """As `plot`, in this process."""
    monkeypatch.setattr(sys, "argv", ["plot_figure.py", *options(root, config, name, prefix)])
    plot_figure.main()


def digests(folder: Path) -> dict[str, str]:
    return {file.suffix: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(folder.glob("*.*"))}


def test_stage_writes_three_files_twice_the_same_and_follows_its_input(tree, tmp_path, monkeypatch):
    root, config = tree
    name, outputs = "figure5", {}
    for attempt in ("first", "second", "changed"):
        if attempt == "changed":
            path = root / "cells/micro-deepseek/wmdp-cyber/ga/uoe-all-layers/seed-0/trajectory.json"
            content = json.loads(path.read_text())
            content["probes"][3]["overlap"]["2"] = 0.05
            path.write_text(json.dumps(content))
        if attempt == "second":  # its own process, hence its own hash seed
            done = plot(root, config, name, tmp_path / attempt / name)
            assert done.returncode == 0, done.stderr
        else:
            plot_here(monkeypatch, root, config, name, tmp_path / attempt / name)
        outputs[attempt] = digests(tmp_path / attempt)
    assert set(outputs["first"]) == {".pdf", ".svg", ".png"} and outputs["first"] == outputs["second"]
    assert all(outputs["first"][ending] != outputs["changed"][ending] for ending in outputs["first"])
    assert b"CreationDate" not in (tmp_path / "first" / f"{name}.pdf").read_bytes()


def test_a_missing_file_is_one_line_that_names_it(tree, tmp_path, monkeypatch):
    root, config = tree
    missing = root / "cells/micro-qwen/wmdp-cyber/ga/routers/seed-0/trajectory.json"
    missing.unlink()
    with pytest.raises(SystemExit) as stop:
        plot_here(monkeypatch, root, config, "figure3b", tmp_path / "out" / "figure3b")
    assert stop.value.code == f"{missing}: no such file" and not (tmp_path / "out").exists()
    pyplot.close("all")


def test_every_file_that_a_figure_reads_is_named(tree):
    """Every figure draws from the files that the Snakefile asks for, and misses each of them."""
    root, config = tree
    for name in FIGURES:
        named = pictures.files("figures", name, config)
        only = root.parent / name
        for path in named:
            (only / path).parent.mkdir(parents=True, exist_ok=True)
            (only / path).write_text((root / path).read_text())
        pyplot.close(figure_of(study_of(only, config, "figures", name)))
        (only / named[-1]).unlink()
        with pytest.raises(SystemExit, match="no such file"):
            figure_of(study_of(only, config, "figures", name))
        pyplot.close("all")
    assert math.isclose(sum(trajectory("micro-qwen", "baseline", 0)["probes"][0]["token_share"]["0"]), 2)


def test_every_table_and_figure_has_a_caption():
    for kind in pictures.KINDS:
        for name in pictures.names(kind):
            declared = pictures.declared(kind, name)
            assert declared["CAPTION"].startswith("**") and declared["TITLE"], name
