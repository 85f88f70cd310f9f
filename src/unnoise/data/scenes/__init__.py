"""Captioned scenes without end, put together from pictures that have an alpha channel.

`sprites` cuts the things out of a set, `draw` makes a `Scene` of a seed and a number, `words` says what it shows,
`painter` paints it, and `gallery` is all of that as pictures to train on.
"""
