"""Log-likelihoods of options for many checkpoints of one model: lm-eval's encoding and truncation, our own loop.

lm-eval prepares the requests again for each checkpoint and computes logits for every token. Here requests are encoded
and batched once; requests that differ only in their last token (the letters of a question) share a row; rows are sorted
by length; logits are computed only where an option's token is predicted; and with a `Prefix` the layers below those
that the checkpoints change run once per batch.
"""

from dataclasses import dataclass

import torch
from lm_eval.models.huggingface import HFLM
from torch import Tensor

from moe.forward import CHUNK, final_hidden, head
from moe.upper_layers import Prefix


@dataclass(frozen=True)
class Asked:
    """One batch. ids: `[B, T]`, padded on the right; row, place: `[P]`, positions that predict a token; and for each
    predicted token of each request its prediction (an index into the P positions), id and request, all `[Q]`."""

    ids: Tensor
    row: Tensor
    place: Tensor
    prediction: Tensor
    token: Tensor
    request: Tensor


def batched(encoded: list[tuple[list[int], list[int]]], size: int, max_length: int) -> list[Asked]:
    """Batches of up to `size` rows from (context, continuation) token ids, longest first.

    As in lm-eval a row holds the tokens before the continuation's last one, cut on the left at `max_length`.
    """
    rows: dict[tuple[int, ...], list[int]] = {}
    for number, (context, continuation) in enumerate(encoded):
        rows.setdefault(tuple((context + continuation)[-(max_length + 1) : -1]), []).append(number)
    order = sorted(rows, key=lambda row: (-len(row), row))
    batches = []
    for start in range(0, len(order), size):
        group = order[start : start + size]
        ids = torch.zeros(len(group), len(group[0]), dtype=torch.long)
        places: dict[tuple[int, int], int] = {}
        asked = []
        for number, row in enumerate(group):
            ids[number, : len(row)] = torch.tensor(row)
            for request in rows[row]:
                continuation = encoded[request][1]
                for offset, token in enumerate(continuation):
                    place = (number, len(row) - len(continuation) + offset)
                    asked.append((places.setdefault(place, len(places)), token, request))
        batches.append(Asked(ids, *torch.tensor(list(places)).unbind(-1), *torch.tensor(asked).unbind(-1)))
    return batches


class LanguageModel(HFLM):
    """lm-eval's wrapper of a model in memory. Questions are batched once, for all checkpoints."""

    def __init__(self, model, tokenizer, batch_size: int, prefix: Prefix | None = None):
        super().__init__(pretrained=model, tokenizer=tokenizer, backend="causal", batch_size=batch_size)
        self.prefix = prefix
        self.encoded: dict[str, list[int]] = {}
        self.batches: dict[tuple, list[Asked]] = {}

    @torch.no_grad()
    def loglikelihood(self, requests: list, disable_tqdm: bool = False) -> list[tuple[float, bool]]:
        """(log-likelihood in nats, whether greedy decoding would produce it) of each request's continuation."""
        asked = tuple(request.args for request in requests)
        if asked not in self.batches:
            self._encode_all(asked)
            encoded = {pair: self._encode_pair(*pair) for pair in dict.fromkeys(asked)}
            self.batches[asked] = batched([encoded[pair] for pair in asked], self.batch_size, self.max_length)
            if self.prefix:
                self.prefix.keep([batch.ids for batch in self.batches[asked]], self.batch_size)
        values = torch.zeros(len(asked), dtype=torch.float64)
        greedy = torch.ones(len(asked))
        for batch in self.batches[asked]:
            hidden = final_hidden(self.model, batch.ids.to(self.device))
            wanted = hidden[batch.row.to(self.device), batch.place.to(self.device)]
            for first, part in zip(range(0, len(wanted), CHUNK), wanted.split(CHUNK), strict=True):
                scores = head(self.model, part).float().log_softmax(-1)
                here = (batch.prediction >= first) & (batch.prediction < first + len(part))
                rows, tokens = (batch.prediction[here] - first).to(self.device), batch.token[here].to(self.device)
                values.index_add_(0, batch.request[here], scores[rows, tokens].cpu().double())
                same = (scores.argmax(-1)[rows] == tokens).cpu()
                greedy[batch.request[here][~same]] = 0.0
        return [(value, bool(flag)) for value, flag in zip(values.tolist(), greedy.tolist(), strict=True)]

    def _encode_all(self, pairs: tuple[tuple[str, str], ...]) -> None:
        """Encode the texts that `_encode_pair` will ask for in one call; one by one takes ten times as long."""
        texts = [text for context, continuation in pairs for text in (context, context + continuation)]
        start = self.tokenizer.decode(self.prefix_token_id)
        texts = [text for text in dict.fromkeys(texts) if not text.startswith(start)]  # lm-eval adds no second one
        special = {} if self.add_bos_token is None else {"add_special_tokens": self.add_bos_token}
        self.encoded = dict(zip(texts, self.tokenizer(texts, **special)["input_ids"], strict=True)) if texts else {}

    def tok_encode(self, string: str, add_special_tokens: bool | None = None, **others) -> list[int]:
        if string in self.encoded and add_special_tokens is None and not others:
            return self.encoded[string]
        return super().tok_encode(string, add_special_tokens, **others)
