"""What a commit says and touches: read once, when it is first seen, and kept with it.

Here belongs everything that looks into a message, a path, a patch or an address. How much a commit matters, and what is
said of it, does not: that is judgement.
"""
