"""Fill-in-the-blank questions from plain text: one span of one to three words of a sentence becomes the blank.

English text is assumed: sentences end in . ! ?, names begin with a capital letter.
"""

import random
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

BLANK = "___"
LEAD = 4  # least words before the blank: a causal model recalls the answer from the words before it
SHORTEST, LONGEST = 6, 45  # words of a sentence that is asked about
LONGEST_ANSWER = 3  # words
RARE = 2  # a lower-case word with at most so many occurrences in all texts can be a blank
RARE_LETTERS = 6

HEADING = re.compile(r"^\s*=+[^=]+=+\s*")  # Wikipedia dumps glue the section's heading to its first sentence
END = re.compile(r"[.!?][\"'”’)\]]*\s+(?=[\"'“‘(\[]*[A-Z0-9])")
NO_END = re.compile(
    r"(?:\b[A-Z]|\b(?:Mr|Mrs|Ms|Dr|St|Jr|Sr|No|Vol|vs|Prof|Rev|Gen|Gov|Sen|Rep|Lt|Col|Capt|Inc|Co|U\.S))\.$"
)
WORD = re.compile(r"\S+")
CORE = re.compile(r"[^\W_](?:[\w'’-]*[^\W_])?(?:[.,/]\d+)*")  # a word without the punctuation around it
POSSESSIVE = re.compile(r"['’]s?$")


@dataclass(frozen=True)
class Cloze:
    """`sentence[start:end]` is the answer, one to three words."""

    subject: str
    sentence: str
    start: int
    end: int

    @property
    def answer(self) -> str:
        return self.sentence[self.start : self.end]

    @property
    def blanked(self) -> str:
        return self.sentence[: self.start] + BLANK + self.sentence[self.end :]

    @property
    def query(self) -> str:
        """The sentence with the blank, and an answer that starts with the words before it.

        Models of this size recall what they have read word by word. After a bare "Answer:" they scored 0 to 3 % on
        sentences that they could continue, so the answer is started for them, as in RWKU's probes of the type
        "affirmative suffix".
        """
        return f"{self.blanked}\nAnswer: {self.sentence[: self.start].rstrip()}"

    @property
    def gap(self) -> str:
        """What separates the started answer from the answer: a space, or nothing after a bracket or quote."""
        return self.sentence[len(self.sentence[: self.start].rstrip()) : self.start]


def sentences(text: str) -> list[str]:
    """Sentences of a passage, unchanged, without its heading; a line break ends one too."""
    parts = []
    for line in HEADING.sub("", text).split("\n"):
        start = 0
        for end in END.finditer(line):
            if not NO_END.search(line[: end.end()].rstrip()):
                parts.append(line[start : end.end()].strip())
                start = end.end()
        parts.append(line[start:].strip())
    return [sentence for sentence in parts if sentence]


def word_counts(texts: Iterable[str]) -> Counter:
    """How often each word occurs in the texts, case-sensitive."""
    return Counter(word for text in texts for word in CORE.findall(text))


def _spans(sentence: str, counts: Counter) -> dict[str, list[tuple[int, int]]]:
    """Spans (start, end) that can be blanked, by kind: names (capitals), numbers, rare words."""
    spans: dict[str, list[tuple[int, int]]] = {"name": [], "number": [], "rare": []}
    run: list[re.Match] = []

    def close() -> None:
        if 1 <= len(run) <= LONGEST_ANSWER:
            spans["name"].append((run[0].start(), run[-1].end()))
        run.clear()

    for place, word in enumerate(WORD.finditer(sentence)):
        core = CORE.search(sentence, word.start(), word.end())
        if core is None or place < LEAD:
            close()
            continue
        text = core.group()
        if run and sentence[run[-1].end() : core.start()] != " ":  # punctuation between two words parts names
            close()
        if POSSESSIVE.search(text):
            close()
            continue
        if text[0].isupper() and counts[text] > counts[text.lower()]:  # else a common word that begins a quotation
            run.append(core)
            continue
        close()
        if text[0].isdigit():
            spans["number"].append(core.span())
        elif text.isalpha() and text.islower() and len(text) >= RARE_LETTERS and counts[text] <= RARE:
            spans["rare"].append(core.span())
    close()
    return spans


def questions(subject: str, sentence: str, counts: Counter, rng: random.Random) -> list[Cloze]:
    """Every question that `sentence` gives: names first, then numbers, then rare words, each kind in random order.

    A span is left out if it also occurs in the rest of the sentence or belongs to the subject's name.
    """
    if not SHORTEST <= len(sentence.split()) <= LONGEST or BLANK in sentence:
        return []
    items, own = [], set(CORE.findall(subject.lower()))
    for spans in _spans(sentence, counts).values():
        for start, end in rng.sample(spans, len(spans)):
            item = Cloze(subject, sentence, start, end)
            answer = item.answer.lower()
            if answer not in item.blanked.lower() and not own & set(CORE.findall(answer)):
                items.append(item)
    return items


def halves(passages: Sequence[tuple[str, str]], counts: Counter, rng: random.Random) -> tuple[list[Cloze], list[Cloze]]:
    """Questions of (subject, passage) pairs: those that pre-training may ask, and those held out for the tests.

    Every other sentence of a subject, in random order, is held out with its best question only; of the rest all
    questions are kept. A sentence that stands in several passages counts once.
    """
    by_subject: dict[str, dict[str, list[Cloze]]] = {}
    for subject, text in passages:
        own = by_subject.setdefault(subject, {})
        for sentence in sentences(text):
            if sentence not in own and (asked := questions(subject, sentence, counts, rng)):
                own[sentence] = asked
    asked, held_out, seen = [], [], set()
    for own in by_subject.values():
        order = [sentence for sentence in own if sentence not in seen]  # two subjects may quote one sentence
        seen.update(order)
        rng.shuffle(order)
        for place, sentence in enumerate(order):
            if place % 2:
                held_out.append(own[sentence][0])
            else:
                asked += own[sentence]
    return asked, held_out
