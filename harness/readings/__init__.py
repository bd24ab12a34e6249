"""Readings of an archive: how a program came about, whether a run is what it says, which measurements compare."""
