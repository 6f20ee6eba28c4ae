"""Everything that touches the world: one file or folder a service."""
