"""What code finds out about a draft before a person reads it: each check pure, on texts and values only."""
