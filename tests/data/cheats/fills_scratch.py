# expects: run/exception writes its scratch folder full
def solve(weight, count):
    with open("big", "wb") as file:
        while True:
            file.write(bytes(1 << 20))
