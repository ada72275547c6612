"""Which lane computes what, and which memory holds it."""
