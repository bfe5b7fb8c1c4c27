"""Structured questions, answered from rows of the facts and of benchmarks instead of by similarity of text."""
