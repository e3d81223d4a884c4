"""Random models of a few thousand parameters, one for each family, and a tokenizer that needs no files.

The weights are drawn larger than a fresh model's, so that routing differs between tokens and losses differ visibly
from ln(vocabulary).
"""

import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers

VOCABULARY, HIDDEN = 64, 32
_COMMON = {"vocab_size": VOCABULARY, "hidden_size": HIDDEN, "num_hidden_layers": 3, "num_attention_heads": 4}
_COMMON |= {"num_key_value_heads": 2, "max_position_embeddings": 128}
_CONFIGS = {
    "qwen2moe": ("Qwen2Moe", {
        "moe_intermediate_size": 16, "shared_expert_intermediate_size": 24, "num_experts": 8, "num_experts_per_tok": 2,
        "intermediate_size": 40,
    }),
    "deepseek": ("DeepseekV2", {
        "num_key_value_heads": 4, "moe_intermediate_size": 16, "n_shared_experts": 2, "n_routed_experts": 8,
        "num_experts_per_tok": 3, "intermediate_size": 40, "first_k_dense_replace": 1, "kv_lora_rank": 16,
        "q_lora_rank": None, "qk_nope_head_dim": 8, "qk_rope_head_dim": 8, "v_head_dim": 8, "n_group": 1,
        "topk_group": 1,
    }),
    "mixtral": ("Mixtral", {"intermediate_size": 16, "num_local_experts": 4, "num_experts_per_tok": 2}),
    "olmoe": ("Olmoe", {"intermediate_size": 16, "num_experts": 8, "num_experts_per_tok": 2}),
    "qwen3moe": ("Qwen3Moe", {
        "moe_intermediate_size": 16, "num_experts": 8, "num_experts_per_tok": 2, "intermediate_size": 40, "head_dim": 8,
        "norm_topk_prob": True,
    }),
    "granite": ("GraniteMoe", {"intermediate_size": 16, "num_local_experts": 8, "num_experts_per_tok": 2}),
    "gptoss": ("GptOss", {"intermediate_size": 16, "num_local_experts": 8, "num_experts_per_tok": 2, "head_dim": 8}),
    "llama": ("Llama", {"intermediate_size": 40}),
}  # fmt: skip
MOE_FAMILIES = [name for name in _CONFIGS if name != "llama"]
RENORMALISED = ["mixtral", "qwen3moe", "granite", "gptoss"]  # their routers' weights sum to 1 over the top-K


def tiny(family: str, seed: int = 0, *, scale: float = 6.0) -> torch.nn.Module:
    """A fp32 model in evaluation mode; equal seeds give equal weights."""
    name, settings = _CONFIGS[family]
    settings = _COMMON | {"pad_token_id": 0, "eos_token_id": 1, "bos_token_id": None} | settings
    config = getattr(transformers, f"{name}Config")(**settings)
    torch.manual_seed(seed)
    model = getattr(transformers, f"{name}ForCausalLM")(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0.0, 0.02 * scale)
        for module in model.modules():
            if type(module).__name__.endswith("Router"):
                next(p for p in module.parameters() if p.dim() == 2).normal_(0.0, 0.3)
    return model


def random_tokens(rows: int, length: int, seed: int = 0) -> torch.Tensor:
    """`[rows, length]` ids, none of them padding (0) or end of sequence (1)."""
    return torch.randint(2, VOCABULARY, (rows, length), generator=torch.Generator().manual_seed(seed))


class LetterTokenizer:
    """One token for each character, ids 2 to 63; what `pack` needs of a tokenizer."""

    eos_token_id = 1

    def __call__(self, texts: list[str], add_special_tokens: bool = True) -> dict:
        assert not add_special_tokens, "packing adds eos itself"
        return {"input_ids": [[2 + ord(letter) % 62 for letter in text] for text in texts]}


def letter_tokenizer(more: dict[str, int] | None = None) -> transformers.PreTrainedTokenizerFast:
    """One token for each small letter, ids 2 to 27, and for the characters of `more`; can be saved."""
    letters = {chr(97 + i): 2 + i for i in range(26)} | {"<pad>": 0, "<eos>": 1} | (more or {})
    tokenizer = Tokenizer(models.WordLevel(letters, unk_token="<pad>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<eos>", pad_token="<pad>")


def random_texts(count: int, length: int, seed: int = 0) -> list[str]:
    """Texts of `length` letters."""
    generator = torch.Generator().manual_seed(seed)
    letters = torch.randint(97, 123, (count, length), generator=generator)
    return ["".join(map(chr, row)) for row in letters.tolist()]
