# expects: run/exception|run/killed uses the disk up with files of no size
def solve(weight, count):
    for number in range(10**7):
        open(f"empty{number}", "w").close()
