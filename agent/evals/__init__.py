"""Labelled sets and what is measured on them."""
