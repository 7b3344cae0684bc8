# One cosigner in an account of its own, run by its own operators with their own state of Terraform.
# Its shares are on the volume, sealed under a root key that only the role of this host may use (docs/aws.md).
terraform {
  required_version = ">= 1.6"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.60, < 7.0"
    }
  }
}

provider "aws" {
  region              = var.region
  allowed_account_ids = [var.account]
  default_tags {
    tags = { program = "hyperkms-cosigner" }
  }
}

variable "account" {
  description = "The account of this cosigner, and of nothing else."
  type        = string
}

variable "region" {
  description = "Its region; another one than the other cosigners'."
  type        = string
}

variable "vpc" {
  description = "The VPC, and the subnet of the host with its zone."
  type = object({
    id     = string
    subnet = string
    zone   = string
  })
}

variable "service" {
  description = "The address of the service, as a network of one: nobody else may connect."
  type        = string
  validation {
    condition     = endswith(var.service, "/32")
    error_message = "One address (/32)."
  }
}

variable "proxy" {
  description = "Networks of the proxy that lets api.hyperliquid.xyz pass; empty: policies use no prices and no names of coins."
  type        = list(string)
  default     = []
}

variable "host_image" {
  description = "The id of an AMI of your own, with the package installed and its hashes compared."
  type        = string
}

variable "identity" {
  description = "What `hyperkms cosigner init` printed; before that: identity, which lets it make nothing but that key."
  type        = string
  default     = "identity"
  validation {
    condition     = can(regex("^([0-9a-f]{64}|identity)$", var.identity))
    error_message = "64 hex digits, or identity."
  }
}

variable "shares_in_secrets" {
  description = "Whether its shares are in Secrets Manager: HYPERKMS_KEY_STORE=aws-secrets-manager:, which stays as it began."
  type        = bool
  default     = false
}

variable "secrets_prefix" {
  description = "SECRETS_PREFIX, where that is so."
  type        = string
  default     = "hyperliquid/wallets/"
}

variable "admin_role" {
  description = "ARN of the role that administers the root key: the one that runs this."
  type        = string
}

variable "break_glass_role" {
  description = "ARN of the role for emergencies, which takes two people of this account."
  type        = string
}

variable "trail_bucket" {
  description = "The bucket of another account, with Object Lock, that takes the trail."
  type        = string
}

# The volume is sealed under a key of this account, so that no other account can read a copy of it.
resource "aws_kms_key" "volume" {
  description             = "The volume of a cosigner of hyperkms"
  enable_key_rotation     = true
  deletion_window_in_days = 30
  multi_region            = false

  lifecycle {
    prevent_destroy = true
  }
}

locals {
  policies = "${path.module}/../../aws"
  names = {
    account          = var.account
    region           = var.region
    key_id           = aws_kms_key.root.key_id
    cosigner         = var.identity
    prefix           = var.secrets_prefix
    cosigner_role    = aws_iam_role.cosigner.arn
    service_role     = aws_iam_role.cosigner.arn # what the policy of the endpoint calls it
    admin_role       = var.admin_role
    break_glass_role = var.break_glass_role
  }
}

