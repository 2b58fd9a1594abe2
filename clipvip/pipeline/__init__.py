"""From experiment files to cells and jobs, and what makes, lists, checks and removes them."""
