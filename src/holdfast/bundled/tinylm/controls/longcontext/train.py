"""Export a model that looks back further than the family allows."""

import os

from model import GPT, GPTConfig, export

export(GPT(GPTConfig(block_size=1024)), os.environ["HOLDFAST_OUT"])
