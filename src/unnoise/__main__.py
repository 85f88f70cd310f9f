"""`python -m unnoise` is `unnoise`."""

from unnoise.cli.main import run

if __name__ == "__main__":
    run()
