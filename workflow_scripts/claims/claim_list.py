"""The papers' claims, in our words, each with the test on results that decides it.

v1: arXiv 2411.18797v1 (UOE); v2: arXiv 2411.18797v2 (SEUF); TRACE: arXiv 2606.10338 (abstract). Margins are the papers'
own numbers where they give one, else ours; both stand in the test's sentence.
"""

import math

import numpy

from claims.claim_muse import firsts
from claims.ledger import Claim, NotRun, Undecidable, World
from evidence import results
from evidence.bootstrap import Case
from evidence.matched import matched_steps
from jobs.files import read_json
from planning.needs import attribution_checks_path, token_weights_path

QWEN, DEEPSEEK, MIXTRAL = "qwen1.5-moe-a2.7b-chat", "deepseek-v2-lite", "mixtral-8x7b-instruct-v0.1"
CYBER, PERSONS = "wmdp-cyber", "rwku"
METHODS = ("ga", "gdiff", "npo", "rmu")
BOTH = ((QWEN, CYBER), (DEEPSEEK, CYBER), (QWEN, PERSONS), (DEEPSEEK, PERSONS))
THREE = tuple((model, benchmark) for benchmark in (CYBER, PERSONS) for model in (QWEN, DEEPSEEK, MIXTRAL))
AT = "at_forget_accuracy"


def losses(world: World, cells: list[tuple]) -> list[Case]:
    found = [world.cell(*cell) for cell in cells]
    return [world.case(cell, "utility", world.loss(cell), world.collapsed(cell)) for cell in found]


def pairs(world: World, test: str, sign: int, places=BOTH, methods=METHODS, other: str = "baseline") -> list[Case]:
    """UOE against another scope: sign x (score of UOE - score of the other)."""
    found = []
    for method in methods:
        for place in places:
            first, second = (world.cell(*place, method, scope) for scope in ("uoe", other))
            case = world.difference(test, first, second)
            found.append(Case(case.name, case.model, case.questions, sign * case.values, case.collapsed))
    return found


def at_matched_forgetting(world: World) -> list[Case]:
    found = []
    for method in METHODS:
        for place in BOTH:
            first, second = (world.cell(*place, method, scope) for scope in ("uoe", "baseline"))
            steps = [matched_steps(world.root, first, second, seed) for seed in world.seeds]
            if None in steps:
                continue
            ours, theirs = (
                world.answers.at(cell, [step[i] for step in steps], "utility") for i, cell in enumerate((first, second))
            )
            found.append(world.case(first, "utility", ours - theirs))  # neither has collapsed
    if not found:
        raise Undecidable("no pair of checkpoints has the same FA")
    return found


def dense_against_moe(world: World) -> list[Case]:
    """For each method and pair of models: what the MoE model loses more than the dense one. Seeds pair in order."""
    found = []
    for method in METHODS:
        for moe in (QWEN, DEEPSEEK):
            for dense in world.dense():
                first, second = (world.cell(model, CYBER, method, "baseline") for model in (moe, dense))
                values = world.loss(first) - world.loss(second)
                found.append(world.case(first, "utility", values, world.collapsed(first, second)))
    return found


def shift(world: World, cells: list[tuple]) -> list[Case]:
    """1 - overlap at the end of training."""
    found = [world.cell(*cell) for cell in cells]
    return [world.case(cell, "routing", 1 - world.overlaps(cell), world.broken_at_the_end(cell)) for cell in found]


def still_falling(world: World) -> list[Case]:
    """Overlap at the first probe after the start less that at the last one."""
    cells = [world.cell(model, CYBER, "ga", "baseline") for model in (QWEN, DEEPSEEK)]
    falls = [world.overlaps(cell, 1) - world.overlaps(cell) for cell in cells]
    return [world.case(c, "routing", fall, world.broken_at_the_end(c)) for c, fall in zip(cells, falls, strict=True)]


