"""How far a number can be trusted: checks that recompute it, hold it against physics and against its neighbours."""
