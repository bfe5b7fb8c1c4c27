"""One check for each rule of script_rules.yaml."""