# The root key. Its policy comes after the endpoint that it names, which itself names the key.
resource "aws_kms_key" "root" {
  description              = "Root key of a cosigner of hyperkms"
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

resource "aws_kms_key_policy" "root" {
  key_id = aws_kms_key.root.key_id
  policy = templatefile("${local.policies}/cosigner-root-key-policy.json", merge(local.names, {
    kms_endpoint = aws_vpc_endpoint.kms.id
  }))
}

resource "aws_iam_role" "cosigner" {
  name                 = "hyperkms-cosigner"
  description          = "The one cosigner of this account, and nothing else."
  assume_role_policy   = file("${local.policies}/trust-ec2.json")
  max_session_duration = 3600
}

resource "aws_iam_role_policy" "cosigner" {
  name   = "hyperkms-cosigner"
  role   = aws_iam_role.cosigner.id
  policy = templatefile("${local.policies}/cosigner-role.json", local.names)
}

resource "aws_iam_role_policy" "secrets" {
  count  = var.shares_in_secrets ? 1 : 0
  name   = "hyperkms-cosigner-secrets"
  role   = aws_iam_role.cosigner.id
  policy = templatefile("${local.policies}/cosigner-secrets.json", local.names)
}

resource "aws_iam_instance_profile" "cosigner" {
  name = "hyperkms-cosigner"
  role = aws_iam_role.cosigner.name
}

resource "aws_security_group" "kms" {
  name        = "hyperkms-cosigner-kms"
  description = "The endpoints of KMS and Secrets Manager"
  vpc_id      = var.vpc.id
}

resource "aws_vpc_security_group_ingress_rule" "kms" {
  security_group_id            = aws_security_group.kms.id
  description                  = "The cosigner"
  referenced_security_group_id = aws_security_group.cosigner.id
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
}

resource "aws_vpc_endpoint" "kms" {
  vpc_id              = var.vpc.id
  service_name        = "com.amazonaws.${var.region}.kms"
  vpc_endpoint_type   = "Interface"
  private_dns_enabled = true
  subnet_ids          = [var.vpc.subnet]
  security_group_ids  = [aws_security_group.kms.id]
  policy              = templatefile("${local.policies}/endpoint-kms.json", local.names)
}

resource "aws_vpc_endpoint" "secrets" {
  count               = var.shares_in_secrets ? 1 : 0
  vpc_id              = var.vpc.id
  service_name        = "com.amazonaws.${var.region}.secretsmanager"
  vpc_endpoint_type   = "Interface"
  private_dns_enabled = true
  subnet_ids          = [var.vpc.subnet]
  security_group_ids  = [aws_security_group.kms.id]
  policy              = templatefile("${local.policies}/endpoint-cosigner-secrets.json", local.names)
}

resource "aws_ebs_volume" "data" {
  availability_zone = var.vpc.zone
  type              = "gp3"
  size              = 20
  encrypted         = true
  kms_key_id        = aws_kms_key.volume.arn

  tags = { Name = "hyperkms-cosigner-data" }

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_security_group" "cosigner" {
  name        = "hyperkms-cosigner"
  description = "A cosigner of hyperkms"
  vpc_id      = var.vpc.id
}

resource "aws_vpc_security_group_ingress_rule" "service" {
  security_group_id = aws_security_group.cosigner.id
  description       = "The service"
  cidr_ipv4         = var.service
  ip_protocol       = "tcp"
  from_port         = 7443
  to_port           = 7443
}

resource "aws_vpc_security_group_egress_rule" "kms" {
  security_group_id            = aws_security_group.cosigner.id
  description                  = "To the endpoints of KMS and Secrets Manager"
  referenced_security_group_id = aws_security_group.kms.id
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
}

resource "aws_vpc_security_group_egress_rule" "exchange" {
  for_each          = toset(var.proxy)
  security_group_id = aws_security_group.cosigner.id
  description       = "To the proxy that lets api.hyperliquid.xyz pass"
  cidr_ipv4         = each.value
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_instance" "cosigner" {
  ami                    = var.host_image
  instance_type          = "c7i.large"
  subnet_id              = var.vpc.subnet
  vpc_security_group_ids = [aws_security_group.cosigner.id]
  iam_instance_profile   = aws_iam_instance_profile.cosigner.name
  monitoring             = true

  metadata_options {
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  root_block_device {
    encrypted  = true
    kms_key_id = aws_kms_key.volume.arn
  }

  tags = { Name = "hyperkms-cosigner" }
}

resource "aws_volume_attachment" "data" {
  device_name                    = "/dev/sdf"
  volume_id                      = aws_ebs_volume.data.id
  instance_id                    = aws_instance.cosigner.id
  stop_instance_before_detaching = true
}

resource "aws_cloudtrail" "account" {
  name                          = "hyperkms-cosigner"
  s3_bucket_name                = var.trail_bucket
  is_multi_region_trail         = true
  include_global_service_events = true
  enable_log_file_validation    = true
}

output "root_key" {
  description = "HYPERKMS_ROOT_KEY."
  value       = "aws-kms:${aws_kms_key.root.arn}"
}

output "address" {
  description = "Where the service connects, for the card (docs/mpc.md)."
  value       = "${aws_instance.cosigner.private_ip}:7443"
}
