"""Looking at a million rows: filters, pages, summaries, terms and a map of the texts, without a screen.

`engine.exploration.explorer.Explorer` is the door. What is big is made once per data set and process, never changed,
and shared by every visitor; what a visitor holds is a `Filter`.
"""
