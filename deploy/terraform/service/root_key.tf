# The root key. Its policy comes after the endpoint that it names, which itself names the key.
resource "aws_kms_key" "root" {
  description              = "Root key of hyperkms"
  key_usage                = "ENCRYPT_DECRYPT"
  customer_master_key_spec = "SYMMETRIC_DEFAULT"
  enable_key_rotation      = true
  deletion_window_in_days  = 30
  multi_region             = false

  lifecycle {
    prevent_destroy = true
    ignore_changes  = [policy] # aws_kms_key_policy has it
  }
}

resource "aws_kms_alias" "root" {
  name          = "alias/hyperkms"
  target_key_id = aws_kms_key.root.key_id
}

resource "aws_kms_key_policy" "root" {
  key_id = aws_kms_key.root.key_id
  policy = templatefile("${local.policies}/root-key-policy.json", merge(local.names, {
    kms_endpoint = aws_vpc_endpoint.custody["kms"].id
  }))

  # The policy lets nobody make an alias, so that one comes first.
  depends_on = [aws_kms_alias.root]
}
