"""Processes of their own without 7 s of imports each: forked from a server that has loaded only the libraries."""

import multiprocessing

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    ["torch", "transformers.models.auto.modeling_auto", "transformers.models.qwen2_moe.modeling_qwen2_moe", "peft"]
)
