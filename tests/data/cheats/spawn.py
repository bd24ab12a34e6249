# expects: run/exception starts a program
import subprocess


def solve(weight, count):
    subprocess.run(["/bin/sleep", "600"])
