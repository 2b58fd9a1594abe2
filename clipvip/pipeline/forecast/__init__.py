"""What an experiment will take, before anything is spent on it: `clipvip plan`."""
