"""Greedy decoding in batches is transformers' own `generate`, token by token, for every family of micro models."""

from pathlib import Path

import pytest
import torch
import transformers
import yaml
from tiny_models import MOE_FAMILIES, letter_tokenizer, random_tokens, tiny

from benchmarks.generation import TextGenerator

CONFIG = yaml.safe_load((Path(__file__).parent.parent / "config/config.yaml").read_text())
NEW = 7


def micro(name: str) -> torch.nn.Module:
    """A micro model of config/config.yaml with random weights that are large enough for answers to differ."""
    block = CONFIG["models"][name]["pretrain"]
    settings = CONFIG["pretraining"]["config"] | block["config"]
    settings |= {"vocab_size": 64, "pad_token_id": 0, "eos_token_id": 1, "bos_token_id": None, "initializer_range": 0.2}
    family = block["architecture"].removesuffix("ForCausalLM")
    torch.manual_seed(0)
    model = getattr(transformers, block["architecture"])(getattr(transformers, f"{family}Config")(**settings))
    return model.eval()


@pytest.mark.parametrize("shared", [0, 10])
@pytest.mark.parametrize("name", [*CONFIG["models"], *MOE_FAMILIES])
def test_equals_generate(name, shared):
    """shared: tokens that all prompts begin with."""
    torch.set_num_threads(1)
    model = micro(name) if name.startswith("micro") else tiny(name)
    generator = TextGenerator(model, letter_tokenizer({"\n": 28}), 5)
    start = random_tokens(1, 10, seed=1)[0, :shared].tolist()
    prompts = [start + row[: 3 + number % 9].tolist() for number, row in enumerate(random_tokens(17, 12))]
    assert generator._shared(prompts[:5]) == (0 if name == "gptoss" else shared)
    generator.stops = [1]
    free = generator.complete(prompts, NEW)
    ends = generator.stops = sorted({1, *(tokens[2] for tokens in free[::4] if len(tokens) > 2)})
    ours = generator.complete(prompts, NEW)
    for prompt, tokens in zip(prompts, ours, strict=True):
        whole = model.generate(
            torch.tensor([prompt]), max_new_tokens=NEW, do_sample=False, eos_token_id=ends, pad_token_id=0
        )
        theirs = whole[0, len(prompt) :].tolist()
        assert tokens == [token for token in theirs if token not in ends]
    assert min(map(len, ours)) <= 2 and len({tuple(tokens) for tokens in free}) > 1  # some end, and answers differ


def test_changed_weights_change_the_answers_of_the_same_generator():
    """Nothing of an earlier checkpoint is kept."""
    torch.set_num_threads(1)
    model = tiny("qwen2moe")
    generator = TextGenerator(model, letter_tokenizer({"\n": 28}), 5)
    prompts = random_tokens(6, 8).tolist()
    first = generator.complete(prompts, NEW)
    model.load_state_dict(tiny("qwen2moe", seed=1).state_dict())
    assert generator.complete(prompts, NEW) != first
    model.load_state_dict(tiny("qwen2moe").state_dict())
    assert generator.complete(prompts, NEW) == first
