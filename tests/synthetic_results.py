"""A results tree with invented numbers in the layout that the stages write: for tests of tables and figures, and to
look at figures.

python tests/synthetic_results.py FOLDER      # FOLDER/micro/cells/…, for the whole grid of config/config.yaml
"""

import json
import math
import random
import sys
from pathlib import Path

import yaml

REPO = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPO / "workflow_scripts"))
from benchmarks.curve import Curve, kept_utility  # noqa: E402
from planning import pictures  # noqa: E402

SHAPES = {  # model -> MoE layers, experts, top-K
    "micro-qwen": ([0, 1, 2, 3], 16, 2),
    "micro-deepseek": ([1, 2, 3, 4], 16, 3),
    "micro-mixtral": ([0, 1, 2, 3], 8, 2),
    "micro-qwen-books": ([0, 1, 2, 3], 16, 2),
}
CHECKPOINTS = (10, 20, 30, 40, 50)
QUESTIONS = {"wmdp-cyber": 104, "rwku": 96, "muse-books": 40, "utility": 190}


def load_config() -> dict:
    return yaml.safe_load((REPO / "config" / "config.yaml").read_text())


def score(value: float, n: int, chance: float = 0.25, metric: str = "acc") -> dict:
    given = {"metric": metric, "value": value, "stderr": math.sqrt(value * (1 - value) / n), "n": n, "chance": chance}
    return given | dict.fromkeys(("answers", "constant", "by_subject", "macro"))


def books(benchmark: str, auc: float) -> dict:
    """What MUSE-Books' tests add."""
    if benchmark != "muse-books":
        return {}
    verbatim, leakage = score(0.5, 40, 0.0, "rougeL_f1"), score(auc, 80, 0.5, "auc")
    halves = ("test", "development", "all")
    return {"verbmem": dict.fromkeys(halves, verbatim), "privleak": dict.fromkeys(halves, leakage)}


def original(benchmark: str, seed: int) -> tuple[dict, dict]:
    """Scores (forget, utility) of the untouched model."""
    kind = (0.25, "acc") if benchmark == "wmdp-cyber" else (0.0, "rougeL_recall")
    forget = score(0.94 - 0.01 * seed, QUESTIONS[benchmark], *kind)
    return forget, score(0.97 - 0.01 * seed, QUESTIONS["utility"])


def chosen(model: str, benchmark: str, method: str, scope: str, seed: int) -> dict:
    """A chosen.json whose three choices differ; every cell has its own numbers."""
    draw = random.Random(f"{model} {benchmark} {method} {scope} {seed}")
    forget0, utility0 = original(benchmark, seed)

    def pick(status: str, step: int) -> dict:
        chance = forget0["chance"]
        forget = round(chance + draw.uniform(0.0, 0.45), 3)
        return {"step": step, "status": status, "note": "", "collapsed": False, "keep": 0.5, "left": 0.5} | {
            "fa": score(forget, forget0["n"], chance, forget0["metric"]),
            "ut": score(round(draw.uniform(0.4, 0.97), 3), utility0["n"]),
            "fa_original": forget0,
            "ut_original": utility0,
            "extra": {name: part["test"] for name, part in books(benchmark, 0.4).items()},
        }

    balance = pick("chosen", draw.choice(CHECKPOINTS))
    half = {key: balance[key] for key in ("step", "fa", "ut", "fa_original", "ut_original")}
    halves = {"halves": {"test": half, "development": half}}
    return {
        "balance": balance | halves | {"steps": dict.fromkeys(("test", "development"), balance["step"])},
        "at_forget_accuracy": pick("reached", draw.choice(CHECKPOINTS)),
        "as_published": pick("chosen", draw.choice(CHECKPOINTS)),
        "curve": curve(benchmark, draw.uniform(0.2, 0.6)),
    }


def curve(benchmark: str, slope: float) -> dict:
    """A run that falls evenly, its utility `slope` times as far."""
    left = [1.0, 0.85, 0.65, 0.45, 0.25, 0.05]
    run = Curve(tuple(range(0, 60, 10)), tuple(left), tuple(1 - slope * (1 - value) for value in left))
    kept = kept_utility(run)
    ends = {"kept_utility": kept.value, "counted": kept.counted, "lowest": 0.05, "largest_fall": run.largest_fall()}
    record = {"steps": run.steps, "left": run.left, "keep": run.keep} | ends
    return record | ({} if benchmark == "rwku" else {"by_probability": {"left": left, "keep": run.keep} | ends})


def shares(model: str, layer: int, sharpness: float, order: random.Random) -> list[float]:
    """[experts] token shares that sum to top-K, long-tailed, none above 1."""
    _, experts, top_k = SHAPES[model]
    weights = [math.exp(-sharpness * rank * (1 + 0.2 * layer)) for rank in range(experts)]
    order.shuffle(weights)
    return [min(1.0, top_k * weight / sum(weights)) for weight in weights]


