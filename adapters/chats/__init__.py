"""Chat platforms: each renders a `Message` and turns what people type into a `Request`.

slack, feishu   a platform's limits, its rendering and its transport; each in the same modules
terminal        the chat that needs no account
webhooks        what every chat behind webhooks does
inbox           threads that answer what people ask
sending         sending exactly once: only what is not there
rendering       a message's parts in order, on pages
retry           trying again, after the pause that a service asks for
ratelimit       keeping to the rates that a service counts
"""
