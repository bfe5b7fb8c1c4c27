"""New measurements: from a specification over a person's yes and a budget to a Slurm job and back to a row."""
