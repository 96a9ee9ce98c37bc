"""The program of the `helm test` pod: succeeds once a URL answers 200, fails after so many seconds without.

It waits because a Service lists a pod only some time after the pod became ready.
"""

import sys
import time
from urllib.error import URLError
from urllib.request import urlopen

url, seconds = sys.argv[1], float(sys.argv[2])
deadline = time.monotonic() + seconds
while True:
    try:
        with urlopen(url, timeout=5) as answer:
            print(f"{url} answered {answer.status}")
            break
    except (URLError, TimeoutError) as error:
        if time.monotonic() > deadline:
            sys.exit(f"{url} did not answer 200 within {seconds:g} seconds: {error}")
        time.sleep(1)
