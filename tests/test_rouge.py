import random

import pytest
from rouge_score import rouge_scorer

from benchmarks.rouge import rouge_recall, rouge_score_recall

# (answer, generated, what rouge 1.0.1 gives, what rouge-score 0.1.2 gives); both were printed by those packages
CASES = [
    ("Stephen King", "stephen king", 0.0, 1.0), ("Carrie", "It is Carrie.", 1.0, 1.0),
    ("Carrie", 'It is "Carrie", of course', 0.0, 1.0), ("The Dark Tower", "Dark The Tower", 2 / 3, 2 / 3),
    ("the cat and the dog", "the dog and the cat", 0.5, 0.6), ("J. K. Rowling", "J. K. Rowling", 1.0, 1.0),
    ("September 21, 1947", "He was born on September 21, 1947 in Portland.", 1.0, 1.0), ("a b a", "a a b", 0.5, 2 / 3),
    ("x. y", "y x", 1.0, 0.5), ("Tabitha King", "", 0.0, 0.0),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "generated", "rouge", "rouge_score"), CASES)
def test_both_recalls_on_worked_cases(answer, generated, rouge, rouge_score):
    assert rouge_recall(answer, generated) == pytest.approx(rouge)
    assert rouge_score_recall(answer, generated) == pytest.approx(rouge_score)


def test_definitions_agree_on_distinct_lower_case_words():
    scorer = rouge_scorer.RougeScorer(["rougeL"])
    words = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta"]
    draw = random.Random(0)
    for _ in range(200):
        answer = " ".join(draw.sample(words, draw.randint(1, 5)))
        generated = " ".join(draw.sample(words, draw.randint(1, 8)))
        assert rouge_recall(answer, generated) == pytest.approx(scorer.score(answer, generated)["rougeL"].recall)


def test_no_answer_scores_as_the_benchmark_scores_it():
    assert rouge_recall("NOANSWER", "") == 1.0 and rouge_recall("a", ".") == 0.0
