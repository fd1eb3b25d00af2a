"""The clients that are compared: each receives a whole stream once, in its own way.

Everybody does the same with an event: check that it is the one that comes next, and count. The clock runs from just
before the continue to the last event; connecting and creating are reported apart.
"""
