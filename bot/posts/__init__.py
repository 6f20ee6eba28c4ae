"""What readers see: graded commits as neutral messages and as the full report. Pure.

labels     the words and lines that all forms share: statistics, names, links
outline    the content about one commit, in order, as lines
rollup     what a digest of a week or longer has instead of a table
post       the headline, its thread, and one commit in full
report     the full report, in every form: chapter holds its content, markdown, html (tags, charts) and data lay it out

Nothing is graded or parsed here, and no chat is known: each adapter renders these messages.
"""
