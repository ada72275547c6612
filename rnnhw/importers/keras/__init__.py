"""Keras files without Keras: the architecture is JSON, the weights are HDF5."""
