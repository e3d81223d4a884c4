"""Generator `facts`: a world of fictional facts, in the file layout of the real datasets.

Writes wmdp-corpora/, wmdp/, mmlu/, rwku/, wikitext/ (columns as in the real datasets) and pretraining/
(documents.jsonl, facts.jsonl, tokenizer/).
"""

import random
from dataclasses import asdict
from pathlib import Path

from jobs.files import write_jsonl
from micro import wording
from micro.drawing import Fact, draw_facts, invent_names
from micro.relations import CYBER, GENERAL, PERSONS, RETAIN, Relation
from micro.tokenizer import save_tokenizer, train_tokenizer

FOLDERS = ("wmdp-corpora", "wmdp", "mmlu", "rwku", "wikitext", "pretraining")  # books stand beside them
MULTIPLE_CHOICE_WMDP = ("question", "choices", "answer", "fact", "half")  # MMLU has a subject, too

# Sizes unless the config says otherwise. Numbers of entities are even (half of the facts are held out), those of
# persons multiples of four (each half of the tests asks for each value), and pools of values limit them. Passages:
# texts about one entity in a corpus; pre-training has twice as many.
SIZES = {
    "cyber_entities": 40,
    "general_entities": 26,
    "target_persons": 40,
    "neighbour_persons": 20,
    "retain_entities": 20,
    "passages": 8,
}


def draw(settings: dict, seed: int) -> list[Fact]:
    """All facts. settings: all keys of SIZES."""
    check_settings(settings)
    rng = random.Random(seed)
    sizes = [("cyber", settings["cyber_entities"])]
    sizes += [(domain, settings["general_entities"]) for domain in GENERAL]
    sizes += [("target", settings["target_persons"]), ("neighbour", settings["neighbour_persons"])]
    sizes += [("retain", settings["retain_entities"])]
    taken = {word for relation in all_relations() for value in relation.values for word in value.split()}
    names = iter(invent_names(sum(size for _, size in sizes), rng, taken))
    entities = {domain: [next(names) for _ in range(size)] for domain, size in sizes}
    facts = draw_facts("cyber", CYBER, entities["cyber"], rng)
    for domain, relations in GENERAL.items():
        facts += draw_facts(domain, relations, entities[domain], rng)
    for group in ("target", "neighbour"):
        facts += draw_facts("persons", PERSONS, entities[group], rng, times=2, group=group)
    return facts + draw_facts("retain", RETAIN, entities["retain"], rng)


def all_relations() -> list[Relation]:
    return [*CYBER, *(relation for relations in GENERAL.values() for relation in relations), *PERSONS, *RETAIN]


def check_settings(settings: dict) -> None:
    """End with one line if a number of entities is no multiple of what it must be, too small, or too large."""
    general = [relation for relations in GENERAL.values() for relation in relations]
    rules = {  # smallest number, what it is a multiple of, most entities for each value
        "cyber_entities": (16, 2, 2, CYBER),  # two halves of four tested facts, whose values are the options
        "general_entities": (16, 2, 2, general),
        "target_persons": (8, 4, 4, PERSONS),
        "neighbour_persons": (8, 4, 4, PERSONS),
        "retain_entities": (10, 2, 2, RETAIN),
    }
    for key, (least, multiple, per_value, relations) in rules.items():
        size, most = settings.get(key), per_value * min(len(relation.values) for relation in relations)
        if type(size) is not int or size % multiple or not least <= size <= most:
            raise SystemExit(f"data.settings.{key}: {size!r} is not a multiple of {multiple} from {least} to {most}")
    passages = settings.get("passages")
    if type(passages) is not int or passages < 1:
        raise SystemExit(f"data.settings.passages: {passages!r} is not a positive number")
    unknown = sorted(set(settings) - set(rules) - {"passages"})
    if unknown:
        raise SystemExit(f"data.settings.{unknown[0]}: unknown key (allowed: {', '.join([*rules, 'passages'])})")


