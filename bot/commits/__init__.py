"""What a commit says and touches: parsed once, when it is first seen, and stored with it.

reading    the one reading of a commit, made of message, request, people, claims, types, bumps, references, draft
related    which commits of a period belong together; filters which of them somebody wants
aftermath  what became of a commit's lines
rollup     what lasts of a week or longer, and where it happened; line what a branch has that it had not
notes      what a commit itself tells users; levels how maintainers call it
patch      which hunks a model sees, and where a quote is
files      what kind of file a path is; interfaces what others call or set; notebooks what of one somebody wrote
hosts      code hosts and their addresses; releases what tags name

Everything that parses a message, a path, a patch or an address belongs here. How important a commit is, and what is
said about it, belongs in judgement.
"""
