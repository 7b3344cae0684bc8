"""When Python's collector looks for circles of objects that nobody has: seldom, and never among what stays."""

import gc


def begin_quietly() -> None:
    """Modules that are being imported are no garbage: looking for some took a sixth of the time of their import.

    A request leaves no circles, so the collector finds little later on, and looking costs somebody's time.
    """
    gc.set_threshold(50_000, 20, 20)


def settle() -> None:
    """What stands now stands until the end, and is not looked at again."""
    gc.freeze()  # a start leaves a few hundred objects that are garbage, which it takes 60 ms to find
