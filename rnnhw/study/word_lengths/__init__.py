"""Word lengths of a trained network, chosen under a demand on what it answers."""
