"""The servers of the benchmarks: they say as little as they can, so that what is measured is the client."""
