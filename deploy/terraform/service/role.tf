# The role of the service. Its rights are deploy/aws/service-role.json, which the tests run a service under.
locals {
  policies = "${path.module}/../../aws"
  names = {
    account          = var.account
    region           = var.region
    prefix           = var.prefix
    key_id           = aws_kms_key.root.key_id
    service_role     = aws_iam_role.service.arn
    admin_role       = var.admin_role
    break_glass_role = var.break_glass_role
  }
}

resource "aws_iam_role" "service" {
  name                 = "hyperkms"
  description          = "The service hyperkms, and nothing else."
  assume_role_policy   = templatefile("${local.policies}/trust-ecs.json", { account = var.account, region = var.region })
  max_session_duration = 3600
}

resource "aws_iam_role_policy" "service" {
  name   = "hyperkms"
  role   = aws_iam_role.service.id
  policy = templatefile("${local.policies}/service-role.json", local.names)
}

# Wallets whose keys KMS makes and keeps; docs/aws.md says what this right can do beside.
resource "aws_iam_role_policy" "kms_native" {
  count  = var.kms_native ? 1 : 0
  name   = "hyperkms-kms-native"
  role   = aws_iam_role.service.id
  policy = templatefile("${local.policies}/kms-native.json", local.names)
}

# What pulls the image and writes the log, before and beside the service; it may use no key and read no secret.
resource "aws_iam_role" "pull" {
  name               = "hyperkms-pull"
  assume_role_policy = templatefile("${local.policies}/trust-ecs.json", { account = var.account, region = var.region })
}

resource "aws_iam_role_policy_attachment" "pull" {
  role       = aws_iam_role.pull.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
}

# The agent of ECS on the host. Tasks cannot ask for it: ECS_AWSVPC_BLOCK_IMDS.
resource "aws_iam_role" "host" {
  name               = "hyperkms-host"
  assume_role_policy = file("${local.policies}/trust-ec2.json")
}

resource "aws_iam_role_policy_attachment" "host" {
  role       = aws_iam_role.host.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AmazonEC2ContainerServiceforEC2Role"
}

resource "aws_iam_instance_profile" "host" {
  name = "hyperkms-host"
  role = aws_iam_role.host.name
}
