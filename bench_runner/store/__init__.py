"""Where results and runs are kept: one SQLite file of this package's own, beside the originals."""
