"""``python -m kuramoto``: the ``kuramoto`` command."""

from kuramoto.cli import main

if __name__ == "__main__":
    main()
