"""One thread for torch: the tests run in several processes, and a figure does not depend on how many."""

import torch

torch.set_num_threads(1)
