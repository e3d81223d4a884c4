"""How the libraries behave in a stage's process."""

import logging

import torch
import transformers


def set_up(threads: int) -> None:
    """Set torch's threads; silence the libraries' progress bars and warnings in favour of the project's own lines."""
    torch.set_num_threads(threads)
    transformers.utils.logging.disable_progress_bar()
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
