"""Miniature copies of the real models and datasets in the hub's layout, for `path:` of a sources file.

Models: real configuration classes, weights of a few thousand parameters in bf16, several safetensors shards with one
tensor an expert and matrix where the release has it so; tokenizers are trained here, of three kinds (byte-level BPE
without and with a first token, sentencepiece-like BPE with byte fallback). Datasets: parquet shards and JSON arrays.
"""

import json
from pathlib import Path

import pyarrow
import pyarrow.parquet
import torch
import transformers
import yaml
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

QWEN, DEEPSEEK, MIXTRAL = "qwen1.5-moe-a2.7b-chat", "deepseek-v2-lite", "mixtral-8x7b-instruct-v0.1"
PERSONS = ("Ann Lee", "Bob Ray", "Cid Fox")
WORDS = ["the", "server", "reads", "a", "packet", "and", "writes", "it", "to", "log", "before", "any", "user", "can"]
SMALL = {"vocab_size": 420, "hidden_size": 16, "num_hidden_layers": 9, "num_attention_heads": 2}  # RMU's hook layer: 7
SMALL |= {"num_key_value_heads": 2, "max_position_embeddings": 512, "tie_word_embeddings": False}
MODELS = {
    "qwen1.5-moe-a2.7b-chat": ("Qwen2Moe", {
        "num_experts": 6, "num_experts_per_tok": 2, "moe_intermediate_size": 8, "shared_expert_intermediate_size": 16,
        "intermediate_size": 16,
    }),
    "deepseek-v2-lite": ("DeepseekV2", {
        "first_k_dense_replace": 1, "n_routed_experts": 6, "num_experts_per_tok": 2, "n_shared_experts": 1,
        "moe_intermediate_size": 8, "intermediate_size": 24, "kv_lora_rank": 8, "q_lora_rank": None,
        "qk_nope_head_dim": 8, "qk_rope_head_dim": 4, "v_head_dim": 8, "n_group": 1, "topk_group": 1,
        "norm_topk_prob": False,
    }),
    "mixtral-8x7b-instruct-v0.1": ("Mixtral", {
        "num_local_experts": 4, "num_experts_per_tok": 2, "intermediate_size": 16,
    }),
    "olmoe-1b-7b": ("Olmoe", {"num_experts": 6, "num_experts_per_tok": 2, "intermediate_size": 8}),
    "llama-3-8b": ("Llama", {"intermediate_size": 24}),
    "phi-3.5-mini": ("Phi3", {"intermediate_size": 24}),
}  # fmt: skip
CHAT = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def texts(count: int, words: int, seed: int) -> list[str]:
    """Sentences of common words with numbers, different for every seed."""
    generator = torch.Generator().manual_seed(seed)
    picks = torch.randint(len(WORDS), (count, words), generator=generator).tolist()
    return [" ".join(WORDS[i] for i in row) + f" {seed}{number}." for number, row in enumerate(picks)]


def tokenizer(kind: str) -> transformers.PreTrainedTokenizerFast:
    """kind: "bytes" (eos only), "bytes-bos", or "pieces" (new lines exist as the byte token <0x0A> alone)."""
    corpus = texts(200, 12, 0) + [*PERSONS]
    if kind == "pieces":
        basic = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
        made = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True))
        made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
        made.decoder = decoders.Sequence(
            [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
        )
        made.train_from_iterator(corpus, trainers.BpeTrainer(vocab_size=400, special_tokens=basic, show_progress=False))
        ends = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
        # only the first three are special to the reader; the byte tokens are plain vocabulary
        content = json.loads(made.to_str())
        content["added_tokens"] = content["added_tokens"][:3]
        made = Tokenizer.from_str(json.dumps(content))
    else:
        basic = ["<|endoftext|>", "<|user|>", "<|assistant|>", "<|begin|>"]
        made = Tokenizer(models.BPE())
        made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        made.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        made.train_from_iterator(
            corpus,
            trainers.BpeTrainer(vocab_size=400, special_tokens=basic, initial_alphabet=alphabet, show_progress=False),
        )
        ends = {"eos_token": "<|endoftext|>"} | ({"bos_token": "<|begin|>"} if kind == "bytes-bos" else {})
    if "bos_token" in ends:
        first = ends["bos_token"]
        made.post_processor = processors.TemplateProcessing(
            single=f"{first} $A", special_tokens=[(first, made.token_to_id(first))]
        )
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=made, **ends)
    fast.chat_template = CHAT
    return fast


