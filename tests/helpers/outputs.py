"""Further outputs of a random network."""

import random

from rnnhw.graph.network import Network

__all__ = ["some_outputs"]


def some_outputs(network, able=lambda node: True):
    """One network in three with some of its operations that are ``able`` as further outputs, in any
    order."""
    # Drawn from the network itself: what a seed draws before and behind is as if there were none.
    rng = random.Random(repr([(node.name, node.units) for node in network.nodes]))
    others = [node for node in network.nodes[1:-1] if able(node)]
    if not others or rng.randint(1, 3) != 3:
        return network
    outputs = [network.nodes[-1], *rng.sample(others, rng.randint(1, min(3, len(others))))]
    rng.shuffle(outputs)
    return Network(network.nodes, tuple(outputs))
