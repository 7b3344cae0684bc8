"""Settings under which no limit is met."""

from hyperkms.access.limits import What

UNLIMITED = {f"HYPERKMS_LIMIT_{what.name}": "1000000/s" for what in What}
