"""One thread for every test: the machines that run them have few cores, and sums then have one order."""

import torch

torch.set_num_threads(1)
