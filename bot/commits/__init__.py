"""What a commit says and touches: parsed once, when it is first seen, and stored with it.

reading    everything parsed from a commit, made from message, request, people, claims, types, bumps, references, draft
related    which commits of a period belong together; filters which of them a subscription wants
aftermath  what became of a commit's lines
rollup     what lasts of a week or longer, and where it happened; line what is new on a branch
notes      what a commit itself tells users; levels what maintainers call it
patch      which hunks a model sees, and where a quote is
files      what kind of file a path is; interfaces what others call or set; notebooks which parts people wrote
hosts      code hosts and their addresses; releases what tags name

Everything that parses a message, a path, a patch or an address belongs here. How important a commit is, and what is
said about it, belongs in judgement.
"""
