"""The command line: flags to functions, nothing else."""
