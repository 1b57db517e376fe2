"""Export a configuration with a key that the family does not have."""

import json
import os

from model import GPT, GPTConfig, export

out = os.environ["HOLDFAST_OUT"]
export(GPT(GPTConfig()), out)
with open(os.path.join(out, "config.json")) as file:
    config = json.load(file)
config["model"]["temperature"] = 0.5
with open(os.path.join(out, "config.json"), "w") as file:
    json.dump(config, file)
