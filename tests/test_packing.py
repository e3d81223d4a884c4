"""Texts as blocks of tokens, and the order in which a run sees them."""

import pytest
import torch
from tiny_models import LetterTokenizer, letter_tokenizer
from tokenizers.processors import TemplateProcessing

from moe.packing import batches, pack, shuffled


class TestPack:
    def test_eos_behind_each_text_and_the_rest_dropped(self):
        blocks = pack(["abc", "de", "fghij", "k"], LetterTokenizer(), 4)
        of = {letter: 2 + ord(letter) % 62 for letter in "abcdefghijk"}
        stream = [*map(of.get, "abc"), 1, *map(of.get, "de"), 1, *map(of.get, "fghij"), 1, of["k"], 1]
        assert len(stream) == 15 and blocks.tolist() == [stream[0:4], stream[4:8], stream[8:12]]

    def test_nothing_dropped_where_it_fits(self):
        assert pack(["abc", "def"], LetterTokenizer(), 4).shape == (2, 4)

    def test_too_little_text(self):
        with pytest.raises(SystemExit, match="2 texts give 7 tokens, less than one block of 8"):
            pack(["abc", "de"], LetterTokenizer(), 8)

    def test_no_end_of_sequence(self):
        tokenizer = LetterTokenizer()
        tokenizer.eos_token_id = None
        with pytest.raises(SystemExit, match="end-of-sequence"):
            pack(["abc"], tokenizer, 2)


class TestShuffled:
    blocks = torch.arange(7 * 3).view(7, 3)

    @pytest.mark.parametrize("size", [1, 3, 7, 10])
    def test_every_block_once_in_each_epoch(self, size):
        stream, rows = shuffled(self.blocks, size, seed=4), []
        while len(rows) < 70:
            batch = next(stream)
            assert len(batch.rows) == size and torch.equal(batch.input_ids, self.blocks[batch.rows])
            assert batch.mask.all()
            rows += batch.rows.tolist()
        epochs = [tuple(rows[start : start + 7]) for start in range(0, 70, 7)]
        assert all(sorted(epoch) == list(range(7)) for epoch in epochs) and len(set(epochs)) > 5

    def test_seed_fixes_the_order(self):
        first, same, other = ([next(s).rows.tolist() for _ in range(9)] for s in self.streams(4, 4, 5))
        assert first == same and first != other

    def streams(self, *seeds: int):
        return [shuffled(self.blocks, 3, seed) for seed in seeds]

    def test_in_order(self):
        assert [batch.rows.tolist() for batch in batches(self.blocks, 3)] == [[0, 1, 2], [3, 4, 5], [6]]


def test_with_bos_each_text_begins_as_the_tokenizer_begins_a_prompt():
    """Only where it adds one by default; the micro models' tokenizers add none."""
    plain, begun = letter_tokenizer(), letter_tokenizer({"<bos>": 40})
    begun.add_special_tokens({"bos_token": "<bos>"})
    begun.backend_tokenizer.post_processor = TemplateProcessing("<bos> $0", special_tokens=[("<bos>", 40)])
    assert begun("ab")["input_ids"] == [40, 2, 3]
    assert pack(["ab", "c"], begun, 7, bos=True).tolist() == [[40, 2, 3, 1, 40, 4, 1]]
    assert pack(["ab", "c"], begun, 5).tolist() == pack(["ab", "c"], plain, 5, bos=True).tolist() == [[2, 3, 1, 4, 1]]