def loss_falls(world: World) -> list[Case]:
    found = []
    for model in (QWEN, DEEPSEEK):
        for scope in ("baseline", "experts", "routers"):
            cell = world.cell(model, CYBER, "ga", scope)
            ends = [
                (run["probes"][-1]["forget_loss"], run["probes"][0]["forget_loss"]) for run in world.trajectories(cell)
            ]
            values = numpy.array([last - first for last, first in ends])
            found.append(world.case(cell, "loss", values, world.broken_at_the_end(cell)))
    return found


def long_tail(world: World) -> list[Case]:
    """Each MoE layer: share of all choices that fall on its 9 / 64 most used experts (rounded up)."""
    found = []
    for real in (QWEN, DEEPSEEK):
        model = world.cell(real, CYBER, "ga", "uoe")[0]
        runs = [results.read_affinity(world.root, model, CYBER, seed) for seed in world.seeds]
        few = math.ceil(runs[0]["experts"] * 9 / 64)
        for layer in runs[0]["layers"]:
            shares = [
                sum(sorted(run["layers"][layer]["token_share"], reverse=True)[:few]) / run["top_k"] for run in runs
            ]
            name = f"{world.settings['models'][model].get('label') or model}, layer {layer}, {few} experts"
            found.append(Case(name, model, "routing", numpy.array(shares)[:, None]))
    return found


def every_layer_loss(world: World) -> list[Case]:
    cell = world.cell(DEEPSEEK, CYBER, "ga", "uoe-all-layers")
    steps = world.last_steps(cell)
    values = world.original(cell, "utility") - world.answers.at(cell, steps, "utility")
    return [world.case(cell, "utility", values, world.broken_at_the_end(cell))]


def deeper_shifts_more(world: World) -> list[Case]:
    cell = world.cell(DEEPSEEK, CYBER, "ga", "uoe-all-layers")
    runs = world.trajectories(cell)
    ends = [[run["probes"][-1]["overlap"][str(run["moe_layers"][i])] for i in (0, -1)] for run in runs]
    values = numpy.array([first - last for first, last in ends])
    return [world.case(cell, "routing", values, world.broken_at_the_end(cell))]


def overlap_gain(world: World, other: str, places: tuple, method: str = "ga") -> list[Case]:
    """Overlap at the end with UOE less that with another scope."""
    found = []
    for place in places:
        first, second = (world.cell(*place, method, scope) for scope in ("uoe", other))
        values = world.overlaps(first) - world.overlaps(second)
        found.append(world.case(first, "routing", values, world.broken_at_the_end(first, second)))
    return found


def shares(world: World, others: tuple[str, ...]) -> list[Case]:
    """Percent of parameters that another scope trains less those of UOE; with no other scope UOE's own, negated."""
    found = []
    for model in (QWEN, DEEPSEEK, MIXTRAL):
        own = world.cell(model, CYBER, "ga", "uoe")
        for other in others or (None,):
            theirs = world.percents(world.cell(model, CYBER, "ga", other)) if other else 0.0
            found.append(world.case(own, "parameters", theirs - world.percents(own)))
    return found


def against_random(world: World) -> list[Case]:
    """FA with a random expert (mean over the draws) less that with the selected one."""
    found = []
    for place in BOTH:
        own = world.cell(*place, "rmu", "uoe")
        drawn = [world.cell(*place, "rmu", scope) for scope in ("random", "random-draw-2", "random-draw-3")]
        mean = sum(world.score(cell, "forget") for cell in drawn) / len(drawn)
        found.append(world.case(own, "forget", mean - world.score(own, "forget"), world.collapsed(own, *drawn)))
    return found


def at_threshold(world: World, place: tuple, first: str, others: tuple[str, ...]) -> list[Case]:
    """UT at FA ≈ 0.25 of one variant of UOE less that of others."""
    own = world.cell(*place, "ga", first)
    return [world.difference("utility", own, world.cell(*place, "ga", other), AT) for other in others]


def lowest_rank(world: World, place: tuple) -> list[Case]:
    """UT at FA ≈ 0.25 with the layer of rank 1 less that with the lowest rank in the study."""
    model = world.model(place[0])
    scopes = {cell[3] for cell in world.cells if cell[:3] == (model, place[1], "ga") and "-rank-" in cell[3]}
    last = max(scopes, key=lambda scope: int(scope.rpartition("-")[2]), default="uoe-rank-26")
    return at_threshold(world, place, "uoe", (last,))


