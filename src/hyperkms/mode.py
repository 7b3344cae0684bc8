"""What a data directory is for."""

from enum import Enum


class Mode(Enum):
    """Marked when the data directory is made, for ever."""

    PRODUCTION = "production"
    DEVELOPMENT = "development"
