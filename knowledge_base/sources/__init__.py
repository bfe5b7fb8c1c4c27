"""Where evidence comes from (folders, git repositories, documentation sites), and keeping the index in step."""