def less_others(world: World, others: tuple[str, ...], sign: int = 1) -> list[Case]:
    """Table 10: UT with alpha = 1 less that with another."""
    own = world.cell(DEEPSEEK, PERSONS, "ga", "uoe")
    cases = [world.difference("utility", own, world.cell(DEEPSEEK, PERSONS, "ga", other)) for other in others]
    return [
        Case(f"{c.name} against {o}", c.model, c.questions, sign * c.values, c.collapsed)
        for c, o in zip(cases, others, strict=True)
    ]


def entropy_falls(world: World) -> list[Case]:
    """Entropy (nats) of an expert's share of all choices, mean over MoE layers: before less after GA."""
    cell = world.cell(DEEPSEEK, CYBER, "ga", "baseline")

    def entropy(probe: dict) -> float:
        layers = [[s / sum(shares) for s in shares if s > 0] for shares in probe["token_share"].values()]
        return -sum(s * math.log(s) for shares in layers for s in shares) / len(layers)

    values = [entropy(run["probes"][0]) - entropy(run["probes"][-1]) for run in world.trajectories(cell)]
    return [world.case(cell, "routing", numpy.array(values), world.broken_at_the_end(cell))]


def attribution(world: World, part: str, *keys: str) -> list[Case]:
    """A value of each model's checks of its attribution: overlaps of the top-K experts, or rank correlations."""
    found = []
    for real in (QWEN, DEEPSEEK):
        model = world.model(real)
        if (model, CYBER) not in world.checked:
            continue
        paths = [world.root / attribution_checks_path(model, CYBER, seed) for seed in world.seeds]
        records = [results.field(read_json(path), path, part) for path in paths]
        for key in keys or records[0]:
            values = [record[key]["mean"] if part == "spearman" else record[key] for record in records]
            found.append(Case(f"{world.settings['models'][model].get('label') or model}, {key}", model, "routing",
                              numpy.array(values)[:, None]))  # fmt: skip
    if not found:
        raise NotRun("checks of the attribution")
    return found


def trace_mismatch(world: World) -> list[Case]:
    """Largest difference of an expert's shares of forget and of retain tokens, from the token weights' record."""
    found = []
    for real in (QWEN, DEEPSEEK):
        cell = world.cell(real, CYBER, "gdiff-trace", "baseline")
        paths = [world.root / token_weights_path("trace", cell[0], CYBER, seed) for seed in world.seeds]
        records = [results.field(read_json(path), path, "experts") for path in paths]
        largest = [max((e["forget"] - e["retain"] for e in experts), default=0.0) for experts in records]
        found.append(world.case(cell, "routing", numpy.array(largest)))
    return found


def trace_gain(world: World) -> list[Case]:
    """UT of the TRACE reconstruction (GDIFF, all parameters) less 1.09 times that of the other row with a retain loss
    that keeps most utility on the development half."""
    found = []
    for model in (QWEN, DEEPSEEK):
        own = world.cell(model, CYBER, "gdiff-trace", "baseline")
        others = [
            world.cell(model, CYBER, method, scope)
            for method in ("gdiff", "npo", "rmu")
            for scope in ("baseline", "uoe")
        ]
        best = max(others, key=lambda cell: world.development(cell, "utility"))
        values = world.score(own, "utility") - 1.09 * world.score(best, "utility")
        found.append(world.case(own, "utility", values, world.collapsed(own, best)))
    return found


def trace_pairs(world: World, test: str, sign: int) -> list[Case]:
    """Each method and scope with the reconstructed token weights against without."""
    found = []
    for model in (QWEN, DEEPSEEK):
        for method in ("gdiff", "npo", "rmu"):
            for scope in ("baseline", "uoe"):
                own, other = (world.cell(model, CYBER, name, scope) for name in (f"{method}-trace", method))
                case = world.difference(test, own, other)
                found.append(Case(case.name, case.model, case.questions, sign * case.values, case.collapsed))
    return found


