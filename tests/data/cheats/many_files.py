# expects: run/exception|run/killed fills the disk with files each of which is within the limit
def solve(weight, count):
    for number in range(10**6):
        with open(f"big{number}", "wb") as file:
            file.write(bytes(1 << 20))
