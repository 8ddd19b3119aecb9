"""`python -m services.runner`."""

from __future__ import annotations

from services.runner.runner import main

if __name__ == "__main__":
    main()
