"""What a reader sees: judged commits as neutral messages, and as the full report. Pure.

labels     the words and lines that every form shares: statistics, names, links
outline    what is said of one commit, in order, as lines
rollup     what is said of a week or longer instead of a table
post       the headline, its thread, and one commit in full
report     the full report, in every form: chapter holds its content, markdown, html (tags, charts) and data lay it out

Nothing is judged or parsed here, and no chat is known: each renders these messages in its own adapter.
"""
