"""What botocore reads before it makes a client has been read by whoever imports this, and by its forks."""

import os
from unittest.mock import patch

from hyperkms.custody.aws.account import AwsAccount

with patch.dict(os.environ, {"AWS_EC2_METADATA_DISABLED": "true"}):  # or it asks the machine for a role
    _account = AwsAccount("eu-west-1")
    for _service in ("kms", "secretsmanager"):
        _account.client(_service)
