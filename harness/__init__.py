"""The searcher of packsmith."""
