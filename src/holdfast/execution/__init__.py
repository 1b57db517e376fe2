"""Where code runs: trials in sandboxes on this machine, and the judges of what they leave."""