BASELINES = [(model, CYBER, method, "baseline") for model in (QWEN, DEEPSEEK) for method in METHODS]
GA_PARTS = [(model, CYBER, "ga", scope) for model in (QWEN, DEEPSEEK) for scope in ("routers", "experts")]
ALPHAS = ("uoe-alpha-0", "uoe-alpha-100", "uoe-alpha-1000")
EVERY_LAYER = [(DEEPSEEK, CYBER, "ga", "uoe-all-layers")]

CLAIMS = [
    Claim("moe-loses", "v1 abstract, section 3", "Existing methods cost MoE models much utility.",
          "UT lost (GA, GDIFF, NPO, RMU, all parameters; Qwen, DeepSeek; WMDP), mean > 10 points, the papers' red line",
          "mean", lambda w: losses(w, BASELINES), 0.10),
    Claim("moe-worse-than-dense", "v1 section 3, Figure 1a", "They cost MoE models more than dense ones.",
          "UT lost by Qwen, DeepSeek less that by LLaMA, Phi-3, same methods, mean > 0", "mean", dense_against_moe),
    Claim("parts-no-better", "v1 section 3, Table 1", "Training only routers or only experts does not help.",
          "UT lost (GA, WMDP; routers only, experts only), every one > 20 points", "every",
          lambda w: losses(w, GA_PARTS), 0.20),
    Claim("long-tail", "v1 section 4, insight 1", "A few experts (6 to 9 of 64) get most tokens of a topic.",
          "share of choices on the 9/64 most used experts, every MoE layer > 50 %", "every", long_tail, 0.50),
    Claim("selection-shifts", "v1 abstract, section 4, Figure 3a", "Unlearning shifts which experts are chosen.",
          "1 - overlap at the last step of GA (WMDP; Qwen, DeepSeek), every one > 10 points", "every",
          lambda w: shift(w, [(m, CYBER, "ga", "baseline") for m in (QWEN, DEEPSEEK)]), 0.10),
    Claim("steady-decline", "v1 section 4, Figure 3a", "The overlap falls steadily.",
          "overlap at the first checkpoint less that at the last, every one > 0", "every", still_falling),
    Claim("shifts-with-fixed-routers", "v1 section 4", "The shift persists when routers are frozen.",
          "1 - overlap at the last step when only experts train, every one > 10 points", "every",
          lambda w: shift(w, [(m, CYBER, "ga", "experts") for m in (QWEN, DEEPSEEK)]), 0.10),
    Claim("forget-loss-falls", "v1 section 4, Figure 3b", "Meanwhile the forget loss falls, whatever is trained.",
          "rise of forget text's cross-entropy from start to end (GA; all, experts, routers), every one > 0", "every",
          loss_falls, 0.0, "nats"),
    Claim("every-layer-shifts", "v1 section 4, Figures 4 and 5", "One expert in every layer, anchored, still shifts.",
          "1 - overlap at the last step > 10 points", "every", lambda w: shift(w, EVERY_LAYER), 0.10),
    Claim("deeper-shifts-more", "v1 section 4, Figure 4", "Small shifts early become large ones in deeper layers.",
          "overlap in the first MoE layer less that in the last (one expert in every layer) > 0", "every",
          deeper_shifts_more),
    Claim("every-layer-costs", "v1 section 4", "One expert in every layer costs over 30 points of utility.",
          "UT lost at the last step > 30 points", "every", every_layer_loss, 0.30),
    Claim("one-layer-keeps-routing", "v1 abstract, section 4",
          "One expert of one layer keeps the selection stable.",
          "overlap at the last step, UOE less all parameters (GA), every one > 0", "every",
          lambda w: overlap_gain(w, "baseline", ((QWEN, CYBER), (DEEPSEEK, CYBER)))),
    Claim("anchor-keeps-routing", "v1 section 4", "The anchor loss stabilises the selected expert.",
          "overlap at the last step, alpha = 1 less alpha = 0 (DeepSeek, RWKU, GA) > 0", "every",
          lambda w: overlap_gain(w, "uoe-alpha-0", ((DEEPSEEK, PERSONS),))),
    Claim("utility-always", "v1 section 5.2, Table 2", "UOE improves utility with every method tested.",
          "UT of UOE less that of the unmodified method, all 16 pairs, every one > 0", "every",
          lambda w: pairs(w, "utility", 1)),
    Claim("utility-on-average", "v1 abstract, v2 abstract", "UOE improves utility.",
          "UT of UOE less that of the unmodified method, mean of 16 pairs > 0", "mean",
          lambda w: pairs(w, "utility", 1)),
    Claim("utility-at-equal-forgetting", "v1 section 5.2", "It does so without forgetting less.",
          "the same at checkpoints whose FA is equal within 5 points, mean > 0", "mean", at_matched_forgetting),
    Claim("utility-35", "v1 abstract, v2 abstract", "Utility improves by up to 35 points.",
          "the same, largest of 16 pairs > 35 points", "some", lambda w: pairs(w, "utility", 1), 0.35),
    Claim("forget-5", "v1 abstract, v2 abstract", "Forget quality improves by up to 5 points.",
          "FA of the unmodified method less that of UOE, largest of 16 pairs > 5 points", "some",
          lambda w: pairs(w, "forget", -1), 0.05),
    Claim("forget-unaffected", "v1 section 5.2", "Forgetting is unaffected or slightly improved.",
          "FA of the unmodified method less that of UOE, every pair > -2 points", "every",
          lambda w: pairs(w, "forget", -1), -0.02),
    Claim("no-severe-drop", "v1 section 5.2", "UOE avoids utility losses of over 10 points.",
          "UT lost by UOE, negated, every one of 16 > -10 points", "every",
          lambda w: [Case(c.name, c.model, c.questions, -c.values, c.collapsed)
                     for c in losses(w, [(*place, m, "uoe") for m in METHODS for place in BOTH])], -0.10),
    Claim("share-006", "v1 abstract, Table 3", "Only 0.06 % of the parameters are unlearned.",
          "percent of parameters that UOE trains, negated, every model > -0.065", "every",
          lambda w: shares(w, ()), -0.065, "%"),
    Claim("fewer-parameters", "v1 section 5.2, Table 3", "UOE trains fewer parameters than LoRA and ESFT.",
          "percent trained by LoRA, ESFT less that by UOE, every one > 0", "every",
          lambda w: shares(w, ("lora", "esft")), 0.0, "%"),
    Claim("better-than-lora", "v1 section 5.2, Table 4", "UOE keeps more utility than LoRA.",
          "UT of UOE less that of LoRA (GA; 3 models, 2 benchmarks), every one > 0", "every",
          lambda w: pairs(w, "utility", 1, THREE, ("ga",), "lora")),
    Claim("better-than-esft", "v1 section 5.2, Table 4", "UOE keeps more utility than ESFT.",
          "UT of UOE less that of ESFT (GA; 3 models, 2 benchmarks), every one > 0", "every",
          lambda w: pairs(w, "utility", 1, THREE, ("ga",), "esft")),
    Claim("comparable-to-peft", "v1 section 5.2, Table 4", "At comparable forgetting.",
          "FA of LoRA, ESFT less that of UOE, mean > -5 points", "mean",
          lambda w: [case for o in ("lora", "esft") for case in pairs(w, "forget", -1, THREE, ("ga",), o)], -0.05),
    Claim("more-experts-cost", "v1 section 5.2, Table 5", "More experts of a layer cost utility at equal forgetting.",
          "UT at FA ≈ 0.25, one expert less 3 and less 6 (DeepSeek, WMDP, GA), every one > 0", "every",
          lambda w: at_threshold(w, (DEEPSEEK, CYBER), "uoe", ("uoe-3-experts", "uoe-6-experts"))),
    Claim("across-layers-worse", "v2 Table 2", "Experts in several layers cost more than as many in one (DeepSeek).",
          "UT at FA ≈ 0.25, 3 experts of one layer less 3 layers' (DeepSeek, WMDP, GA) > 0", "every",
          lambda w: at_threshold(w, (DEEPSEEK, CYBER), "uoe-3-experts", ("uoe-3-layers",))),
    Claim("attribution-stable", "v1 section 4, v2 Table 8", "A part of the forget set attributes as the whole does.",
          "overlap of the top-K experts between whole and parts (WMDP; Qwen, DeepSeek), every one > 80 %", "every",
          lambda w: attribution(w, "overlap"), 0.80),
    Claim("gate-score-ranks", "v2 Table 11", "The gate score ranks experts as the norm of their contribution does.",
          "Spearman correlation over all experts, mean over layers (WMDP; Qwen, DeepSeek), every one > 0.95", "every",
          lambda w: attribution(w, "spearman", "all"), 0.95, ""),
    Claim("random-forgets-less", "v1 section 5.2, Table 6",
          "The expert of highest affinity beats a random one at forgetting.",
          "FA with random experts less that with UOE's (RMU, 4 columns), every one > 0", "every", against_random),
    Claim("layer-does-not-matter", "v1 section 5.2, Table 7", "UOE is robust to the layer as long as affinity is high.",
          "UT at FA ≈ 0.25, layer rank 2 less rank 1 (DeepSeek, RWKU, GA), > -2 points", "every",
          lambda w: at_threshold(w, (DEEPSEEK, PERSONS), "uoe-rank-2", ("uoe",)), -0.02),
    Claim("low-affinity-costs", "v1 section 5.2, Table 7", "Layers of very low affinity cost utility.",
          "UT at FA ≈ 0.25, layer rank 1 less the last rank (DeepSeek, RWKU, GA) > 0", "every",
          lambda w: lowest_rank(w, (DEEPSEEK, PERSONS))),
    Claim("robust-to-alpha", "v1 appendix D, Table 10", "UOE is robust to the anchor's strength.",
          "UT with alpha 0, 100, 1000 less that with 1 (DeepSeek, RWKU, GA), every one > -2 points", "every",
          lambda w: less_others(w, ALPHAS, -1), -0.02),
    Claim("alpha-1-best", "v1 appendix D, Table 10", "alpha = 1 is best.",
          "UT with alpha = 1 less that with 0, 100, 1000, every one > 0", "every", lambda w: less_others(w, ALPHAS)),
    Claim("uncertainty-falls", "v1 appendix C, Figure 6", "GA makes routing on forget text less even.",
          "entropy of the experts' shares, before less after (DeepSeek, WMDP) > 0", "every",
          entropy_falls, 0.0, "nats"),
    Claim("trace-mismatch", "TRACE abstract", "Some experts are used far more by forget text than by retain text.",
          "largest share of forget tokens less share of retain tokens (WMDP), every one > 10 points", "every",
          trace_mismatch, 0.10),
    Claim("trace-improves", "TRACE abstract", "TRACE improves the trade-off: utility.",
          "UT with the reconstructed token weights less without (GDIFF, NPO, RMU; alone, with UOE; WMDP), mean > 0",
          "mean", lambda w: trace_pairs(w, "utility", 1)),
    Claim("trace-forgets", "TRACE abstract", "At comparable forgetting.",
          "FA without the reconstructed token weights less with, mean > -5 points", "mean",
          lambda w: trace_pairs(w, "forget", -1), -0.05),
    Claim("trace-9", "TRACE abstract", "Utility is 9 % above that of the strongest baseline.",
          "UT of the reconstruction on GDIFF less 1.09 x that of GDIFF, NPO, RMU, alone or with UOE, whichever keeps "
          "most on the development half, mean > 0", "mean", trace_gain),
    Claim("trace-muse", "TRACE abstract", "On MUSE-Books it is best on three of four measures.",
          "measures (VerbMem, KnowMem of forgotten and of kept books, PrivLeak) on which GA, GDIFF, NPO, RMU, alone or "
          "with UOE, are not better than the reconstruction on GDIFF: > 2.5", "every", firsts, 2.5, "measures"),
]  # fmt: skip
