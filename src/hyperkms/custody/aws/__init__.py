"""AWS: the only modules that know it. They load boto3, which the extra `aws` brings, when they are first used."""
