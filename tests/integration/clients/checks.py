"""What the scripts of this folder share: a line for each check, and an exit status."""

import argparse
import sys
import traceback


class Checks:
    """Runs named checks against --base-url; exits with 1 if one failed."""

    def __init__(self, description):
        parser = argparse.ArgumentParser(description=description)
        parser.add_argument("--base-url", default="http://127.0.0.1:8000")
        self.base_url = parser.parse_args().base_url.rstrip("/")
        self.failed = 0

    def run(self, name, check):
        try:
            outcome = check()
            print(f"ok      {name}" + (f": {outcome}" if outcome else ""), flush=True)
        except Skip as skip:
            print(f"skipped {name}: {skip}", flush=True)
        except Exception:  # any error of a check or of the client is that check's failure
            self.failed += 1
            print(f"FAILED  {name}", flush=True)
            traceback.print_exc(file=sys.stdout)

    def run_all(self, namespace):
        """Runs every function of `namespace` whose name begins with "check_"."""
        for name, check in list(namespace.items()):
            if name.startswith("check_"):
                self.run(name.removeprefix("check_").replace("_", " "), check)
        sys.exit(1 if self.failed else 0)


class Skip(Exception):
    """The server or its model does not offer what a check is about."""
