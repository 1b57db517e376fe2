"""Leave links to files of the machine in place of the artifact."""

import os

out = os.environ["HOLDFAST_OUT"]
os.symlink("/etc/passwd", os.path.join(out, "weights.bin"))
os.symlink("/etc/passwd", os.path.join(out, "config.json"))
