"""Measurements of the code base: ``python -m tools.trips`` and ``python -m tools.house``. Not part of the library."""
