"""Readers of foreign result files: text or bytes in, results and problems out, one record at a time."""
