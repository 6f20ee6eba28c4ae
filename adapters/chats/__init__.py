"""Chat platforms: each renders a `Message` and turns what people type into a `Request`.

slack, feishu   a platform's limits, its rendering and its transport; each in the same modules
terminal        the chat that needs no account
webhooks        what all chats over webhooks share
inbox           threads that answer requests
sending         sending exactly once: only what is not there yet
rendering       a message's parts in order, on pages
retry           retries, after the pause that a service asks for
ratelimit       rate limits of a service
"""
