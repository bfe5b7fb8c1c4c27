"""Evidence: articles, facts, and the search index over them."""
