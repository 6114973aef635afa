"""What pixels say without a model: a picture is measured, described, and questioned. Pure functions, no I/O.

The road: `picture` decodes and reduces; `land_cover`, `structure` and `colours` measure; `measurements` gathers;
`description` puts it into words; `vocabulary` and `questions` read what is asked, `answers` answers it.
"""
