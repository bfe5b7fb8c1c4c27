"""Benchmark specifications and results: read foreign result files, say how far each number can be trusted."""
