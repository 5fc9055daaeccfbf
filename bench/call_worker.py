"""One agent of the outage bench: ``call_worker.py URL NAME CALLS``, each call with its own name."""

from __future__ import annotations

import sys
import time

from supervisor.calls import CallError, Claude


def main() -> None:
    """Make the calls one after the other; each that completed is said and not made again."""
    url, name, calls = sys.argv[1], sys.argv[2], int(sys.argv[3])
    claude = Claude(api_key="bench-no-secret", base_url=url)
    for number in range(calls):
        while True:
            try:
                claude.messages.create(
                    model="claude-haiku-4-5",
                    max_tokens=20,
                    messages=[{"role": "user", "content": "?"}],
                    extra_headers={"x-who": f"{name}-{number}"},
                )
            except CallError as error:
                if not error.retryable:
                    raise
                continue
            break
        print(f"{name}-{number} {time.time()}", flush=True)
        time.sleep(0.3)


if __name__ == "__main__":
    main()
