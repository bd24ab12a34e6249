"""What the tests of the live page share with those of the command."""

from tests.cli.conftest import ctrl_c_reaches_the_command, own_temporary_files

__all__ = ["ctrl_c_reaches_the_command", "own_temporary_files"]
