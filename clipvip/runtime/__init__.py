"""How a process runs: its context, several processes, checkpoints, locks and whole files."""