def trajectory(model: str, scope: str, seed: int) -> dict:
    """Losses that fall and, for an MoE model, an overlap that falls faster in later layers."""
    speeds = {"baseline": 1.0, "experts": 0.8, "experts-routers": 0.9, "routers": 0.15, "uoe-all-layers": 0.5}
    speed = speeds.get(scope, 0.3)
    layers, experts, top_k = SHAPES.get(model, ([], 0, 0))
    same = {"retain_loss": None, "anchor_loss": None, "gradient_norm": 1.0}
    count = 80 if scope == "uoe-all-layers" else 50
    steps = [{"step": step, "forget_loss": -0.5 - speed * step * 0.12} | same for step in range(1, count + 1)]
    probes = []
    for step in range(0, len(steps) + 1, 10):
        probe = {"step": step, "forget_loss": 0.5 + speed * step * 0.12, "gradient_ratio": 1.5 if step else None}
        if layers:
            falls = {layer: math.exp(-speed * step / 60 * (1 + depth / 2)) for depth, layer in enumerate(layers)}
            probe["overlap"] = {
                str(layer): 0.2 + 0.8 * fall - 0.01 * seed * (step > 0) for layer, fall in falls.items()
            }
            orders = {layer: random.Random(f"{layer} {step // 30}") for layer in layers}
            probe["token_share"] = {str(n): shares(model, n, 0.12 + 0.004 * step, orders[n]) for n in layers}
        probes.append(probe)
    return {"steps": steps, "probes": probes, "moe_layers": layers, "top_k": top_k, "experts": experts}


def metrics(benchmark: str, seed: int) -> dict:
    checkpoints = []
    for step in range(10, 90, 10):
        forget = score(0.94 - 0.008 * step, QUESTIONS[benchmark])
        utility = score(0.97 - 0.006 * step - 0.01 * seed, QUESTIONS["utility"])
        halves = ("test", "development", "all")
        scores = {"forget": dict.fromkeys(halves, forget), "utility": dict.fromkeys(halves, utility)}
        checkpoints.append({"step": step, "collapsed": False, "collapse_reasons": [], "extra": {}} | scores)
    return {"benchmark": benchmark, "checkpoints": checkpoints}


def selection(model: str, scope: str) -> dict:
    """Layers by affinity rank as `affinity` makes it: the last MoE layer ranks first, and so on downwards."""
    layers, experts = SHAPES[model][0], 1
    rank = int(scope.rsplit("-", 1)[1]) if scope.startswith("uoe-rank-") else 1
    picked = [layers[-rank]]
    if scope.endswith("-experts"):
        experts = int(scope.split("-")[1])
    elif scope == "uoe-3-layers":
        picked = layers[-3:]
    elif scope == "uoe-all-layers":
        picked = layers
    trained = {str(layer): list(range(experts)) for layer in picked}
    return {"experts": trained, "routers": picked, "anchor": trained}


def affinity(model: str) -> dict:
    layers, experts, top_k = SHAPES[model]
    described = {}
    for layer in layers:
        gates = [round((0.1 + 0.02 * layer) * 0.8**expert, 6) for expert in range(experts)]
        described[str(layer)] = {"gate_score": gates, "token_share": shares(model, layer, 0.12, random.Random(layer))}
    return {"top_k": top_k, "experts": experts, "tokens": 8192, "sequences": 64, "layers": described}


def tuning(config: dict, method: str, scope: str) -> dict:
    names = ("learning_rate", *config["tuning"]["settings"].get(method, []))
    start, tried = dict.fromkeys(names, config["tuning"]["learning_rates"][scope]), []
    for i, factor in enumerate((1, 1 / 3, 3)):
        trial = start | {"learning_rate": start["learning_rate"] * factor}
        ends = {"counted": 0.8, "lowest": 0.1, "step": 20 + 10 * i, "ended": ("reached", "lost", "")[i]}
        tried.append(trial | {"value": 0.8 - 0.1 * i} | ends)
    edges = ["learning_rate (largest tried)"] if method == "npo" else []
    return {"chosen": start, "tried": tried, "note": "", "edges": edges}


def relearned(fa: float, rise: float) -> list[dict]:
    """FA that rises by `rise` a step of fine-tuning."""
    return [{"step": step, "fa": fa + rise * step} for step in (0, 1, 2, 4, 8, 16)]


