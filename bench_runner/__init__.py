"""Benchmark specifications and results."""