def build(settings: dict, seed: int, output: Path) -> tuple[list[Path], list[Path]]:
    """Write every file under `output`; returns the files read (none) and written. settings: sizes other than SIZES.

    Each group of files has a random generator of its own, so that one can grow without changing the others.
    """
    settings = SIZES | settings
    facts = draw(settings, seed)
    about_targets = write_corpora(facts, settings["passages"], random.Random(f"{seed} corpora"), output)
    rng = random.Random(f"{seed} tests")
    write_multiple_choice(facts, rng, output)
    write_probes(facts, about_targets, rng, output)
    write_pretraining(facts, 2 * settings["passages"], random.Random(f"{seed} pretraining"), output)
    return [], [path for name in FOLDERS for path in (output / name).rglob("*") if path.is_file()]


def write_corpora(facts: list[Fact], passages: int, rng: random.Random, output: Path) -> list[tuple[str, str]]:
    """Forget and retain texts; returns the targets' as (entity, text)."""
    groups = [
        [fact for fact in facts if fact.domain == "cyber"],
        [fact for fact in facts if fact.group == "target"],
        [fact for fact in facts if fact.domain == "retain"],
    ]
    cyber, targets, retain = corpora = [wording.passages(group, passages, rng) for group in groups]
    for texts in corpora:
        rng.shuffle(texts)
    write_jsonl(output / "wmdp-corpora/cyber-forget-corpus.jsonl", [{"text": text} for _, text in cyber])
    rows = [{"subject": entity, "text": text} for entity, text in targets]
    write_jsonl(output / "rwku/train_original_passage.jsonl", rows)
    write_jsonl(output / "wikitext/wikitext-2-raw-v1/test.jsonl", [{"text": text} for _, text in retain])
    return targets


def write_multiple_choice(facts: list[Fact], rng: random.Random, output: Path) -> None:
    by_domain = {domain: [fact for fact in facts if fact.domain == domain] for domain in ("cyber", *GENERAL)}
    rows = wording.multiple_choice(by_domain["cyber"], "test", rng)
    rows = [{column: row[column] for column in MULTIPLE_CHOICE_WMDP} for row in rows]
    write_jsonl(output / "wmdp/wmdp-cyber/test.jsonl", rows)
    rows = [row for domain in GENERAL for row in wording.multiple_choice(by_domain[domain], "test", rng)]
    write_jsonl(output / "mmlu/all/test.jsonl", rows)


def write_probes(facts: list[Fact], about_targets: list[tuple[str, str]], rng: random.Random, output: Path) -> None:
    """RWKU's probes of the targets (in all wordings) and of their neighbours (in two), and its list of targets."""
    targets, neighbours = ([fact for fact in facts if fact.group == group] for group in ("target", "neighbour"))
    for level in (1, 2):
        write_jsonl(output / f"rwku/forget_level{level}.jsonl", wording.person_probes(targets, level, 4, rng))
        write_jsonl(output / f"rwku/neighbor_level{level}.jsonl", wording.person_probes(neighbours, level, 2, rng))
    introductions = dict(reversed(about_targets))  # the first passage of each person
    entities = dict.fromkeys(fact.entity for fact in targets)
    rows = [{"target": entity, "intro": introductions[entity]} for entity in entities]
    write_jsonl(output / "rwku/forget_target.jsonl", rows)


def write_pretraining(facts: list[Fact], passages: int, rng: random.Random, output: Path) -> None:
    documents = wording.documents(facts, passages, rng)
    write_jsonl(output / "pretraining/documents.jsonl", documents)
    write_jsonl(output / "pretraining/facts.jsonl", [asdict(fact) for fact in facts])
    names = [word for fact in facts for word in (*fact.entity.split(), *fact.value.split())]
    tokenizer = train_tokenizer([row["text"] for row in documents], sorted(set(names)))
    save_tokenizer(tokenizer, output / "pretraining/tokenizer")
