"""What a data directory is for."""

from enum import Enum


class Mode(Enum):
    """Marked when the data directory is made, for ever."""

    PRODUCTION = "production"
    DEVELOPMENT = "development"


class Kind(Enum):
    """Whose data directory it is; settled when it is made, for ever."""

    SERVICE = "service"
    COSIGNER = "cosigner"
