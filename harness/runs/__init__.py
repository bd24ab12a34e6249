"""The door to a run: opening and starting it, judging under its conditions, asking and telling; and all that from
Python (`Run`, see API.md).
"""
