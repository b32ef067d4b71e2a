"""What the generator cannot know: a request of its own has an idempotency key of its own.

It names most of them "0", and the second of a name is refused as another's. One in eight stays as it is.
"""

import itertools
import os

import schemathesis

KEY = "Idempotency-Key"
requests = itertools.count(1)


@schemathesis.hook
def before_call(context, case, **kwargs):
    number = next(requests)
    invented = case.meta is not None and case.meta.generation.mode.is_positive
    if invented and number % 8 and case.headers and KEY in case.headers:
        case.headers[KEY] = f"fuzz-{os.getpid()}-{number}"
