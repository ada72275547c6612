"""``python -m rnnhw``: the command line."""

from rnnhw.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
