"""For work on the code base, not part of the library.

``python -m tools.pages`` writes parts of the pages; ``tools.house`` and ``tools.trips`` measure.
"""
