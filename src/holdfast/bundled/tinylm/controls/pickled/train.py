"""Leave a pickled checkpoint where the weights belong."""

import os

import torch
from model import GPT, GPTConfig, export

out = os.environ["HOLDFAST_OUT"]
model = GPT(GPTConfig())
export(model, out)
torch.save(model.state_dict(), os.path.join(out, "weights.bin"))
