"""Costs of a job before it runs: bytes of activations, against which a test measures; assumed times and sizes.

Standard library only.
"""

QUESTION_TOKENS = 150  # of a lettered question of MMLU or WMDP with its options
QUESTIONS = {"wmdp": 1987, "mmlu test": 14042, "rwku probes": 6000}
DECODING_SECONDS = 0.05  # per token of a batch of prompts
LOADING_MINUTES_PER_GB = 0.03

CHUNK = 512  # tokens whose logits exist at one time: 0.3 GB in fp32 at a vocabulary of 150,000
LOGIT_BYTES = 16  # a logit in bf16, in fp32, its log-softmax, its gradient in fp32 and in bf16


def activation_bytes(shape: dict[str, float], layers: int, tokens: int, *, recomputed: bool, width: int = 2) -> float:
    """Bytes of activations at the peak of one forward and backward pass through a frozen head.

    shape: hidden (H), kept (values per token that one layer keeps, `moe.cost.Cost.kept`), expert (parameters of one
    expert, 0 in a dense model), vocabulary. layers: those of the backward pass. tokens: of the pass.
    recomputed: only the layers' inputs are kept, and each layer's activations are recomputed. width: bytes of a value
    (2 in bf16).

    Counted: what the layers keep; as much again for values and gradients of the current layer; the trained expert's
    fp32 copy, with at most every token routed to it (3 intermediates, its input and output); final norm and residual
    stream in fp32 with gradients; and the logits of one chunk, which are freed before the backward pass.
    """
    hidden, layer = shape["hidden"], width * shape["kept"]
    stored = layers * (width * hidden if recomputed else layer)
    work = (2 if recomputed else 1) * layer + 4 * (shape["expert"] / hidden + 2 * hidden)
    logits = LOGIT_BYTES * min(CHUNK, tokens) * shape["vocabulary"]
    return tokens * (stored + 12 * hidden) + max(tokens * work, logits)
