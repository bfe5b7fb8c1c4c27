"""Reads job scripts and job logs line by line and says what is wrong. Nothing in them is ever executed or fetched."""
