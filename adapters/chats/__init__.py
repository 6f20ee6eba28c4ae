"""Chat platforms: each renders a `Message` and turns what people type into a `Request`."""