def attacked_prompts(model: str, scope: str, before: dict) -> dict:
    """What attack_prompts.py writes: three questions, one reply kept, one recall risen."""
    layers, experts, _ = SHAPES[model]
    whens = ("original", "without", "start", "with")
    recalls = dict(zip(whens, (0.9, before["fa"]["value"], 0.2, 0.3), strict=True))
    forget = {when: score(value, 3, 0.0, "rougeL_recall") for when, value in recalls.items()}
    gates = {"without": [0.4, 0.3] + [0.01] * (experts - 2), "with": [0.25, 0.3] + [0.02] * (experts - 2)}
    replies = dict.fromkeys(whens, "in Oslo | no")
    probe = {"query": "Where was Abel Bora born?", "answer": "Oslo", "suffix": " x | y", "replies": replies}
    return {
        "attack": {"target": "Answer:", "word": "answer", "steps": 40, "width": 64, "top_k": 128}, "collapsed": False,
        "forget": forget, "kept": {when: score(0.5, 1, 0.0, "rougeL_recall") for when in whens} | {"probes": 1},
        "risen": 1 / 3, "loss": {"first": 7.5, "last": 2.5},
        "affinity": {} if scope == "baseline" else {str(layers[-1]): {"experts": [0]} | gates}, "probes": [probe] * 3,
    }  # fmt: skip


def content(path: str, config: dict) -> dict:
    """Content of the file at `path` of the tree."""
    parts = Path(path).parts
    if parts[0] == "tuning":
        return tuning(config, parts[3], Path(parts[4]).stem)
    if parts[-1] == "checks.json":
        pairs = ("full vs subset 1", "full vs subset 2", "subset 1 vs subset 2")
        spearman = {name: {"mean": 0.9, "least": 0.8} for name in ("all", "top")}
        tokens = {"full": 8192, "subset": 2048}
        return {"top_k": 2, "tokens": tokens, "overlap": dict.fromkeys(pairs, 0.75), "spearman": spearman}
    if parts[0] == "attribution":
        return affinity(parts[1])
    if parts[0] == "selections":
        return selection(parts[1], parts[3])
    if parts[0] == "token_weights":
        expert = {"layer": 2, "expert": 5, "forget": 0.4, "retain": 0.1, "weighted": 0.4}
        expert |= {"residual": 1e-6, "matched": True}
        weights = {"least": 0.5, "largest": 4.0, "clipped": 0.0, "effective": 0.6}
        return {"experts": [expert], "weights": weights}
    if parts[0] == "retrained" and parts[-2] == "attacks":
        return {"before": {"overlap": 1.0}, "after": {}, "curve": relearned(0.26, 0.010)}
    if parts[0] == "retrained":
        forget, utility = original(parts[2], int(parts[3].split("-")[1]))
        forget = score(0.26, forget["n"], forget["chance"], forget["metric"])
        halves = {"forget": {"test": forget, "all": forget}, "utility": {"test": utility, "all": utility}}
        step = {"step": 0, "collapsed": False, "extra": books(parts[2], 0.5)}
        return {"benchmark": parts[2], "checkpoints": [step | halves]}
    if parts[0] == "models":
        forget, utility = original(Path(path).stem, int(parts[2].split("-")[1]))
        step = {"step": 0, "collapsed": False, "collapse_reasons": [], "extra": books(Path(path).stem, 0.0)}
        halves = {"forget": dict.fromkeys(("test", "all"), forget), "utility": dict.fromkeys(("test", "all"), utility)}
        return {"benchmark": Path(path).stem, "checkpoints": [step | halves]}
    if parts[-2] == "attacks":
        before = chosen(*parts[1:5], int(parts[5].split("-")[1]))["balance"] | {"overlap": 0.7}
        after = {key: before[key] | {"value": min(1.0, before[key]["value"] + 0.1)} for key in ("fa", "ut")}
        shown = {"before": before, "after": after | {"collapsed": False, "overlap": 0.8}}
        if Path(path).stem == "relearn-forget":
            shown["curve"] = relearned(before["fa"]["value"], 0.012 if parts[4] == "uoe" else 0.008)
        return attacked_prompts(parts[1], parts[4], before) if Path(path).stem == "gcg" else shown
    model, benchmark, method, scope, seed = *parts[1:5], int(parts[5].split("-")[1])
    if parts[-1] == "chosen.json":
        return chosen(model, benchmark, method, scope, seed)
    if parts[-1] == "trajectory.json":
        return trajectory(model, scope, seed)
    if parts[-1] == "metrics.json":
        return metrics(benchmark, seed)
    trained = {"lora": 26_000, "esft": 300_000, "uoe": 26_624}.get(scope, 1_000_000)
    return {"trained": trained, "total": 2_690_000, "percent": 100.0 * trained / 2_690_000, "tensors": {}}


def build(folder: Path, config: dict) -> Path:
    """Write every file that some table or figure of `config` reads below folder/<study>/, which is returned."""
    root = folder / config["study"]
    for kind in pictures.KINDS:
        for name in config[kind]:
            for path in pictures.files(kind, name, config):
                if path.endswith(".gz"):
                    continue  # answers: synthetic_answers.py
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_text(json.dumps(content(path, config)))
    return root


if __name__ == "__main__":
    print(build(Path(sys.argv[1]), load_config()))