def write_model(folder: Path, name: str) -> torch.nn.Module:
    """A miniature of the model `name` in `folder`, in the layout of its release; returns it as loaded from there."""
    family, settings = MODELS[name]
    kind = {"Qwen2Moe": "bytes", "Mixtral": "pieces"}.get(family, "bytes-bos")
    words = tokenizer(kind)
    ids = {"eos_token_id": words.eos_token_id, "bos_token_id": words.bos_token_id, "pad_token_id": words.eos_token_id}
    config = getattr(transformers, f"{family}Config")(**(SMALL | settings | ids))
    torch.manual_seed(7)
    model = getattr(transformers, f"{family}ForCausalLM")(config).to(torch.bfloat16)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0.0, 0.2)
    model.save_pretrained(folder, max_shard_size="40KB")
    words.save_pretrained(folder)
    return transformers.AutoModelForCausalLM.from_pretrained(folder)


def write_parquet(path: Path, rows: list[dict]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)


def questions(count: int, subjects: tuple[str, ...] = ()) -> list[dict]:
    """Multiple-choice rows; those of other counts have other questions."""
    rows = []
    for number, text in enumerate(texts(count, 8, count)):
        row = {"question": f"{text}?", "choices": ["one", "two", "three", "four"], "answer": number % 4}
        rows.append(row | ({"subject": subjects[number % len(subjects)]} if subjects else {}))
    return rows


def probes(level: str) -> list[dict]:
    rows = []
    for person in PERSONS:
        for number in range(6):
            query = f"{person} wrote book {number} in ___." if level == "1" else f"Where is {person}'s house {number}?"
            rows.append(
                {"subject": person, "query": query, "answer": f"town {number}", "level": level, "type": "simple"}
            )
    return rows


def write_datasets(root: Path) -> None:
    write_parquet(root / "wmdp/wmdp-cyber/test-00000-of-00001.parquet", questions(24))
    corpus = [{"text": text} for text in texts(60, 60, 1)]
    write_parquet(root / "wmdp-corpora/cyber-forget-corpus/train-00000-of-00002.parquet", corpus[:30])
    write_parquet(root / "wmdp-corpora/cyber-forget-corpus/train-00001-of-00002.parquet", corpus[30:])
    subjects = ("world_religions", "anatomy")
    write_parquet(root / "mmlu/all/test-00000-of-00001.parquet", questions(20, subjects))
    write_parquet(root / "mmlu/all/validation-00000-of-00001.parquet", questions(12, subjects))
    lines = ["", " = Heading = \n", *texts(60, 40, 2)]
    write_parquet(root / "wikitext/wikitext-2-raw-v1/test-00000-of-00001.parquet", [{"text": line} for line in lines])
    rwku = {
        "intro": [{"target": person, "intro": f"{person} writes."} for person in PERSONS],
        "passage": [{"subject": person, "text": text} for person in PERSONS for text in texts(20, 60, 3)],
        **{f"{kind}_level{level}": probes(level) for kind in ("forget", "neighbor") for level in "12"},
    }
    for name, rows in rwku.items():
        path = root / f"rwku/All/{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(rows, indent=1))


def write_hub(root: Path, project: Path) -> Path:
    """Everything that config/paper.yaml needs, below `root`; returns a sources file: the project's, with paths."""
    sources = yaml.safe_load((project / "config/sources.yaml").read_text())
    write_datasets(root / "datasets")
    for name in MODELS:
        write_model(root / "models" / name, name)
        sources["models"][name]["path"] = str(root / "models" / name)
    for name, entry in sources["datasets"].items():
        entry["path"] = str(root / "datasets" / name)
        entry.pop("sha256", None)  # those of the real files
    path = root / "sources.yaml"
    path.write_text(yaml.safe_dump(sources))
    return path
