"""``python -m gridbazaar.experiments.cli`` is the command ``gridbazaar``."""

from gridbazaar.experiments.cli.main import main

if __name__ == "__main__":
    main()
