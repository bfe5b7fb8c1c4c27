"""Locally served language models: where they are, how they are asked, and what is done with what they say."""
