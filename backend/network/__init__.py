"""The network of an ``SCVI`` written out: one training step without autograd, on the kernels.

    network = Network(module, implementation="numba")    # lays out the parameters of scvi-tools' ``VAE``
    adam = Adam(network.arena, weight_decay=1e-6, eps=0.01)
    adam.begin(lr=1e-3)
    losses = network.step(minibatch, 0.1, adam.move)      # forward, gradients, and the update beside them
    make_ordinary(module)                                # the layout undone

``obstacle(module)`` says what a module uses that is not written out here. Knows the names of scvi-tools' modules, and
imports none of them.
"""

from ._adam import Adam
from ._arena import make_ordinary
from ._minibatch import Minibatch
from ._network import Losses, Network, Update, obstacle
from ._products import products

__all__ = ["Adam", "Losses", "Minibatch", "Network", "Update", "make_ordinary", "obstacle", "products"]
