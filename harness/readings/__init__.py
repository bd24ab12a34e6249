"""Readings of an archive: the lineage of a program, verification of a run, comparable measurements."""
