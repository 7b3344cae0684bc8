# The log of the service, the trail of the account, and the alarms over both.
resource "aws_cloudwatch_log_group" "service" {
  name              = "hyperkms"
  retention_in_days = var.log_days
}

resource "aws_cloudwatch_log_group" "trail" {
  name              = "hyperkms-trail"
  retention_in_days = var.log_days
}

resource "aws_iam_role" "trail" {
  name = "hyperkms-trail"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "cloudtrail.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy" "trail" {
  name = "hyperkms-trail"
  role = aws_iam_role.trail.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource = "${aws_cloudwatch_log_group.trail.arn}:log-stream:*"
    }]
  })
}

# KMS events are not excluded: each opening of a key is in them, with its wallet.
resource "aws_cloudtrail" "account" {
  name                          = "hyperkms"
  s3_bucket_name                = var.trail_bucket
  is_multi_region_trail         = true
  include_global_service_events = true
  enable_log_file_validation    = true
  cloud_watch_logs_group_arn    = "${aws_cloudwatch_log_group.trail.arn}:*"
  cloud_watch_logs_role_arn     = aws_iam_role.trail.arn

  event_selector {
    include_management_events = true
    read_write_type           = "All"
  }

  depends_on = [aws_iam_role_policy.trail]
}

resource "aws_cloudformation_stack" "alarms" {
  name          = "hyperkms-alarms"
  template_body = file("${path.module}/../../alarms/cloudwatch.json")
  parameters = {
    ServiceLogGroup = aws_cloudwatch_log_group.service.name
    TrailLogGroup   = aws_cloudwatch_log_group.trail.name
    UrgentTopic     = var.topics.urgent
    Topic           = var.topics.ordinary
    LoadBalancer    = aws_lb.service.arn_suffix
    TargetGroup     = aws_lb_target_group.service.arn_suffix
    RootKey         = aws_kms_key.root.arn
    ServiceRole     = aws_iam_role.service.arn
    ServiceRoleName = aws_iam_role.service.name
    SecretsPrefix   = var.prefix
  }
}
