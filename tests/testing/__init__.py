"""The pytest plugin for the tests of strategies."""
