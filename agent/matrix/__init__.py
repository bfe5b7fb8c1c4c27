"""Matrix: a second chat service, as small as one can be. Tests run it against a real Synapse."""
