"""The language model's servers: Slurm jobs that run `vllm serve`, kept up from one walltime to the next."""
